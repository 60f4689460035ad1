"""The effect of an increment on its table: what it adds, closes and takes out, in figures.

Checksums are sums and xors of hashes: from what was written and what that replaced follows the
checksum of the whole table, and the rest of it is never read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.ingest.versions.changes import SUPERSEDED_BEFORE, Changes, is_closed, is_displaced
from crm_spark.ingest.versions.facts import LineDates, line_date_aggregates
from crm_spark.ingest.versions.moments import as_instant, known_at
from crm_spark.ingest.versions.resolve import IS_STORED
from crm_spark.lake.contract import (
    Table,
    added_checksums,
    checksum_aggregates,
    format_checksum,
    subtracted_checksum,
)
from crm_spark.lake.state import UNTOUCHED
from crm_spark.tables.core import TRANSACTIONS

# The checksum of no rows.
NO_ROWS = f"0-{0:016x}-{0:016x}"


@dataclass(frozen=True)
class Side:
    """The rows that were written, or those that they replaced, in figures."""

    n_rows: int = 0
    n_of_table: int = 0
    checksum: str = NO_ROWS
    earliest: datetime | None = None
    dates: LineDates = field(default_factory=LineDates)


@dataclass(frozen=True)
class Effect:
    """What an increment does to a table: the rows written, and the rows as they were before.

    `is_customer_lost`: a customer's row goes, and no row that is written names the customer.
    """

    written: Side
    replaced: Side
    n_displaced: int = 0
    is_customer_lost: bool = False

    @property
    def n_added(self) -> int:
        """The rows that are new."""
        return self.written.n_rows - self.written.n_of_table

    @property
    def is_none(self) -> bool:
        """Whether the table stays as it is."""
        return self.written.n_rows == 0 and self.replaced.n_rows == 0

    @property
    def is_addition(self) -> bool:
        """Whether no row of the table changes."""
        return self.replaced.n_rows == 0

    @property
    def changed_from(self) -> datetime:
        """The earliest moment that it touches."""
        moments = (self.written.earliest, self.replaced.earliest)
        return min((moment for moment in moments if moment), default=UNTOUCHED)

    def checksum_after(self, before: str) -> str:
        """Give the checksum of the whole table from the one that it had."""
        kept = subtracted_checksum(before, self.replaced.checksum)
        return added_checksums(kept, self.written.checksum)


def measure(changes: Changes, table: Table) -> Effect:
    """Compute the effect; reads the changes, which are best kept, twice at most."""
    sides = {row["_side"]: row.asDict() for row in _figures(changes, table).collect()}
    written, replaced = (_side(sides.get(name), table) for name in ("written", "replaced"))
    n_displaced = int((sides.get("replaced") or {}).get("n_displaced", 0))
    is_lost = n_displaced > 0 and not _lost_customers(changes).isEmpty()
    return Effect(written, replaced, n_displaced, is_lost)


def _side(figures: Mapping[str, Any] | None, table: Table) -> Side:
    if figures is None:
        return Side()
    dates = LineDates.of_row(figures) if table is TRANSACTIONS else LineDates()
    return Side(
        int(figures["n_rows"]),
        int(figures["n_of_table"]),
        format_checksum(figures),
        as_instant(figures["micros"]),
        dates,
    )


def _figures(changes: Changes, table: Table) -> DataFrame:
    """Give the figures of both sides: a row each, none for a side without rows."""
    reclosed = F.least(F.col(SUPERSEDED_BEFORE), F.col("superseded_at"))
    written = _with_side(
        changes.written, "written", F.when(F.col(IS_STORED), reclosed).otherwise(known_at(table))
    )
    before = _with_side(
        changes.rows.where(is_closed() | is_displaced()),
        "replaced",
        F.when(is_displaced(), known_at(table)),
    ).withColumn("superseded_at", F.col(SUPERSEDED_BEFORE))
    dates = line_date_aggregates() if table is TRANSACTIONS else []
    return (
        written.unionByName(before)
        .groupBy("_side")
        .agg(
            *checksum_aggregates(table.content_columns),
            F.count_if(IS_STORED).alias("n_of_table"),
            F.count_if("_is_displaced").alias("n_displaced"),
            F.unix_micros(F.min("_moment")).alias("micros"),
            *dates,
        )
    )


def _with_side(rows: DataFrame, side: str, moment: Column) -> DataFrame:
    return rows.withColumns(
        {"_side": F.lit(side), "_moment": moment, "_is_displaced": is_displaced()}
    )


def _lost_customers(changes: Changes) -> DataFrame:
    customer = ["customer_id"]
    return changes.displaced.select(customer).join(
        changes.written.select(customer), customer, "left_anti"
    )
