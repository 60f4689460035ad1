"""score_rfm: RFM scores and named segments of one date, with the cut points behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.features.rfm_scoring import rfm_targets, score_rfm
from crm_spark.lake.state import Target
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Score recency, frequency and monetary value from 1 to 5 and name the RFM segments."
NEEDS_AS_OF = True


def targets(plan: DayPlan) -> Sequence[Target]:
    """Give what the job makes for a day."""
    return rfm_targets(plan.config.rfm, plan.day)


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write scores.rfm_cut_points and scores.customer_rfm of the date."""
    with job_run(spark, config, "score_rfm", as_of) as job:
        score_rfm(job, config.rfm, job.day())
        return job.summary
