"""A day of a configuration on a lake: what its jobs make, and for which dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from crm_spark.config import Config
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
from crm_spark.features.targets import FeatureDates, FeatureSettings
from crm_spark.lake.contract import Table
from crm_spark.lake.state import State, Target
from crm_spark.models.contract import AnyModel, Read
from crm_spark.models.targets import score_targets, training_target
from crm_spark.pipeline.lifecycle import Run
from crm_spark.pipeline.settings import feature_settings


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

    @property
    def training_day(self) -> date:
        """The day as of which the models are trained that score this day."""
        return training_day(self.config, self.day, self.first_order)

    def training_target(self, model: AnyModel) -> Target:
        """Give the target of the training that scores this day.

        A training as of an earlier day is made once: lines that come late are learnt by the next.
        """
        return training_target(
            model,
            self.config.section_of(model),
            self.training_day,
            self.first_order,
            self.config.mapped,
            is_made_once=self.training_day != self.day,
        )

    def score_targets(self, model: AnyModel) -> list[Target]:
        """Give the targets of a model's score tables of this day."""
        section, mapped = self.config.section_of(model), self.config.mapped
        return score_targets(
            model, section, self.day, self.first_order, self.state, mapped, self.training_day
        )

    def feature_dates(self) -> FeatureDates:
        """Give the day and the cut-offs that its trainings need, latest first.

        Those of trainings that are made once, and are made, are no longer needed.
        """
        models = made_models(self.config)
        targets = {model.name: self.training_target(model) for model in models}
        trained = [
            model
            for model in models
            if not (targets[model.name].is_made_once and self.state.is_current(targets[model.name]))
        ]
        return feature_dates(self.config, self.day, self.first_order, trained)


def training_day(config: Config, day: date, first_order: date) -> date:
    """Give the day as of which models are trained that score a day.

    It is the day itself where no order lies before the training day.
    """
    newest = config.training.newest_day(day)
    return newest if newest > first_order else day


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
    learning_day = training_day(config, day, first_order)
    prices = {day}
    for model in trained:
        section = config.section_of(model)
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
