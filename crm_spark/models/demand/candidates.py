"""The candidates: the season before, the mean of late; smoothing, a regression, their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
class OfHistory:
    """What a series' own history gives by itself: nothing is learnt but by one setting."""

    method: Callable[[Sales, int, int], Floats]
    setting: Literal["season", "usual_periods"]
    value: int

    def forecast(self, sales: Sales, tree: Tree, horizon: int) -> Floats:
        """Give what is expected of each series, a column a period."""
        return self.method(sales, horizon, self.value)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {self.setting: self.value}


@dataclass(frozen=True)
class Regression:
    """The pooled regression; without its mean with smoothing, by itself."""

    fitted: PooledRegression
    smoothing: OfHistory | None = None

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
    return Regression(fitted, OfHistory(exponential_smoothing, "season", fitted.season))


def _of_history(
    name: str,
    method: Callable[[Sales, int, int], Floats],
    setting: Literal["season", "usual_periods"],
    *,
    is_rule: bool,
) -> DemandCandidate:
    def with_setting(value: int) -> OfHistory:
        return OfHistory(method, setting, value)

    return DemandCandidate(
        name,
        is_rule,
        lambda _, __, params: with_setting(getattr(params, setting)),
        lambda spec: with_setting(spec[setting]),
    )


# The trivial rules first. A further kind is a further line.
CANDIDATES: tuple[DemandCandidate, ...] = (
    _of_history("seasonal_naive", seasonal_naive, "season", is_rule=True),
    _of_history("recent_mean", recent_mean, "usual_periods", is_rule=True),
    _of_history("exponential_smoothing", exponential_smoothing, "season", is_rule=False),
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
