"""What a delivery changes of a bitemporal table: rows added, closed, and displaced."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.ingest.versions.resolve import (
    IS_STORED,
    KEPT,
    STATUS,
    Identity,
    close_versions,
    resolve,
)

SUPERSEDED_BEFORE = "_superseded_before"


@dataclass(frozen=True)
class Changes:
    """What a delivery does to a table.

    `rows` are the new rows and those of the table that they can touch, each with its status,
    whether it is of the table (_is_stored), and when it was superseded before.
    """

    rows: DataFrame
    key: tuple[str, ...]

    @property
    def added(self) -> DataFrame:
        """The new rows that are kept."""
        return self.rows.where((F.col(STATUS) == KEPT) & ~F.col(IS_STORED))

    @property
    def closed(self) -> DataFrame:
        """The rows of the table that are superseded at another time than before."""
        return self.rows.where(is_closed())

    @property
    def displaced(self) -> DataFrame:
        """The rows of the table that a new row of the same key has taken the place of."""
        return self.rows.where(is_displaced())

    @property
    def standing(self) -> DataFrame:
        """The rows of the table as it is then, as far as the delivery can touch them."""
        return self.rows.where(F.col(STATUS) == KEPT)

    @property
    def written(self) -> DataFrame:
        """The rows to write by key."""
        return self.rows.where((F.col(STATUS) == KEPT) & (~F.col(IS_STORED) | is_closed()))

    @property
    def removed(self) -> DataFrame:
        """The keys to take out that no written row has."""
        key = list(self.key)
        return self.displaced.select(*key).join(self.written.select(*key), key, "left_anti")


def is_closed() -> Column:
    """Whether a row of Changes stands in the table, superseded at another time than before."""
    is_other = ~F.col("superseded_at").eqNullSafe(F.col(SUPERSEDED_BEFORE))
    return (F.col(STATUS) == KEPT) & F.col(IS_STORED) & is_other


def is_displaced() -> Column:
    """Whether a row of Changes was in the table, and is no more."""
    return (F.col(STATUS) != KEPT) & F.col(IS_STORED)


def changes(new: DataFrame, near: DataFrame, identity: Identity, *, run_id: str) -> Changes:
    """Give what `new` changes of a table.

    `near` are the rows of the table that share the neighbours of a new row.
    """
    resolved = resolve(new, near, identity).withColumn(SUPERSEDED_BEFORE, F.col("superseded_at"))
    rows = close_versions(resolved, identity, is_kept=F.col(STATUS) == KEPT)
    closing_run = F.when(
        is_closed() | (~F.col(IS_STORED) & F.col("superseded_at").isNotNull()), F.lit(run_id)
    ).otherwise(F.col("closing_run_id"))
    return Changes(rows.withColumn("closing_run_id", closing_run), identity.table.key)
