"""A day of a configuration on a lake: what its jobs make, and for which dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from crm_spark.config import Config
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
from crm_spark.features.targets import FeatureDates, FeatureSettings, target_of
from crm_spark.lake.contract import Table
from crm_spark.lake.state import State, Target
from crm_spark.models.contract import AnyModel, Read
from crm_spark.models.targets import NEWEST_EVENT, score_targets, training_target
from crm_spark.pipeline.lifecycle import Run
from crm_spark.pipeline.settings import feature_settings

# Of these any date is made that a training asks for.
_TABLES_OF_CUTOFFS = (CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS)


@dataclass(frozen=True)
class DayPlan:
    """A day of a configuration on a lake; `first_order` as first_order() gives it."""

    config: Config
    day: date
    first_order: date
    state: State

    @classmethod
    def of(cls, run: Run) -> DayPlan:
        """Give the plan of a run's own day. Raises DataError where no order lies before it."""
        day = run.day()  # which settles the configuration
        return cls(run.config, day, first_order(run), run.state)

    def feature_settings(self) -> FeatureSettings:
        """Give what features depend on besides their dates."""
        return feature_settings(self.config)

    def training_day_of(self, model: AnyModel) -> date:
        """Give the day as of which the model is trained that scores this day."""
        return training_day(self.config, model, self.day, self._first_order_of(model))

    def training_target(self, model: AnyModel) -> Target:
        """Give the target of the training that scores this day.

        A training as of an earlier day is kept: rows that come late are learnt by the next.
        """
        day = self.training_day_of(model)
        target = training_target(
            model,
            self.config.section_of(model),
            day,
            self._first_order_of(model),
            self.config.mapped,
        )
        return replace(target, is_kept=day != self.day and self._may_be_kept(model, target))

    def score_targets(self, model: AnyModel) -> list[Target]:
        """Give the targets of a model's score tables of this day."""
        return score_targets(
            model,
            self.config.section_of(model),
            self.day,
            self.first_order,
            self.state,
            self.config.mapped,
            self.training_day_of(model),
        )

    def feature_dates(self) -> FeatureDates:
        """Give the day and the cut-offs that its trainings need, latest first.

        Those of trainings that are kept are no longer needed.
        """
        models = made_models(self.config)
        trained = [model for model in models if not self.is_kept(self.training_target(model))]
        return feature_dates(self.config, self.day, self.first_order, trained)

    def is_kept(self, training: Target) -> bool:
        """Whether a training is there and kept, so that nothing of it is to be made."""
        return training.is_kept and self.state.is_current(training)

    def _may_be_kept(self, model: AnyModel, training: Target) -> bool:
        """Whether what a training learnt from was complete, and is made as it is made now."""
        row = self.state.newest(training.output)
        if row is None or row.status != "written" or training.output.as_of_date is None:
            return False
        last_day = training.output.as_of_date - timedelta(days=1)
        if model.needs_orders and row.facts.get(NEWEST_EVENT, "") < last_day.isoformat():
            return False
        settings = self.feature_settings()
        features = [target_of(settings, read) for read in training.reads]
        return not any(
            self.state.why_of_another_making(one) for one in (training, *features) if one
        )

    def _first_order_of(self, model: AnyModel) -> date:
        return self.first_order if model.needs_orders else date.min


def training_day(config: Config, model: AnyModel, day: date, first_order: date) -> date:
    """Give the day as of which a model is trained that scores a day: the newest training day.

    It is the day itself where history before the training day does not carry the model, and of a
    model that learns from tables which are made for the day of a run alone.
    """
    newest, section = config.training.newest_day(day), config.section_of(model)
    if newest == day or newest <= first_order:
        return day
    plan = model.plan(section, newest, first_order)
    reads = model.learns_from(section, plan, newest) if plan.is_possible else ()
    of_any_day = {table.name for table in _TABLES_OF_CUTOFFS}
    is_made = all(read.table.name in of_any_day for read in reads if read.dates)
    return newest if plan.is_possible and is_made else day


def first_order(run: Run) -> date:
    """Give the local day of the first order; where no orders are mapped, the first of all days."""
    return run.order_dates()[0] if run.config.sources.transactions else date.min


def made_models(config: Config) -> list[AnyModel]:
    """Give the chosen models that the mapping has all columns for."""
    return [model for model in config.chosen_models if model.lacking(config.mapped) is None]


def feature_dates(
    config: Config, day: date, first_order: date, trained: Iterable[AnyModel]
) -> FeatureDates:
    """Give the dates of features to score a day, and to train these models for it, latest first."""
    reads: list[Read] = []
    for model in made_models(config):
        reads += model.scores_from(config.section_of(model), day)
    prices = {day}
    for model in trained:
        section = config.section_of(model)
        learning_day = training_day(config, model, day, first_order)
        plan = model.plan(section, learning_day, first_order)
        reads += model.learns_from(section, plan, learning_day)
        if model.needs_orders:
            prices.add(learning_day)  # by which the data it learns from are judged
    return FeatureDates(
        day,
        _dates(reads, CUSTOMER_SNAPSHOT, day, first_order),
        _dates(reads, PRODUCT_INTERACTIONS, day, first_order),
        tuple(sorted(prices, reverse=True)),
    )


def _dates(reads: Sequence[Read], table: Table, day: date, first_order: date) -> tuple[date, ...]:
    """Give the day and the dates of a table that are read; those before any order hold nothing."""
    wanted = {day, *(one for read in reads if read.table is table for one in read.dates or ())}
    return tuple(sorted((one for one in wanted if first_order < one <= day), reverse=True))
