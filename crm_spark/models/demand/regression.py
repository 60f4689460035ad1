"""A regression that all series share: what is sold ahead, by what was sold, the season and price.

Everything is by the series' own mean of late, so that large and small ones can learn together: a
row is a series at a past period, its target what was sold so many periods later. The penalty pulls
all coefficients but the constant to none, and so the forecast to that mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crm_spark.models.demand.series import (
    DEPARTMENT,
    TOTAL,
    Bools,
    Floats,
    Sales,
    Tree,
    mean_of_last,
)

N_LAGS = 4
_SHORT, _LONG, _LONG_OF_DAYS = 4, 26, 91
# So many of the latest past periods are rows, or as many horizons where these are longer.
_ROWS_PERIODS = 52
# The penalty, as a share of the rows: with 1 a standardised column keeps half of its coefficient.
_PENALTY = 0.3
# A target of more than so many times the mean is a find, not a rule.
_MOST = 10.0
# Few large series learn together, many small ones do.
_GROUPS = ("upper", "lower")


@dataclass(frozen=True)
class PooledRegression:
    """Coefficients by group of series, a row a period of the horizon and a column a feature.

    `horizon`, `season` and `usual_periods` are those that it was fitted for.
    """

    coefficients: Mapping[str, Floats]
    season: int
    usual_periods: int

    def forecast(self, sales: Sales, tree: Tree) -> Floats:
        """Give what is expected of each series in each period of the horizon; never below zero."""
        horizon = len(next(iter(self.coefficients.values())))
        usual = mean_of_last(sales.values, self.usual_periods)
        found = np.zeros((len(tree), horizon))
        for name, rows in _groups(tree).items():
            of_group = _rows_of(sales, rows)
            past = Past(of_group, sales.n_periods, self.season, self.usual_periods)
            for step in range(horizon):
                found[rows, step] = past.features(step) @ self.coefficients[name][step]
        return np.maximum(found, 0.0) * usual[:, None]

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "coefficients": {name: rows.tolist() for name, rows in self.coefficients.items()},
            "season": self.season,
            "usual_periods": self.usual_periods,
        }


def load_regression(spec: Mapping[str, Any]) -> PooledRegression:
    """Put a regression together again from its spec()."""
    coefficients = {name: np.array(rows) for name, rows in spec["coefficients"].items()}
    return PooledRegression(coefficients, spec["season"], spec["usual_periods"])


def fit_regression(
    sales: Sales, tree: Tree, *, horizon: int, season: int, usual_periods: int
) -> PooledRegression:
    """Fit ridge regressions (Hoerl and Kennard 1970), one a group of series and step ahead.

    Where history is too short for a past period with the horizon after it, or no series is as old,
    it is the mean of late.
    """
    last = sales.n_periods - horizon
    first = max(usual_periods, last + 1 - max(_ROWS_PERIODS, horizon))
    found = {
        name: _fit_group(
            _rows_of(sales, rows), horizon, range(first, last + 1), season, usual_periods
        )
        for name, rows in _groups(tree).items()
    }
    return PooledRegression(found, season, usual_periods)


def _groups(tree: Tree) -> dict[str, Bools]:
    is_upper = tree.of_level(TOTAL) | tree.of_level(DEPARTMENT)
    return dict(zip(_GROUPS, (is_upper, ~is_upper), strict=True))


def _rows_of(sales: Sales, rows: Bools) -> Sales:
    return Sales(sales.values[rows], sales.log_prices[rows])


def _fit_group(
    sales: Sales, horizon: int, past_periods: range, season: int, usual_periods: int
) -> Floats:
    """Give the coefficients of each step ahead, from the sums over all rows."""
    n_columns = Past(sales, sales.n_periods, season, usual_periods).features(0).shape[1]
    products = np.zeros((horizon, n_columns, n_columns))
    with_target = np.zeros((horizon, n_columns))
    for at in past_periods:
        past = Past(sales, at, season, usual_periods)
        # A series is learnt from once it is old enough to be forecast alone.
        is_old = ~np.isnan(sales.values[:, at - usual_periods]) & (past.usual > 0)
        usual = past.usual[is_old]
        for step in range(horizon):
            columns = past.features(step)[is_old]
            scaled = np.clip(sales.values[is_old, at + step] / usual, 0.0, _MOST)
            # Counts vary as their mean, and so their ratio to it as one by it. Weighed so, what is
            # expected of all series together is what was sold of all.
            weighted = columns * usual[:, None]
            products[step] += weighted.T @ columns
            with_target[step] += weighted.T @ scaled
    return np.array([_solved(*sums) for sums in zip(products, with_target, strict=True)])


def _solved(products: Floats, with_target: Floats) -> Floats:
    """Give the coefficients with the least penalised error; those of the mean of no rows."""
    n_columns = len(with_target)
    if not products[0, 0]:
        return np.eye(n_columns)[0]
    penalty = _PENALTY * np.maximum(np.diag(products), np.finfo(float).tiny)
    penalty[0] = 0.0
    solved = np.linalg.solve(products + np.diag(penalty) + 1e-9 * np.eye(n_columns), with_target)
    return np.asarray(solved, np.float64)


class Past:
    """What was known of all series before the period `at`; `usual` is their mean of late."""

    def __init__(self, sales: Sales, at: int, season: int, usual_periods: int) -> None:
        self._known = sales.values[:, :at]
        self._at, self._season, self._usual_periods = at, season, usual_periods
        self.usual = mean_of_last(self._known, usual_periods)
        long = _LONG_OF_DAYS if season == 7 else _LONG
        self._of_all_steps = [
            np.ones(len(self._known)),
            *[self._by_usual(_period(self._known, at - lag)) for lag in range(1, N_LAGS + 1)],
            *[self._by_usual(mean_of_last(self._known, n)) for n in (_SHORT, long)],
            _price(sales.log_prices[:, :at]),
        ]

    def features(self, step: int) -> Floats:
        """Give what tells of what is sold `step` periods on, a row a series; the first is 1.

        Lags; means of 4 periods, and of half a year of weeks or a quarter of days; the price of
        late by that of all periods; what was sold a season before the target, by the mean of that
        time; of days what the same weekday had of late. All by the mean of late, as a difference
        from 1; 0: not known.
        """
        of_step = [_seasonal(self._known, step, self._season, self._usual_periods)]
        if self._season == 7:
            before = [self._at + step % 7 - 7 * weeks for weeks in range(1, 5)]
            same = np.stack([_period(self._known, one) for one in before], axis=1)
            is_unknown = np.isnan(same).all(axis=1)
            mean = np.where(is_unknown, np.nan, mean_of_last(same, len(before)))
            of_step.append(self._by_usual(mean))
        return np.stack([*self._of_all_steps, *of_step], axis=1)

    def _by_usual(self, values: Floats) -> Floats:
        ones = np.ones(len(values))
        ratio = np.divide(values, self.usual, out=ones, where=self.usual > 0)
        return np.clip(np.nan_to_num(ratio, nan=1.0), 0.0, _MOST) - 1.0


def _period(known: Floats, place: int) -> Floats:
    """Give what was sold in a period; NaN before the first."""
    return known[:, place] if place >= 0 else np.full(len(known), np.nan)


def _seasonal(known: Floats, step: int, season: int, usual_periods: int) -> Floats:
    """Give how much a season before the target stood above the mean of before it; 0: not known."""
    at = known.shape[1]
    before = at - season
    if season == 7 or before < usual_periods:
        return np.zeros(len(known))
    value = known[:, before + step % season]
    usual = mean_of_last(known[:, :before], usual_periods)
    is_known = ~np.isnan(value) & (usual > 0)
    ratio = np.divide(value, usual, out=np.ones(len(known)), where=is_known)
    return np.clip(ratio, 0.0, _MOST) - 1.0


def _price(log_prices: Floats) -> Floats:
    """Give the latest prices by those of all periods, as the difference of mean logarithms."""

    def mean(values: Floats) -> Floats:
        n = (~np.isnan(values)).sum(axis=1)
        return np.divide(np.nansum(values, axis=1), n, out=np.full(len(n), np.nan), where=n > 0)

    return np.clip(np.nan_to_num(mean(log_prices[:, -_SHORT:]) - mean(log_prices)), -1.0, 1.0)
