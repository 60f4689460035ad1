"""The candidates: rules of what was bought before, and a regression over all targets together.

Each but the first is a logistic regression of its columns, learnt from all pairs of customer and
target of the closed cut-offs, and knows the usual share of each target: so a rule's rate is bent
into a probability, too, and the comparison is one of what they know of customers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.propensity.customers import NEVER, RECENT_HORIZONS, Customers, Purchases

# Shares are kept this far from 0 and 1, where the logit ends.
_EDGE = 1e-4
# Longer silences are alike.
_MOST_SILENT_DAYS = 730


@dataclass(frozen=True)
class PropensityCandidate:
    """One way to say who will buy: the columns that its regression reads.

    `columns` gives a matrix with a row for each pair of customer and target, customer by customer.
    Without `is_learnt` its one column is the logit of the probability.
    """

    name: str
    is_rule: bool
    columns: Callable[[Customers, int], Floats]
    is_learnt: bool = True


def usual_share(customers: Customers, horizon_days: int) -> Floats:
    """Give everybody the share of customers who bought the target in the horizon before."""
    return _matrix(customers, _logit_usual(customers))


def own_activity(customers: Customers, horizon_days: int) -> Floats:
    """Give the chance to buy anything by the customer's own rate, beside the usual share."""
    rate = (customers.anything.n_days + 1) / (customers.tenure_days + 1 + horizon_days)
    return _matrix(customers, _chance(rate, horizon_days)[:, None], _logit_usual(customers))


def own_rate(customers: Customers, horizon_days: int) -> Floats:
    """Give the chance to buy the target that the customer's own rate makes.

    1 - exp(-rate * horizon), purchases being a Poisson process. To the days since the first
    purchase a horizon is added in which the customer bought like all: little is said of whom little
    is known.
    """
    of, known = customers.by_target, customers.tenure_days[:, None] + 1
    return _of_rate(customers, of.n_days, known, horizon_days)


def recent_rate(customers: Customers, horizon_days: int) -> Floats:
    """Give the same of the rate in the last three horizons."""
    of = customers.by_target
    known = np.minimum(customers.tenure_days[:, None] + 1, RECENT_HORIZONS * horizon_days)
    return _of_rate(customers, of.n_recent_days, known, horizon_days)


def decayed_counts(customers: Customers, horizon_days: int) -> Floats:
    """Give the purchase days of the target, older ones counting less, by four half-lives."""
    of = customers.by_target
    return _matrix(customers, *_decayed(of), *_whether_bought(customers))


def all_columns(customers: Customers, horizon_days: int) -> Floats:
    """Give what was bought of the target and of anything, how long ago, and the usual share."""
    of, anything = customers.by_target, customers.anything
    tenure = customers.tenure_days[:, None]
    usual = customers.usual_share[None, :]
    has_bought = _has_bought(customers)
    silence = np.minimum(of.silence_days, _MOST_SILENT_DAYS)
    rate = _rate(customers, of.n_days, tenure + 1, horizon_days)
    shares = of.decayed / np.maximum(anything.decayed[:, None, :], 1e-9)
    return _matrix(
        customers,
        _logit(usual),
        *_decayed(of),
        np.log1p(of.n_days),
        *[one[:, None] for one in np.moveaxis(np.log1p(anything.decayed), -1, 0)],
        np.log1p(tenure),
        np.log1p(np.minimum(anything.silence_days, _MOST_SILENT_DAYS))[:, None],
        has_bought,
        has_bought * np.log1p(np.maximum(silence, 0)),
        *np.moveaxis(np.minimum(shares, 1.0), -1, 0),
        np.log(rate + 1e-6),
    )


def _of_rate(customers: Customers, n_days: Floats, known_days: Floats, horizon_days: int) -> Floats:
    rate = _rate(customers, n_days, known_days, horizon_days)
    return _matrix(customers, _chance(rate, horizon_days), *_whether_bought(customers))


def _rate(customers: Customers, n_days: Floats, known_days: Floats, horizon_days: int) -> Floats:
    """Give purchase days a day, with a horizon added in which the customer bought like all."""
    usual = -np.log1p(-np.minimum(customers.usual_share[None, :], 1 - _EDGE))
    return (n_days + usual) / (known_days + horizon_days)


def _chance(rate: Floats, horizon_days: int) -> Floats:
    """Give the logit of the chance that a rate a day makes in the horizon."""
    return _logit(-np.expm1(-rate * horizon_days))


def _whether_bought(customers: Customers) -> list[Floats]:
    """Give whether the target was ever bought, and how usual it is.

    Who never bought has the probability of all who never did of that target, wherever the line of
    the others ends.
    """
    return [_has_bought(customers), _logit_usual(customers)]


def _has_bought(customers: Customers) -> Floats:
    return (customers.by_target.silence_days != NEVER).astype(np.float64)


def _logit_usual(customers: Customers) -> Floats:
    return _logit(customers.usual_share[None, :])


def _decayed(purchases: Purchases) -> list[Floats]:
    return list(np.moveaxis(np.log1p(purchases.decayed), -1, 0))


def _logit(share: Floats) -> Floats:
    kept = np.clip(share, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept / (1 - kept)), np.float64)


def _matrix(customers: Customers, *columns: Floats) -> Floats:
    shape = (len(customers), len(customers.usual_share))
    return np.stack([np.broadcast_to(one, shape).ravel() for one in columns], axis=-1)


# The trivial rules first. A further kind of model is a further line.
CANDIDATES: tuple[PropensityCandidate, ...] = (
    PropensityCandidate("usual_share", True, usual_share, is_learnt=False),
    PropensityCandidate("own_activity", True, own_activity),
    PropensityCandidate("own_rate", True, own_rate),
    PropensityCandidate("recent_rate", True, recent_rate),
    PropensityCandidate("decayed_counts", True, decayed_counts),
    PropensityCandidate("pooled_regression", False, all_columns),
)
