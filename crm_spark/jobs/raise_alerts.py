"""raise_alerts: who is about to fall silent for good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.lake.state import Target
from crm_spark.models.churn.alerts import alerts_target, raise_alerts
from crm_spark.models.registry import find_model
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.pipeline.models import model_run
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Name the customers about to fall silent for good, once in each silence."
NEEDS_AS_OF = True


def targets(plan: DayPlan) -> Sequence[Target]:
    """Give the alerts of the day."""
    section = plan.config.section_of(find_model("churn"))
    return [alerts_target(section, plan.day, plan.state)]


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write scores.customer_alerts of the date."""
    with job_run(spark, config, "raise_alerts", as_of) as job:
        raise_alerts(model_run(job, find_model("churn")))
        return job.summary
