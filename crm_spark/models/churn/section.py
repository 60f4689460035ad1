"""The churn section: what churn means, and which cut-offs train and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from crm_spark.errors import DataError
from crm_spark.features.section import unknown_features
from crm_spark.models.classifiers.settings import LearnerSettings
from crm_spark.models.cutoffs import Cutoffs, closed_cutoffs
from crm_spark.words import counted

AUTO: Final = "auto"
# Alerts are chosen by the silences of so many days at least, and measured by as many.
FEWEST_DAYS_OF_A_SPAN = 7
HORIZON_DAYS, ACTIVE_DAYS, OPEN_DAYS = "horizon_days", "active_days", "open_days"


class AlertsSection(BaseModel):
    """Early warning: whoever is about to fall silent for `lapse_days`.

    Unset, a lapse is a silence of two horizons, at most active_days, and half of it is the rule
    that a score has to beat.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lapse_days: int | None = Field(default=None, ge=2, le=1095)
    silent_days: int | None = Field(default=None, ge=1, le=1094)
    # So long after an alert a customer has none, whatever they do.
    cool_down_days: int = Field(default=28, ge=0, le=365)
    # The share of alerts that are to come true; by default what the rule comes to.
    precision: float | None = Field(default=None, gt=0, lt=1)
    # backtest_alerts looks at so many days, as if scores were made so often: by default half a
    # year, or more where lapses are long.
    backtest_days: int | None = Field(default=None, ge=14, le=3650)
    backtest_every_days: int = Field(default=7, ge=1, le=31)


class ChurnSection(LearnerSettings):
    """Churn: an active customer places no order in the horizon.

    A customer is active with an order in the last `active_days` days before the cut-off. A label of
    cut-off T exists once T + horizon_days + grace_days has passed.
    """

    # Or `auto`: chosen once from the gaps between orders.
    horizon_days: int = Field(default=28, ge=1, le=730)
    # Or `auto`.
    active_days: int = Field(default=84, ge=1, le=1095)
    # Of those whom days that are chosen call lost, no larger share may come back.
    returning_share: float = Field(default=0.2, gt=0, lt=1)
    # Which of the two are left to be chosen, and whether they are. No keys of the configuration.
    open_days: tuple[str, ...] = Field(default=(), repr=False)
    is_settled: bool = Field(default=False, repr=False)
    # Orders may come so many days late: a label is taken for known only then.
    grace_days: int = Field(default=0, ge=0, le=365)
    # The cut-offs that are learnt from lie so many days apart.
    cutoff_every_days: int = Field(default=28, ge=1)
    # So many of them, the latest of which calibrates.
    n_training_cutoffs: int = Field(default=6, ge=1, le=60)
    # At most so many reasons a customer.
    n_reasons: int = Field(default=3, ge=0, le=10)
    # So many tenths of the customers, the most at risk first, have reasons: these are exact, and
    # take about a millisecond a customer.
    explained_deciles: int = Field(default=10, ge=0, le=10)
    # Importances are means over so many customers of the test.
    importance_rows: int = Field(default=5000, ge=100, le=50_000)
    # Test cut-offs of backtest_churn; by default the latest six, a horizon apart.
    backtest_cutoffs: tuple[date, ...] = ()
    # What of customers the champion is looked at by, besides tenure, rhythm and value: columns of
    # core.customers. No model learns from them.
    subgroups: tuple[
        Literal[
            "country", "region", "age_group", "income_group", "household_size", "household_type"
        ],
        ...,
    ] = ()
    alerts: AlertsSection = Field(default_factory=AlertsSection)
    # Features that look too good to be true and were proved clean: the forest may use them.
    trusted_features: tuple[str, ...] = ()

    @property
    def lapse_days(self) -> int:
        """A silence of so many days is a lapse."""
        return self.alerts.lapse_days or min(2 * self.horizon_days, self.active_days)

    @property
    def silent_days(self) -> int:
        """After a silence of so many days the rule raises an alert."""
        return self.alerts.silent_days or max(1, self.lapse_days // 2)

    @property
    def backtest_days(self) -> int:
        """So many days of alerts are looked at by their backtest."""
        return self.alerts.backtest_days or max(182, 2 * self.lapse_days + 70)

    @model_validator(mode="before")
    @classmethod
    def _days_may_be_open(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        if ours := [name for name in (OPEN_DAYS, "is_settled") if name in values]:
            raise ValueError(f"{', '.join(ours)}: no key of churn; write horizon_days: {AUTO}")
        found = [name for name in (HORIZON_DAYS, ACTIVE_DAYS) if values.get(name) == AUTO]
        given = {name: value for name, value in values.items() if name not in found}
        return {**given, OPEN_DAYS: tuple(found)} if found else given

    @model_validator(mode="after")
    def _lapses_are_seen(self) -> Self:
        if not self.open_days and (faults := self.faults_of_alerts()):
            raise ValueError("; ".join(faults))
        return self

    def faults_of_alerts(self) -> list[str]:
        """Say what of the alerts does not go with the days of churn."""
        faults = []
        if (self.alerts.lapse_days or 0) > self.active_days:
            faults.append(
                f"alerts: lapse_days {self.lapse_days} is beyond active_days {self.active_days}, "
                "after which nobody is scored"
            )
        if (self.alerts.silent_days or 0) >= self.lapse_days:
            faults.append(
                f"alerts: silent_days {self.silent_days} has to be below lapse_days "
                f"{self.lapse_days}: an alert comes before the lapse"
            )
        fewest = 2 * (self.lapse_days + FEWEST_DAYS_OF_A_SPAN)
        if self.backtest_days < fewest:
            faults.append(
                f"alerts: backtest_days {self.backtest_days} is too few for lapses of "
                f"{counted(self.lapse_days, 'day')}: at least {fewest}"
            )
        return faults

    @field_validator("trusted_features")
    @classmethod
    def _features_are_known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if faults := unknown_features(value, info):
            raise ValueError("; ".join(faults))
        return tuple(sorted(set(value)))


def closed_after(params: ChurnSection) -> timedelta:
    """Give how long after a cut-off its labels are known."""
    return timedelta(days=params.horizon_days + params.grace_days)


def latest_closed(params: ChurnSection, as_of: date) -> date:
    """Give the latest cut-off whose labels are known on `as_of`."""
    return as_of - closed_after(params)


def cutoffs_for_test(params: ChurnSection, test: date, first_order: date) -> Cutoffs:
    """Give the cut-offs that had closed by `test`, latest first.

    Cut-offs before the first order plus active_days are left out: on them nobody can be told from a
    customer whose history was cut away.
    """
    return closed_cutoffs(
        test,
        oldest=first_order + timedelta(days=params.active_days),
        closes_after=closed_after(params),
        every=timedelta(days=params.cutoff_every_days),
        n=params.n_training_cutoffs,
    )


def backtest_dates(params: ChurnSection, as_of: date, first_order: date) -> Sequence[date]:
    """Give the cut-offs to walk over: those configured, else the latest six, a horizon apart."""
    if params.backtest_cutoffs:
        return sorted(params.backtest_cutoffs)
    newest = latest_closed(params, as_of)
    step = timedelta(days=params.horizon_days)
    walked = [newest - index * step for index in range(6)]
    return sorted(day for day in walked if cutoffs_for_test(params, day, first_order).training)


def walk_over(
    params: ChurnSection, day: date, first_order: date, newest_order: date
) -> list[Cutoffs]:
    """Give the steps to walk. Raises DataError for a cut-off not closed, or without a past."""
    steps = [
        cutoffs_for_test(params, test, first_order)
        for test in backtest_dates(params, day, first_order)
    ]
    faults = [f"{step.test} has no closed cut-off before it" for step in steps if not step.training]
    known_to = min(day, newest_order + timedelta(days=1))
    faults += [
        f"{step.test} closes on {step.test + closed_after(params)}, after {known_to}"
        for step in steps
        if step.test + closed_after(params) > known_to
    ]
    if faults or not steps:
        reason = "; ".join(faults) or f"the first order is of {first_order}: too little history"
        raise DataError(f"churn cannot be backtested as of {day}: {reason}")
    return steps
