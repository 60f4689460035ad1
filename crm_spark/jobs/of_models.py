"""The jobs that models have: one trains, one scores, one walks over past cut-offs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.lake.state import Target
from crm_spark.models.contract import AnyModel
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.models import backtest_model, score_model, train_model
from crm_spark.runtime.run import RunSummary


@dataclass(frozen=True)
class TrainJob:
    """Trains a model, with what the command line asks of a job."""

    model: AnyModel
    NEEDS_AS_OF: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The job."""
        return self.model.train_job

    @property
    def DESCRIPTION(self) -> str:
        """What the help says."""
        return self.model.training_in_words

    def targets(self, plan: DayPlan) -> Sequence[Target]:
        """Give what the job makes for a day."""
        return [plan.training_target(self.model)]

    def run(self, spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
        """Leave ops.checks, ops.metrics, versions in MLflow and ops.model_decisions."""
        return train_model(spark, config, as_of, self.model)


@dataclass(frozen=True)
class ScoreJob:
    """Scores with a model, with what the command line asks of a job."""

    model: AnyModel
    NEEDS_AS_OF: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The job."""
        return self.model.score_job

    @property
    def DESCRIPTION(self) -> str:
        """What the help says."""
        return self.model.scoring_in_words

    def targets(self, plan: DayPlan) -> Sequence[Target]:
        """Give what the job makes for a day."""
        return plan.score_targets(self.model)

    def run(self, spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
        """Write the score tables of the date."""
        return score_model(spark, config, as_of, self.model)


@dataclass(frozen=True)
class BacktestJob:
    """Walks a model over past cut-offs, with what the command line asks of a job."""

    model: AnyModel
    NEEDS_AS_OF: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The job."""
        return self.model.backtest_job

    @property
    def DESCRIPTION(self) -> str:
        """What the help says."""
        return f"Walk over past cut-offs: {self.model.backtest_in_words}, and compare."

    def run(self, spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
        """Write ops.metrics of each candidate on each cut-off, and log the table of them."""
        return backtest_model(spark, config, as_of, self.model)
