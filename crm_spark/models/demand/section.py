"""The demand section: which periods, how far ahead, how many products have their own series."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crm_spark.models.cutoffs import Cutoffs, closed_cutoffs, steps_to_walk
from crm_spark.words import counted

# How many cut-offs a backtest walks over.
N_WALKED = 4

# What has to beat the rules.
Challenger = Literal["exponential_smoothing", "pooled_regression", "mean_of_both"]
PERIOD_DAYS = {"day": 1, "week": 7}
# A series that began later has no forecast of its own: by its periods since the first sale.
FEWEST_PERIODS = {"day": 56, "week": 8}
# As many of the latest periods say what is usual.
USUAL_PERIODS = {"day": 28, "week": 8}
# Forecasts of products are made in one process: so many take about a gigabyte.
MOST_FORECASTS = 1_000_000
# After so many periods a year, or a week, comes again.
SEASON_PERIODS = {"day": 7, "week": 52}


class DemandSection(BaseModel):
    """Demand: units and revenue sold in each of the next days or weeks, returns not taken off.

    Periods are counted from the as-of date, backwards and forwards: weeks as of a Monday are
    calendar weeks. An outcome of cut-off T is known `horizon_periods` and `grace_days` later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: Literal["day", "week"] = "week"
    horizon_periods: int = Field(default=4, ge=1, le=366)
    # So many of the latest periods are learnt from.
    history_periods: int = Field(default=156, ge=16, le=1500)
    # The products that sold most have series of their own, the others one a department. They are
    # fitted in one process: 20,000 series of three years of weeks take some 25 MB a measure.
    products: int = Field(default=2000, ge=0, le=20_000)
    candidates: tuple[Challenger, ...] = (
        "exponential_smoothing",
        "pooled_regression",
        "mean_of_both",
    )
    grace_days: int = Field(default=0, ge=0, le=365)
    # On as many closed cut-offs the kind is chosen, and intervals are taken from what came true.
    n_training_cutoffs: int = Field(default=4, ge=1, le=24)

    @model_validator(mode="after")
    def _sizes_are_possible(self) -> DemandSection:
        least = self.fewest_periods + self.horizon_periods
        if self.history_periods < least:
            raise ValueError(
                f"history_periods: {counted(self.history_periods, self.period)} do not hold a "
                f"series of {self.fewest_periods:,} and the {self.horizon_periods:,} ahead that it "
                f"is learnt from: at least {least:,}"
            )
        if self.products * self.horizon_periods > MOST_FORECASTS:
            raise ValueError(
                f"products: {self.products:,} times {self.horizon_periods:,} periods are more than "
                f"{MOST_FORECASTS:,} forecasts: fewer products, or a shorter horizon_periods"
            )
        return self

    @property
    def period_days(self) -> int:
        """Days of a period."""
        return PERIOD_DAYS[self.period]

    @property
    def season(self) -> int:
        """Periods after which the season comes again."""
        return SEASON_PERIODS[self.period]

    @property
    def fewest_periods(self) -> int:
        """Periods since the first sale that a series of its own needs."""
        return FEWEST_PERIODS[self.period]

    @property
    def usual_periods(self) -> int:
        """How many of the latest periods say what is usual."""
        return USUAL_PERIODS[self.period]

    @property
    def closed_after_periods(self) -> int:
        """Whole periods after a cut-off until its outcome is known: all dates share one grid."""
        return self.horizon_periods + -(-self.grace_days // self.period_days)

    @property
    def closed_after(self) -> timedelta:
        """How long after a cut-off its outcome is known."""
        return timedelta(days=self.closed_after_periods * self.period_days)


def cutoffs_for_test(params: DemandSection, test: date, first_order: date) -> Cutoffs:
    """Give the cut-offs that had closed by `test`, each closed by the next, the latest first.

    On each of them a series can be long enough for a forecast of its own.
    """
    # The first period of the data may have begun midway, and is left out.
    least = timedelta(days=(params.fewest_periods + 1) * params.period_days)
    return closed_cutoffs(
        test,
        oldest=first_order + least,
        closes_after=params.closed_after,
        every=params.closed_after,
        n=params.n_training_cutoffs,
    )


def walk_over(
    params: DemandSection, day: date, first_order: date, newest_order: date
) -> list[Cutoffs]:
    """Give the latest four cut-offs on the grid of the day that have closed, with those before.

    Raises DataError where there are none.
    """
    known_to = min(day, newest_order + timedelta(days=1))
    n_open = -((known_to - day).days // params.period_days)
    newest = day - timedelta(days=n_open * params.period_days)
    walked = [newest - index * params.closed_after for index in range(1, N_WALKED + 1)]
    steps = [cutoffs_for_test(params, test, first_order) for test in sorted(walked)]
    return steps_to_walk(
        steps,
        subject="demand",
        day=day,
        known=(first_order, newest_order),
        needs=f"a horizon of {counted(params.horizon_periods, params.period)}",
    )
