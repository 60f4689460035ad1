"""Gamma-Gamma: what a customer spends on an order day, from how many and how much they spent.

Fader and Hardie (2013), "The Gamma-Gamma model of monetary value"; Fader, Hardie and Lee (2005),
"RFM and CLV: using iso-value curves", Journal of Marketing Research 42(4). The amounts of a
customer's order days are Gamma(p, nu), nu ~ Gamma(q, v): independent of how often they order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, psi

from crm_spark.models.purchases import LEAST, MOST, Floats, standard_errors

PARAMETERS = ("p", "q", "v")


@dataclass(frozen=True)
class Amounts:
    """Distinct (order days, mean amount of one), all above zero, and how many customers have each.

    `log_mean` is the mean logarithm of their mean amounts: that of `mean` where they are distinct,
    and less where several near each other are put together.
    """

    x: Floats
    mean: Floats
    n: Floats
    log_mean: Floats

    @classmethod
    def of(cls, x: Floats, mean: Floats) -> Amounts:
        """Give the amounts of arrays, one customer each."""
        return cls(x.astype(float), mean.astype(float), np.ones(len(x)), np.log(mean))


@dataclass(frozen=True)
class SpendModel:
    """A fitted model: p, q and v (in money), and the standard errors of their logarithms."""

    p: float
    q: float
    v: float
    log_likelihood: float = 0.0
    errors: tuple[float | None, ...] = (None,) * len(PARAMETERS)

    @property
    def parameters(self) -> tuple[float, float, float]:
        """p, q and v."""
        return self.p, self.q, self.v

    @property
    def mean(self) -> float | None:
        """The expected amount of a customer of whom nothing is known; None where it has none."""
        return self.p * self.v / (self.q - 1) if self.q > 1 else None


def _value_and_gradient(logs: Floats, amounts: Amounts) -> tuple[float, Floats]:
    p, q, v = parameters = np.exp(logs)
    x, mean, n = amounts.x, amounts.mean, amounts.n
    shape, total = p * x, float(n.sum())
    scale = np.log(x * mean + v)
    terms = (
        gammaln(shape + q)
        - gammaln(shape)
        + (shape - 1) * amounts.log_mean
        + shape * np.log(x)
        - (shape + q) * scale
    )
    value = float((n * terms).sum() + total * (q * np.log(v) - gammaln(q)))
    by_p = x * (psi(shape + q) - psi(shape) + amounts.log_mean + np.log(x) - scale)
    by_q = psi(shape + q) - scale
    by_v = -(shape + q) / (x * mean + v)
    gradient = np.array(
        [
            (n * by_p).sum(),
            (n * by_q).sum() + total * (np.log(v) - psi(q)),
            (n * by_v).sum() + total * q / v,
        ]
    )
    return value, gradient * parameters


def fit_spend(amounts: Amounts) -> SpendModel:
    """Fit Gamma-Gamma by maximum likelihood, with exact gradients.

    Raises ValueError without any amount above zero.
    """
    total = float(amounts.n.sum())
    if not total:
        raise ValueError("no customer has an amount above zero")

    def loss(logs: Floats) -> tuple[float, Floats]:
        value, gradient = _value_and_gradient(logs, amounts)
        return -value / total, -gradient / total

    typical = float((amounts.n * amounts.mean).sum()) / total
    bounds = (np.log(LEAST), np.log(MOST * max(1.0, typical)))
    best = min(
        (
            minimize(
                loss,
                np.clip(np.log(start), *bounds),
                jac=True,
                method="L-BFGS-B",
                bounds=[bounds] * len(PARAMETERS),
                options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20},
            )
            for start in ((2.0, 2.0, typical), (6.0, 4.0, typical / 2))
        ),
        key=lambda one: float(one.fun),
    )
    logs = np.asarray(best.x)
    p, q, v = (float(one) for one in np.exp(logs))
    errors = standard_errors(lambda at: -loss(at)[1] * total, logs, bounds)
    return SpendModel(p, q, v, -float(best.fun) * total, errors)


def expected_amount(model: SpendModel, x: Floats, mean: Floats) -> Floats:
    """Give the expected amount of a customer's order day; with x = 0 what is usual.

    Equation 5 of Fader and Hardie (2013): E(Z) = p (v + x z) / (p x + q - 1). The model has to have
    a mean: with q at most 1 it has none, and near there a customer's own runs away.
    """
    return np.asarray(model.p * (model.v + x * mean) / (model.p * x + model.q - 1))
