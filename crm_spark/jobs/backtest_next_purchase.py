"""backtest_next_purchase: how well past dates would have told who orders next, and when."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.models.registry import find_model
from crm_spark.pipeline.models import backtest_model
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Walk over past cut-offs: say who orders when after each, and compare."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write ops.metrics of each candidate on each cut-off, and log the table of them."""
    # All that it reads are orders: nothing has to be built for past dates.
    return backtest_model(spark, config, as_of, find_model("next_purchase"), lambda job: {})
