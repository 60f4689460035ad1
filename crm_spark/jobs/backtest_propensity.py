"""backtest_propensity: how well past dates would have told who buys what."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.models.registry import find_model
from crm_spark.pipeline.models import backtest_model
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Walk over past cut-offs: say who buys what after each, and compare."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write ops.metrics of each candidate on each cut-off, and log the table of them."""
    # Propensity reads order lines and products: nothing has to be built for past dates.
    return backtest_model(spark, config, as_of, find_model("propensity"), lambda job: {})
