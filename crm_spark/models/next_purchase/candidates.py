"""The candidates: rules of how customers ordered before, and what has to beat them.

Rules are learnt, too: the chance of each step is a logistic regression of the rule's columns, so
that a rule's figures are probabilities, and the comparison is one of what they know of customers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.next_purchase.customers import Customers
from crm_spark.models.next_purchase.predictors import (
    Columns,
    Learnt,
    Predictor,
    fit_hazards,
    fit_order_process,
    load_hazards,
    load_order_process,
)

# To the days since the first order so many are added: little is said of whom little is known.
_ADDED_DAYS = 28
# Silences of so many own gaps, and of so many days, are alike.
_MOST_GAPS, _MOST_SILENT_DAYS = 8.0, 730.0


@dataclass(frozen=True)
class NextPurchaseCandidate:
    """One way to say when customers next order: how it is fitted, and put together again.

    `fit` is given closed cut-offs, the customers of the date that it may know, and the steps. It
    raises ValueError where they do not do for it.
    """

    name: str
    is_rule: bool
    fit: Callable[[Sequence[Learnt], Customers, Sequence[int]], Predictor]
    load: Callable[[Mapping[str, Any]], Predictor]


def usual_share(customers: Customers) -> Floats:
    """Know nothing of a customer: everybody gets the share of customers who ordered."""
    return np.zeros((len(customers), 0))


def own_rate(customers: Customers) -> Floats:
    """Know the order days a day since the first one."""
    return np.log(customers.n_days / (customers.tenure_days + _ADDED_DAYS))[:, None]


def own_gap(customers: Customers) -> Floats:
    """Know the mean gap between order days, and how much of it has passed since the last."""
    has_gap, passed = _passed(customers, customers.mean_gap)
    return np.stack(
        [
            has_gap,
            np.log1p(customers.mean_gap),
            passed,
            np.maximum(passed - 1, 0),
            (1 - has_gap) * _log_silence(customers),
        ],
        axis=1,
    )


def recency_frequency(customers: Customers) -> Floats:
    """Know recency, frequency and tenure."""
    return np.stack(
        [
            _log_silence(customers),
            np.log(customers.n_days),
            np.log1p(customers.tenure_days),
        ],
        axis=1,
    )


def decayed_counts(customers: Customers) -> Floats:
    """Know the order days, older ones counting less, by four half-lives."""
    return np.log1p(customers.decayed)


def all_columns(customers: Customers) -> Floats:
    """Know all of these, how regular the gaps are, and how unusual the silence is for them."""
    n_gaps = np.maximum(customers.n_days - 1, 1)
    mean_log = customers.log_gaps / n_gaps
    variance = np.maximum(customers.log_gaps_squared / n_gaps - mean_log**2, 0)
    silence = _log_silence(customers)
    has_gap, passed_usual = _passed(customers, np.exp(mean_log))
    further = [
        np.sqrt(variance),
        np.log1p(customers.last_gap),
        passed_usual,
        silence**2,
        # How far the silence is from the usual gap, by the spread of the gaps.
        has_gap * np.clip((silence - mean_log) / np.sqrt(variance + 0.25), -4, 4),
    ]
    return np.concatenate(
        [
            decayed_counts(customers),
            recency_frequency(customers),
            own_gap(customers),
            own_rate(customers),
            np.stack(further, axis=1),
        ],
        axis=1,
    )


def _log_silence(customers: Customers) -> Floats:
    return np.log1p(np.minimum(customers.silence_days, _MOST_SILENT_DAYS))


def _passed(customers: Customers, gap: Floats) -> tuple[Floats, Floats]:
    """Give whether customers have a gap, and how many of it have passed since the last order."""
    has_gap = (customers.n_days > 1).astype(np.float64)
    passed = (customers.silence_days + 1) / np.maximum(gap, 1)
    return has_gap, has_gap * np.minimum(passed, _MOST_GAPS)


def _hazards(name: str, columns: Columns, *, is_rule: bool) -> NextPurchaseCandidate:
    return NextPurchaseCandidate(
        name,
        is_rule,
        lambda learnt, _, steps_days: fit_hazards(columns, learnt, steps_days),
        partial(load_hazards, columns),
    )


# The trivial rules first. A further kind of model is a further line.
CANDIDATES: tuple[NextPurchaseCandidate, ...] = (
    _hazards("usual_share", usual_share, is_rule=True),
    _hazards("own_rate", own_rate, is_rule=True),
    _hazards("own_gap", own_gap, is_rule=True),
    _hazards("recency_frequency", recency_frequency, is_rule=True),
    _hazards("decayed_counts", decayed_counts, is_rule=True),
    NextPurchaseCandidate(
        "mbg_cnbd_k", False, lambda _, now, __: fit_order_process(now), load_order_process
    ),
    _hazards("hazard_regression", all_columns, is_rule=False),
)


def candidate(name: str) -> NextPurchaseCandidate:
    """Give a candidate by its name."""
    return next(one for one in CANDIDATES if one.name == name)
