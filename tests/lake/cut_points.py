"""Rows of a small guarded table, for tests of who may write it."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.features.rfm_tables import RFM_CUT_POINTS


def cut_point(spark: SparkSession, day: date, value: float, position: int = 1) -> DataFrame:
    """Give one row, made without a Python worker."""
    values = (day, "n_orders", position, value, "run")
    pairs = zip(RFM_CUT_POINTS.schema.names, values, strict=True)
    return spark.range(1).select(*[F.lit(value).alias(name) for name, value in pairs])
