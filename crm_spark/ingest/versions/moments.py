"""Moments: from when on a load changed what a date can see of a core table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.lake.contract import CHECKSUM_FIELDS, Table, checksum_aggregates
from crm_spark.tables.core import EXCHANGE_RATES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def known_at(table: Table) -> Column:
    """When a row of a bitemporal table had both happened and arrived."""
    assert table.event_time is not None
    return F.greatest(F.col(table.event_time), F.col("arrived_at"))


def as_instant(micros: int | None) -> datetime | None:
    """Give the instant that so many microseconds after 1970 began (UTC)."""
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def day_seen(table: Table) -> Column | None:
    """The local day from which on a row can be seen; None where rows have no such day."""
    if table.event_time is not None:
        return F.to_date(known_at(table))
    return F.col("rate_date") if table is EXCHANGE_RATES else None


def earliest_differing_day(before: DataFrame, after: DataFrame, table: Table) -> DataFrame:
    """Give in one row `micros`, when the first local day begins whose rows differ; null: none does.

    Reads the content columns of two versions of a table; columns that the first does not have yet
    count as null.
    """
    lacking = {
        column.name: F.lit(None).cast(column.type)
        for column in table.columns
        if column.name not in before.columns
    }
    if lacking:
        before = before.withColumns(lacking)
    first, second = _by_day(before, table, "before"), _by_day(after, table, "after")
    is_same = F.lit(True)
    for field in CHECKSUM_FIELDS:
        is_same = is_same & F.col(f"before_{field}").eqNullSafe(F.col(f"after_{field}"))
    differing = first.join(second, "_day", "full_outer").where(~is_same)
    return differing.agg(F.unix_micros(F.min("_day").cast("timestamp")).alias("micros"))


def _by_day(rows: DataFrame, table: Table, side: str) -> DataFrame:
    day = day_seen(table)
    assert day is not None
    grouped = rows.groupBy(day.alias("_day")).agg(*checksum_aggregates(table.content_columns))
    return grouped.select(
        "_day", *[F.col(field).alias(f"{side}_{field}") for field in CHECKSUM_FIELDS]
    )
