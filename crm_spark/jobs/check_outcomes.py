"""check_outcomes: what became of past churn scores, once their window has closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.lake.state import Target
from crm_spark.models.churn.outcome_checks import check_outcomes, outcome_targets
from crm_spark.models.registry import find_model
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.pipeline.models import model_run
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Hold past churn scores against what came, once their window has closed, and warn."
NEEDS_AS_OF = True


def targets(plan: DayPlan) -> Sequence[Target]:
    """Give the outcomes of the dates whose window has closed by a day."""
    return outcome_targets(plan.config.section_of(find_model("churn")), plan.day, plan.state)


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Append to ops.metrics and ops.checks, once for each scored date and version.

    Back-filled scores are left out.
    """
    with job_run(spark, config, "check_outcomes", as_of) as job:
        check_outcomes(model_run(job, find_model("churn")))
        return job.summary
