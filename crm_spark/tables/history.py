"""Histories: tables of versions of products and customers, and what was valid on a date.

A version is valid from `valid_from` until `valid_to`; one without `valid_from` is the first known
and holds for all earlier dates, too; one without `valid_to` is valid still.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.lake.contract import Table

VALID_FROM, VALID_TO = "valid_from", "valid_to"


def is_history(table: Table) -> bool:
    """Whether the rows of a table are versions of things that change."""
    return VALID_FROM in table.key


def as_of(versions: DataFrame, *, days: Sequence[date]) -> DataFrame:
    """Give the versions that were known and valid before the midnight of each day.

    Grain: key, as_of_date. Reads valid_from and valid_to, which it leaves out; adds as_of_date and
    keeps all other columns. A version valid from that very midnight is not known yet, like a line
    that is ordered then.
    """
    dates = F.explode(F.array([F.lit(day) for day in days]).cast("array<date>"))
    midnight = F.col("as_of_date").cast("timestamp")
    is_begun = F.col(VALID_FROM).isNull() | (F.col(VALID_FROM) < midnight)
    is_left = F.col(VALID_TO).isNull() | (F.col(VALID_TO) >= midnight)
    return (
        versions.withColumn("as_of_date", dates)
        .where(is_begun & is_left)
        .drop(VALID_FROM, VALID_TO)
    )


def current(versions: DataFrame) -> DataFrame:
    """Give the versions that are valid still, one a product or customer, without their times."""
    return versions.where(F.col(VALID_TO).isNull()).drop(VALID_FROM, VALID_TO)
