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
# Of a challenger: the best rule's root mean squared error less its own, on the same customers.
GAIN = "root_mean_squared_error_gain"


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
        _resampled(
            ROOT_MEAN_SQUARED_ERROR,
            float(np.sqrt((error**2).mean())),
            np.sqrt(draws @ error**2),
            n,
        ),
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
    """Give how much smaller a challenger's root mean squared error is than the best rule's.

    In money a customer, with its interval from the same resamples of customers for both.
    """
    squares = (expected - actual) ** 2
    best = min(((by_rule - actual) ** 2 for by_rule in by_rules), key=lambda one: float(one.mean()))
    value = float(np.sqrt(best.mean()) - np.sqrt(squares.mean()))
    return _resampled(GAIN, value, np.sqrt(draws @ best) - np.sqrt(draws @ squares), len(actual))


def order_metrics(expected: Floats, actual: Floats) -> list[Measured]:
    """Give the order days expected in all beside those that came."""
    n = len(expected)
    return [
        Measured("expected_order_days", float(expected.sum()), n),
        Measured("actual_order_days", float(actual.sum()), n),
    ]


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
