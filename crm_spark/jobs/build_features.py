"""build_features: orders, snapshots and interactions, brought up to date where lines changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.features.build import build_features
from crm_spark.features.targets import feature_targets
from crm_spark.lake.state import Target
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Build customer orders and the snapshots of the date and of the training cut-offs."
NEEDS_AS_OF = True


def targets(plan: DayPlan) -> Sequence[Target]:
    """Give what the job makes for a day."""
    return feature_targets(plan.feature_settings(), plan.feature_dates())


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Bring customer orders up to date, and the snapshots and interactions of the date."""
    with job_run(spark, config, "build_features", as_of) as job:
        plan = DayPlan.of(job)
        build_features(job, plan.feature_settings(), plan.feature_dates())
        return job.summary
