"""How good expectations were: totals, errors, ranking, the top tenth, and intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crm_spark.models.binary_metrics import wilson_interval
from crm_spark.models.purchases import Floats
from crm_spark.models.results import Measured

TOP = 0.1
N_DECILES = 10

MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
ROOT_MEAN_SQUARED_ERROR = "root_mean_squared_error"
TOP_TENTH_FOUND = "top_tenth_found"
# Where a handful spend a hundred times what others do, squared errors are theirs alone: which
# candidate is best, and by how much, is chance. Spend counts up to this share of spenders.
CAPPED_ERROR, CAP_SHARE = "capped_root_mean_squared_error", 0.99
# Of a challenger: the best rule's capped error less its own, on the same customers.
GAIN = "capped_root_mean_squared_error_gain"


def value_metrics(
    expected: Floats,
    actual: Floats,
    *,
    draws: Floats,
    interval: tuple[Floats, Floats] | None = None,
) -> list[Measured]:
    """Give the figures of one candidate on the customers of a closed cut-off.

    expected_total and actual_total in money, total_ratio (the one by the other);
    mean_absolute_error and root_mean_squared_error a customer, with intervals by `draws`;
    capped_root_mean_squared_error, where spend counts up to the 99th percentile of spenders;
    spearman (rank correlation); gini (of the actual spend along the expected, by that along itself:
    1 is the right order, 0 a random one); top_tenth_found (of the tenth who spent most, or of all
    who spent where these are fewer, the share that is among the tenth expected to; between equal
    ones lots are drawn); coverage_80_percent; and for each tenth, 1
    the most expected, bin.<n>.predicted, bin.<n>.observed and bin.<n>.absolute_error. Those that
    cannot be known, as nobody spent anything, are None.
    """
    n = len(expected)
    error = np.abs(expected - actual)
    total, came = float(expected.sum()), float(actual.sum())
    totals = draws @ actual
    ratios = (draws @ expected)[totals > 0] / totals[totals > 0] if came > 0 else None
    found = [
        Measured("expected_total", total, n),
        Measured("actual_total", came, n),
        _resampled("total_ratio", total / came if came > 0 else None, ratios, n),
        _resampled(MEAN_ABSOLUTE_ERROR, float(error.mean()), draws @ error, n),
        _root_mean(ROOT_MEAN_SQUARED_ERROR, error**2, draws),
        _root_mean(CAPPED_ERROR, _capped_squares(expected, actual), draws),
        Measured("spearman", _spearman(expected, actual), n),
        Measured("gini", _normalised_gini(expected, actual), n),
        _top_tenth(expected, actual),
    ]
    if interval is not None:
        low, high = interval
        spent = np.maximum(actual, 0.0)  # as the interval is of
        inside = float(((spent >= low - 0.005) & (spent <= high + 0.005)).mean())
        found.append(Measured("coverage_80_percent", inside, n, *wilson_interval(inside, n)))
    return found + _by_tenths(expected, actual, error)


def error_gain(
    expected: Floats, by_rules: Sequence[Floats], actual: Floats, *, draws: Floats
) -> Measured:
    """Give how much smaller a challenger's capped error is than that of the best rule.

    In money a customer, with its interval from the same resamples of customers for both.
    """
    squares = _capped_squares(expected, actual)
    of_rules = (_capped_squares(by_rule, actual) for by_rule in by_rules)
    best = min(of_rules, key=lambda one: float(one.mean()))
    value = float(np.sqrt(best.mean()) - np.sqrt(squares.mean()))
    return _resampled(GAIN, value, np.sqrt(draws @ best) - np.sqrt(draws @ squares), len(actual))


def order_metrics(expected: Floats, actual: Floats) -> list[Measured]:
    """Give the order days expected in all beside those that came."""
    n = len(expected)
    return [
        Measured("expected_order_days", float(expected.sum()), n),
        Measured("actual_order_days", float(actual.sum()), n),
    ]


def _capped_squares(expected: Floats, actual: Floats) -> Floats:
    """Give the squared errors of what counts: spend up to the cap, if anybody spent anything."""
    spent = actual[actual > 0]
    cap = np.quantile(spent, CAP_SHARE) if len(spent) else np.inf
    return np.asarray((np.minimum(expected, cap) - np.minimum(actual, cap)) ** 2)


def _root_mean(name: str, squares: Floats, draws: Floats) -> Measured:
    value, of_draws = float(np.sqrt(squares.mean())), np.sqrt(draws @ squares)
    return _resampled(name, value, of_draws, len(squares))


def _resampled(name: str, value: float | None, draws: Floats | None, n: int) -> Measured:
    if value is None or draws is None:
        return Measured(name, value, n)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Measured(name, value, n, float(low), float(high))


def _spearman(expected: Floats, actual: Floats) -> float | None:
    if np.ptp(expected) == 0 or np.ptp(actual) == 0:
        return None
    return float(np.corrcoef(_ranks(expected), _ranks(actual))[0, 1])


def _ranks(values: Floats) -> Floats:
    """Give each value's rank from 1 on; equal ones share the mean of theirs."""
    # Not by scipy.stats, which takes half a second of each start to be imported.
    return np.asarray(pd.Series(values).rank(), dtype=np.float64)


def _normalised_gini(expected: Floats, actual: Floats) -> float | None:
    positive = np.maximum(actual, 0.0)
    best = _gini(positive, positive)
    return _gini(expected, positive) / best if best > 0 else None


def _gini(along: Floats, values: Floats) -> float:
    """Give the area between the concentration curve of values along an order and the diagonal.

    Customers of whom the same is expected have their mean rank.
    """
    if values.sum() <= 0:
        return 0.0
    rank = (_ranks(along) - 0.5) / len(along)
    return float(2 * (rank * values).sum() / values.sum() - 1)


def _top_tenth(expected: Floats, actual: Floats) -> Measured:
    n_top = max(1, round(TOP * len(actual)))
    n_true = min(n_top, int((actual > 0).sum()))
    if not n_true:
        return Measured(TOP_TENTH_FOUND, None, n_true)
    found = float((_among_first(actual, n_true) * _among_first(expected, n_top)).sum()) / n_true
    return Measured(TOP_TENTH_FOUND, found, n_true, *wilson_interval(found, n_true))


def _among_first(values: Floats, n: int) -> Floats:
    """Give the chance of each to be among the n largest, if lots are drawn between equal ones."""
    least = np.partition(values, -n)[-n]
    above, equal = values > least, values == least
    return np.where(above, 1.0, np.where(equal, (n - above.sum()) / equal.sum(), 0.0))


def _by_tenths(expected: Floats, actual: Floats, error: Floats) -> list[Measured]:
    order = np.argsort(-expected, kind="stable")
    found = []
    for place, rows in enumerate(np.array_split(order, N_DECILES), start=1):
        if len(rows):
            for name, values in (
                ("predicted", expected),
                ("observed", actual),
                ("absolute_error", error),
            ):
                found.append(
                    Measured(f"bin.{place:02d}.{name}", float(values[rows].mean()), len(rows))
                )
    return found
