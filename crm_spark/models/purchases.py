"""Buy-till-you-die models of order days: likelihood, fit, and what to expect of a customer.

One family, told apart by two numbers. A customer orders by a renewal process of its own rate,
lambda ~ Gamma(r, alpha): the gaps between orders are Erlang-`k` (k = 1: Poisson orders; more: the
orders of regular buyers). After every order the customer is lost for good with a probability of
its own, p ~ Beta(a, b); where `drops_at_first`, after the very first one, too.

- BG/NBD: k = 1, not at the first order. Fader, Hardie and Lee (2005), "Counting your customers the
  easy way", Marketing Science 24(2).
- MBG/NBD: k = 1, at the first order, too. Batislam, Denizel and Filiztekin (2007), International
  Journal of Research in Marketing 24(3).
- MBG/CNBD-k: Platzer and Reutterer (2016), "Ticking away the moments", Marketing Science 35(5).

A history is (x, t_x, T): order days after the first, the time from the first to the last of them,
and from the first to the cut-off. Everything is worked out in logarithms, so that nothing runs over
where x or T are large, and for arrays of histories at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betainc, betaln, gammaln, logsumexp, psi

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

PARAMETERS = ("r", "alpha", "a", "b")
# Beyond these a parameter stands for "all alike" or "none": the likelihood is flat there.
LEAST, MOST = 1e-5, 1e6
# P(N >= n) below this adds nothing to what is expected.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class Kind:
    """Which of the family: gaps of `k` steps, and whether a first order can be the last one."""

    name: str
    k: int
    drops_at_first: bool


BG_NBD = Kind("bg_nbd", 1, drops_at_first=False)
MBG_NBD = Kind("mbg_nbd", 1, drops_at_first=True)


def regular_kind(k: int) -> Kind:
    """Give the MBG/CNBD-k of buyers whose gaps are Erlang-k."""
    return Kind("mbg_cnbd_k", k, drops_at_first=True)


@dataclass(frozen=True)
class Histories:
    """Distinct histories, in one unit of time, and how many customers have each.

    `log_gaps` is the sum over all customers of the logarithms of all gaps between orders, by which
    different k are compared; nothing else depends on it.
    """

    x: Floats
    t_x: Floats
    T: Floats
    n: Floats
    log_gaps: float = 0.0

    @cached_property
    def order_days(self) -> tuple[Floats, Places]:
        """The different x, and the place of each history's among them."""
        return np.unique(self.x, return_inverse=True)

    @classmethod
    def of(
        cls,
        x: npt.ArrayLike,
        t_x: npt.ArrayLike,
        T: npt.ArrayLike,
        n: npt.ArrayLike | None = None,
        log_gaps: float = 0.0,
    ) -> Histories:
        """Give the histories of arrays, one customer each without `n`."""
        found = np.asarray(x, dtype=float)
        return cls(
            found,
            np.asarray(t_x, dtype=float),
            np.asarray(T, dtype=float),
            np.ones(len(found)) if n is None else np.asarray(n, dtype=float),
            log_gaps,
        )


@dataclass(frozen=True)
class PurchaseModel:
    """A fitted model: its kind, r, alpha (in the unit of time), a and b, and how sure they are.

    `errors` are the standard errors of the parameters' logarithms, from the curvature of the
    likelihood; None where it has none, as a parameter ran to its bound.
    """

    kind: Kind
    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = 0.0
    errors: tuple[float | None, ...] = (None,) * len(PARAMETERS)

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> PurchaseModel:
        """Put it together again from its fields as plain values."""
        parts = {**spec, "kind": Kind(**spec["kind"]), "errors": tuple(spec["errors"])}
        return cls(**parts)

    @property
    def parameters(self) -> tuple[float, float, float, float]:
        """r, alpha, a and b."""
        return self.r, self.alpha, self.a, self.b


@dataclass(frozen=True)
class Branches:
    """The logarithms of a history's two explanations, lost and not, and the shares of the steps.

    `steps[j]` is the share, among those not lost, of j steps of the next gap already done.
    """

    lost: Floats
    alive: Floats
    steps: Floats

    @property
    def total(self) -> Floats:
        """The logarithm of both together."""
        return np.logaddexp(self.lost, self.alive)

    @property
    def alive_probability(self) -> Floats:
        """The probability that the customer is not lost."""
        return np.exp(self.alive - self.total)


def branches(
    kind: Kind,
    parameters: Sequence[float] | Floats,
    x: Floats,
    t_x: Floats,
    T: Floats,
    *,
    place: Places | None = None,
) -> Branches:
    """Explain histories: lost after the last order, or silent since by chance.

    Both lack the factors that they share: alpha^r / Gamma(r) / B(a, b), and those of the gaps. With
    `place`, x are different numbers of order days, and the place of each history's among them: what
    depends on it alone is worked out once.
    """
    r, alpha, a, b = parameters
    k, d = kind.k, int(kind.drops_at_first)
    place = np.arange(len(x)) if place is None else place
    can_be_lost = (x > 0) | kind.drops_at_first
    survived = np.where(can_be_lost, b + x - 1 + d, 1.0)
    lost = np.where(can_be_lost, betaln(a + 1, survived) + gammaln(r + k * x), -np.inf)[place]
    kept, shape = betaln(a, b + x + d)[place], (r + k * x)[place]
    with np.errstate(divide="ignore"):
        log_silent = np.log(T - t_x)
    log_known = np.log(alpha + T)
    steps = np.empty((k, len(place)))
    for j in range(k):
        done = j * log_silent if j else 0.0
        ways = (gammaln(r + k * x + j) - gammaln(j + 1))[place]
        steps[j] = done + ways - (shape + j) * log_known
    together = logsumexp(steps, axis=0) if k > 1 else steps[0]
    lost = lost - shape * np.log(alpha + t_x)
    return Branches(lost, kept + together, np.exp(steps - together))


def log_likelihood(model: PurchaseModel, histories: Histories) -> float:
    """Give the log-likelihood of all customers, with the terms that depend on k alone."""
    value, _ = _value_and_gradient(model.kind, np.log(model.parameters), histories)
    return value + _of_gaps(model.kind, histories)


def _of_gaps(kind: Kind, histories: Histories) -> float:
    orders = float((histories.n * histories.x).sum())
    return float((kind.k - 1) * histories.log_gaps - orders * gammaln(kind.k))


def _value_and_gradient(kind: Kind, logs: Floats, histories: Histories) -> tuple[float, Floats]:
    """Give the log-likelihood without the gaps' terms, and its gradient by the logarithms."""
    r, alpha, a, b = parameters = np.exp(logs)
    t_x, T, n = histories.t_x, histories.T, histories.n
    x, place = histories.order_days
    k, d = kind.k, int(kind.drops_at_first)
    found = branches(kind, parameters, x, t_x, T, place=place)
    total = float(n.sum())
    value = float((n * found.total).sum()) + total * float(
        r * np.log(alpha) - gammaln(r) - betaln(a, b)
    )
    alive = found.alive_probability
    lost, shape = 1 - alive, r + k * x
    j = np.arange(k)[:, None]
    digammas = (found.steps * psi(shape + j)[:, place]).sum(axis=0)
    mean_shape = (found.steps * (shape + j)[:, place]).sum(axis=0)
    by_r = lost * (psi(shape)[place] - np.log(alpha + t_x)) + alive * (digammas - np.log(alpha + T))
    by_alpha = -lost * shape[place] / (alpha + t_x) - alive * mean_shape / (alpha + T)
    both = psi(a + b + x + d)[place]
    # Nobody is lost who cannot be: whatever stands there counts for nothing.
    survived = np.where((x > 0) | kind.drops_at_first, b + x - 1 + d, 1.0)
    by_a = lost * psi(a + 1) + alive * psi(a) - both
    by_b = lost * psi(survived)[place] + alive * psi(b + x + d)[place] - both
    gradient = np.array(
        [
            (n * by_r).sum() + total * (np.log(alpha) - psi(r)),
            (n * by_alpha).sum() + total * r / alpha,
            (n * by_a).sum() - total * (psi(a) - psi(a + b)),
            (n * by_b).sum() - total * (psi(b) - psi(a + b)),
        ]
    )
    return value, gradient * parameters


def fit(kind: Kind, histories: Histories) -> PurchaseModel:
    """Fit a kind by maximum likelihood, with exact gradients, and the parameters' standard errors.

    Raises ValueError without any history, or where none has a time to be watched for.
    """
    total = float(histories.n.sum())
    if not total or not (histories.T > 0).any():
        raise ValueError("no customer was known before the cut-off for any time")

    def loss(logs: Floats) -> tuple[float, Floats]:
        value, gradient = _value_and_gradient(kind, logs, histories)
        return -value / total, -gradient / total

    bounds = [(np.log(LEAST), np.log(MOST))] * len(PARAMETERS)
    rate = max(float((histories.n * histories.x).sum()), 1.0) / float(
        (histories.n * histories.T).sum()
    )
    starts = [(r, r / rate / kind.k, a, b) for r, a, b in ((1.0, 1.0, 1.0), (0.3, 0.8, 2.5))]
    found = [
        minimize(
            loss,
            np.clip(np.log(start), *bounds[0]),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20},
        )
        for start in starts
    ]
    best = min(found, key=lambda one: float(one.fun))
    logs = np.asarray(best.x)
    r, alpha, a, b = (float(value) for value in np.exp(logs))
    return PurchaseModel(
        kind,
        r,
        alpha,
        a,
        b,
        -float(best.fun) * total + _of_gaps(kind, histories),
        standard_errors(lambda at: -loss(at)[1] * total, logs, bounds[0]),
    )


def standard_errors(
    gradient: Any, logs: Floats, bounds: tuple[float, float]
) -> tuple[float | None, ...]:
    """Give the standard errors of logarithms of parameters, from the Hessian at the maximum.

    The Hessian is made of central differences of the exact gradient. None of parameters at a bound,
    and of all where the likelihood has no curvature.
    """
    inside = [i for i, one in enumerate(logs) if bounds[0] + 1e-6 < one < bounds[1] - 1e-6]
    step = 1e-4
    hessian = np.zeros((len(inside), len(inside)))
    for row, i in enumerate(inside):
        shift = np.zeros(len(logs))
        shift[i] = step
        both = gradient(logs + shift) - gradient(logs - shift)
        hessian[row] = both[inside] / (2 * step)
    errors: list[float | None] = [None] * len(logs)
    information = -(hessian + hessian.T) / 2
    if not inside or not np.isfinite(information).all():
        return tuple(errors)
    if np.linalg.eigvalsh(information)[0] <= 0:
        return tuple(errors)
    for i, variance in zip(inside, np.diag(np.linalg.inv(information)), strict=True):
        errors[i] = float(np.sqrt(variance))
    return tuple(errors)


def intervals_of(
    parameters: Sequence[float], errors: Sequence[float | None]
) -> list[tuple[float | None, float | None]]:
    """Give the 95 % intervals of parameters by the standard errors of their logarithms."""
    return [
        (None, None)
        if error is None
        else (float(value * np.exp(-1.96 * error)), float(value * np.exp(1.96 * error)))
        for value, error in zip(parameters, errors, strict=True)
    ]


def fit_regular(histories: Histories, *, most: int) -> PurchaseModel:
    """Fit MBG/CNBD-k for k of 1 to `most`, and give the one of the highest likelihood."""
    fitted = [fit(regular_kind(k), histories) for k in range(1, most + 1)]
    return max(fitted, key=lambda model: model.log_likelihood)


@dataclass(frozen=True)
class Expected:
    """What to expect of customers in a horizon: the chance of any order, and the mean number."""

    order_probability: Floats
    n_orders: Floats


def alive_probability(
    model: PurchaseModel,
    x: Floats,
    t_x: Floats,
    T: Floats,
) -> Floats:
    """Give the probability that a customer is not lost."""
    return branches(model.kind, model.parameters, x, t_x, T).alive_probability


def expected_orders(
    model: PurchaseModel,
    x: Floats,
    t_x: Floats,
    T: Floats,
    horizon: float,
) -> Expected:
    """Give what customers will order in (T, T + horizon], as the mean over what they may be like.

    Of those not lost, lambda is Gamma(r + k x + j, alpha + T) where j steps of the gap are done,
    and p is Beta(a, b + x [+ 1]), apart from it. An n-th order takes n k - j steps within the
    horizon, whose number is negative binomial, and n - 1 orders survived:

        P(N >= n) = P(alive) sum_j P(j) prod_{i < n - 1} (b' + i) / (a + b' + i) P(NB >= n k - j)

    The mean is their sum; with k = 1 it is equation 10 of Fader, Hardie and Lee (2005), without
    their hypergeometric function.
    """
    _, _, a, b = model.parameters
    found = branches(model.kind, model.parameters, x, t_x, T)
    survives, kept = b + x + int(model.kind.drops_at_first), found.alive_probability.copy()
    mean, any_order = np.zeros(len(x)), np.zeros(len(x))
    open_rows = np.arange(len(x))
    n = 1
    while open_rows.size:
        at_least = kept[open_rows] * _at_least(model, found, x, T, horizon, n, open_rows)
        if n == 1:
            any_order = at_least.copy()
        mean[open_rows] += at_least
        kept[open_rows] *= (survives[open_rows] + n - 1) / (a + survives[open_rows] + n - 1)
        open_rows = open_rows[at_least > NEGLIGIBLE]
        n += 1
    # Sums of shares may pass 1 in their last digits.
    return Expected(np.minimum(any_order, 1.0), mean)


def order_probability(
    model: PurchaseModel, x: Floats, t_x: Floats, T: Floats, horizon: float
) -> Floats:
    """Give the chance of any order in (T, T + horizon]: expected_orders() without the rest."""
    found = branches(model.kind, model.parameters, x, t_x, T)
    rows = np.arange(len(x))
    any_order = found.alive_probability * _at_least(model, found, x, T, horizon, 1, rows)
    return np.minimum(any_order, 1.0)


def _at_least(
    model: PurchaseModel,
    found: Branches,
    x: Floats,
    T: Floats,
    horizon: float,
    n: int,
    rows: Places,
) -> Floats:
    """Give the chance of at least n orders in the horizon, of some rows, were they never lost."""
    r, alpha, k = model.r, model.alpha, model.kind.k
    in_horizon = horizon / (alpha + T[rows] + horizon)
    total = np.zeros(rows.size)
    for j in range(k):
        shape = r + k * x[rows] + j
        total += found.steps[j, rows] * betainc(n * k - j, shape, in_horizon)
    return total
