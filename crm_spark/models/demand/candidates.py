"""The candidates: the season before, the mean of late; smoothing, a regression, their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_spark.models.demand.model import Forecaster
from crm_spark.models.demand.regression import (
    PooledRegression,
    fit_regression,
    load_regression,
)
from crm_spark.models.demand.rules import recent_mean, seasonal_naive
from crm_spark.models.demand.section import DemandSection
from crm_spark.models.demand.series import Floats, Sales, Tree
from crm_spark.models.demand.smoothing import exponential_smoothing


@dataclass(frozen=True)
class SeasonalNaive:
    """What was sold a season earlier."""

    season: int

    def forecast(self, sales: Sales, tree: Tree, horizon: int) -> Floats:
        """Give what is expected of each series, a column a period."""
        return seasonal_naive(sales, horizon, self.season)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"season": self.season}


@dataclass(frozen=True)
class RecentMean:
    """The mean of the latest periods."""

    usual_periods: int

    def forecast(self, sales: Sales, tree: Tree, horizon: int) -> Floats:
        """Give what is expected of each series, a column a period."""
        return recent_mean(sales, horizon, self.usual_periods)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"usual_periods": self.usual_periods}


@dataclass(frozen=True)
class Smoothing:
    """Exponential smoothing, its settings found anew in each series."""

    season: int

    def forecast(self, sales: Sales, tree: Tree, horizon: int) -> Floats:
        """Give what is expected of each series, a column a period."""
        return exponential_smoothing(sales, horizon, self.season)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"season": self.season}


@dataclass(frozen=True)
class Regression:
    """The pooled regression; without its mean with smoothing, by itself."""

    fitted: PooledRegression
    smoothing: Smoothing | None = None

    def forecast(self, sales: Sales, tree: Tree, horizon: int) -> Floats:
        """Give what is expected of each series, a column a period."""
        found = self.fitted.forecast(sales, tree)
        if self.smoothing is None:
            return found
        return (found + self.smoothing.forecast(sales, tree, horizon)) / 2

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return self.fitted.spec()


@dataclass(frozen=True)
class DemandCandidate:
    """One way to say what will be sold: how it is fitted, and put together again."""

    name: str
    is_rule: bool
    fit: Callable[[Sales, Tree, DemandSection], Forecaster]
    load: Callable[[Mapping[str, Any]], Forecaster]


def _fit_regression(sales: Sales, tree: Tree, params: DemandSection) -> PooledRegression:
    return fit_regression(
        sales,
        tree,
        horizon=params.horizon_periods,
        season=params.season,
        usual_periods=params.usual_periods,
    )


def _mean_of_both(fitted: PooledRegression) -> Regression:
    return Regression(fitted, Smoothing(fitted.season))


# The trivial rules first. A further kind is a further line.
CANDIDATES: tuple[DemandCandidate, ...] = (
    DemandCandidate(
        "seasonal_naive",
        True,
        lambda _, __, params: SeasonalNaive(params.season),
        lambda spec: SeasonalNaive(**spec),
    ),
    DemandCandidate(
        "recent_mean",
        True,
        lambda _, __, params: RecentMean(params.usual_periods),
        lambda spec: RecentMean(**spec),
    ),
    DemandCandidate(
        "exponential_smoothing",
        False,
        lambda _, __, params: Smoothing(params.season),
        lambda spec: Smoothing(**spec),
    ),
    DemandCandidate(
        "pooled_regression",
        False,
        lambda sales, tree, params: Regression(_fit_regression(sales, tree, params)),
        lambda spec: Regression(load_regression(spec)),
    ),
    DemandCandidate(
        "mean_of_both",
        False,
        lambda sales, tree, params: _mean_of_both(_fit_regression(sales, tree, params)),
        lambda spec: _mean_of_both(load_regression(spec)),
    ),
)
