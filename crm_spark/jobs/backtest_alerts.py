"""backtest_alerts: how early, and how rightly, alerts would have warned of lapses."""

from __future__ import annotations

from datetime import date
from functools import partial

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.features.build import snapshots
from crm_spark.models.churn.alert_backtest import backtest_alerts
from crm_spark.models.registry import find_model
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.pipeline.models import model_run
from crm_spark.pipeline.settings import feature_settings
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Measure how well alerts warn of lapses, and choose what raises them."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write ops.metrics of every way to raise alerts, and which of them raise_alerts is to use."""
    with job_run(spark, config, "backtest_alerts", as_of) as job:
        built = partial(snapshots, job, feature_settings(config))
        backtest_alerts(model_run(job, find_model("churn")), built)
        return job.summary
