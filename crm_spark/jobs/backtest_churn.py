"""backtest_churn: how good churn would have been on past dates, had it been trained before each."""

from __future__ import annotations

from datetime import date
from functools import partial

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.features.build import snapshots
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.models.registry import find_model
from crm_spark.pipeline.models import backtest_model
from crm_spark.pipeline.settings import feature_settings
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Walk over past cut-offs: train before each, test on it, report the mean over all."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write ops.metrics of each candidate on each cut-off, and log the table of them."""
    return backtest_model(
        spark,
        config,
        as_of,
        find_model("churn"),
        lambda job: {CUSTOMER_SNAPSHOT: partial(snapshots, job, feature_settings(job.config))},
    )
