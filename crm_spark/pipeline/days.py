"""A day of a configuration on a lake: what its jobs make, and for which dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from crm_spark.config import Config
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
from crm_spark.features.targets import FeatureDates, FeatureSettings
from crm_spark.lake.state import State
from crm_spark.models.contract import AnyModel
from crm_spark.models.registry import dates_needed
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

    def feature_dates(self) -> FeatureDates:
        """Give the day and the cut-offs that training as of it needs, latest first."""
        return feature_dates(self.config, self.day, self.first_order)


def first_order(run: Run) -> date:
    """Give the local day of the first order; where no orders are mapped, the first of all days."""
    return run.order_dates()[0] if run.config.sources.transactions else date.min


def made_models(config: Config) -> list[AnyModel]:
    """Give the chosen models that the mapping has all columns for."""
    return [model for model in config.chosen_models if model.lacking(config.mapped) is None]


def feature_dates(config: Config, day: date, first_order: date) -> FeatureDates:
    """Give the dates of features that models need as of a day, latest first."""
    models = [(model, config.section_of(model)) for model in made_models(config)]
    snapshots = dates_needed(models, CUSTOMER_SNAPSHOT, day, first_order)
    interactions = dates_needed(models, PRODUCT_INTERACTIONS, day, first_order)
    return FeatureDates(day, tuple(snapshots), tuple(interactions))
