"""How good chances and days of the next order are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from crm_spark.models.binary_metrics import (
    Floats,
    auc_interval,
    brier,
    count_arrays,
    expected_calibration_error,
    log_loss,
    roc_auc,
)
from crm_spark.models.next_purchase.curves import chances_by_days
from crm_spark.models.next_purchase.customers import Customers
from crm_spark.models.next_purchase.model import ExpectedDays
from crm_spark.models.resampling import interval_of_draws
from crm_spark.models.results import Measured

LOG_LOSS, AUC = "log_loss", "auc"
# Of a challenger: by how much its log loss is below that of the best rule on the same customers.
GAIN = "log_loss_gain"
CRPS, DAYS_OFF, COVERAGE = "crps_days", "days_off", "coverage_80_percent"
# The chances that were given for the interval: what the coverage has to come to.
EXPECTED_COVERAGE = "expected_coverage"
# What "the last order plus the own mean gap" comes to.
GAP_DAYS_OFF = "last_plus_gap_days_off"
_EDGE = 1e-6

Flags = NDArray[np.bool_]


def of_horizon(metric: str, horizon_days: int) -> str:
    """Give the name that a metric has of a further horizon."""
    return f"{metric}.{horizon_days}d"


def due_within(horizon_days: int) -> str:
    """Give the metric of the customers due in a horizon, and in no shorter one."""
    return f"due_within_{horizon_days}_days"


def due_after(horizon_days: int) -> str:
    """Give the metric of the customers due later than the longest horizon that is tested."""
    return f"due_after_{horizon_days}_days"


def losses(probability: Floats, has_ordered: Flags) -> Floats:
    """Give the negative log-likelihood of each customer's outcome."""
    kept = np.clip(probability, _EDGE, 1 - _EDGE)
    return np.asarray(-np.log(np.where(has_ordered, kept, 1 - kept)))


def chance_metrics(probability: Floats, has_ordered: Flags) -> list[Measured]:
    """Give the figures of the chances of one horizon.

    log_loss, and auc with its interval, which decide; brier, calibration_error;
    expected_customers and actual_customers, who order in it.
    """
    n = len(probability)
    counts = count_arrays(probability, has_ordered)
    ends = auc_interval(counts) or (None, None)
    return [
        Measured(LOG_LOSS, log_loss(counts), n),
        Measured(AUC, roc_auc(counts), n, *ends),
        Measured("brier", brier(counts), n),
        Measured("calibration_error", expected_calibration_error(counts), n),
        Measured("expected_customers", float(probability.sum()), n),
        Measured("actual_customers", float(has_ordered.sum()), n),
    ]


def gain(of_challenger: Floats, of_rules: Sequence[Floats], draws: Floats) -> Measured:
    """Give by how much a challenger's log loss is below that of the best rule, with its interval.

    Of the losses() of the same customers; `draws` are weights of customers, a row a resample.
    """
    best = min(of_rules, key=lambda one: float(one.mean()))
    gained = best - of_challenger
    ends = interval_of_draws(draws @ gained) or (None, None)
    return Measured(GAIN, float(gained.mean()), len(gained), *ends)


def day_metrics(
    chances: Floats, steps_days: Sequence[int], days: ExpectedDays, days_to_order: Floats
) -> list[Measured]:
    """Give the figures of the day, of all customers, up to the end of the last step.

    crps_days is the continuous ranked probability score, in days (Matheson and Winkler 1976;
    Gneiting and Raftery 2007, equation 20): 0 is the right day for sure. days_off is the mean
    distance of the median from the day, later days standing at the last step's end.
    coverage_80_percent is the share of customers whose day lies in the interval, which days are
    whole for and which may be open, so that it holds more than 80 %: expected_coverage is the
    chance that was given for it.
    """
    n, last = len(days_to_order), steps_days[-1]
    by_day = chances_by_days(chances, steps_days)
    has_come = days_to_order[:, None] <= np.arange(1, last + 1)[None, :]
    score = ((by_day - has_come) ** 2).sum(axis=1).mean()
    day = np.minimum(days_to_order, last + 1.0)
    low, high = np.minimum(days.low, last + 1.0), np.minimum(days.high, last + 1.0)
    return [
        Measured(CRPS, float(score), n),
        Measured(DAYS_OFF, _days_off(days.median, days_to_order, last), n),
        Measured(COVERAGE, float(((day >= low) & (day <= high)).mean()), n),
        Measured(EXPECTED_COVERAGE, _expected_coverage(by_day, low, high), n),
    ]


def _expected_coverage(by_day: Floats, low: Floats, high: Floats) -> float:
    """Give the mean chance of an interval; a day after the last stands for all that come later."""
    rows = np.arange(len(by_day))
    # By day 0 nobody has ordered, in all time everybody.
    all_days = np.hstack([np.zeros((len(by_day), 1)), by_day, np.ones((len(by_day), 1))])
    inside = all_days[rows, high.astype(int)] - all_days[rows, low.astype(int) - 1]
    return float(inside.mean())


def last_plus_gap(customers: Customers, days_to_order: Floats, last: int) -> Measured:
    """Give the days_off of the last order plus the own mean gap, at once where that has passed.

    Who has no gap is taken to order after the last step's end.
    """
    due = np.maximum(customers.mean_gap - customers.silence_days, 1)
    expected = np.where(customers.n_days > 1, due, np.inf)
    return Measured(GAP_DAYS_OFF, _days_off(expected, days_to_order, last), len(customers))


def _days_off(expected: Floats, actual: Floats, last: int) -> float:
    return float(np.abs(np.minimum(expected, last) - np.minimum(actual, last)).mean())


def due_shares(
    days: ExpectedDays, days_to_order: Floats, horizons_days: Sequence[int]
) -> list[Measured]:
    """Give of each horizon, among the customers due in it and in no shorter one, who ordered in it.

    Customers are due on the day by which they have ordered with a chance of a half. Of those due
    after the longest horizon the share who had not ordered by its end.
    """
    found, after = [], 0.0
    for horizon in sorted(horizons_days):
        is_due = (days.median > after) & (days.median <= horizon)
        found.append(_share(due_within(horizon), days_to_order[is_due] <= horizon))
        after = horizon
    is_later = days.median > after
    return [*found, _share(due_after(int(after)), days_to_order[is_later] > after)]


def _share(name: str, came: Flags) -> Measured:
    return Measured(name, float(came.mean()) if len(came) else None, len(came))


def of_further_horizon(
    cutoff: date, horizon_days: int, measured: Sequence[Measured]
) -> list[Measured]:
    """Give figures of a further horizon with its name and the cut-off that they are of."""
    return [
        Measured(of_horizon(one.name, horizon_days), one.value, one.n, one.low, one.high, cutoff)
        for one in measured
    ]
