"""Counts: what became of each row of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.ingest.loading.noticed import Noticed, noticed, noticed_aggregates
from crm_spark.ingest.mapping.cleaning import cleaning_effects
from crm_spark.ingest.mapping.columns import is_usable
from crm_spark.ingest.mapping.where import IS_WANTED, UNDECIDED_BY
from crm_spark.ingest.settings import Source
from crm_spark.ingest.versions.resolve import CONFLICT, DUPLICATE, KEPT
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import TableCounts

STATUSES = (KEPT, DUPLICATE, CONFLICT)


@dataclass(frozen=True)
class RowCounts:
    """How many rows were read, mapped (`where` kept them), and could not be used by themselves.

    Of those that could be used, `n_by_status` counts them by what other rows made of them;
    `cleaned` those that a cleaning rule had changed or marked. `n_displaced` rows of the table are
    no more, since a new row contradicts them. For `n_undecided` rows `where` is null, where columns
    in `undecided_by` are.
    """

    n_read: int = 0
    n_mapped: int = 0
    n_unusable: int = 0
    cleaned: Mapping[str, int] = field(default_factory=dict)
    n_by_status: Mapping[str, int] = field(default_factory=dict)
    n_displaced: int = 0
    n_undecided: int = 0
    undecided_by: frozenset[str] = frozenset()
    noticed: Noticed = field(default_factory=Noticed)

    @property
    def n_conflicts(self) -> int:
        """The new rows that contradict another and are not kept."""
        return self.n_by_status.get(CONFLICT, 0)

    @property
    def n_rejected(self) -> int:
        """The rows that are to be kept as rejected."""
        return self.n_unusable + self.n_conflicts + self.n_displaced


def count_aggregates(source: Source) -> list[Column]:
    """Aggregates over the mapped rows of a source, to be read by row_counts."""
    effects = enumerate(_effects(source).values())
    return [
        F.count(F.lit(1)).alias("n_read"),
        F.count_if(IS_WANTED).alias("n_mapped"),
        F.count_if(F.col(IS_WANTED) & ~is_usable()).alias("n_unusable"),
        *[F.count_if(is_usable() & effect).alias(f"cleaned_{i}") for i, effect in effects],
        *_undecided(source),
        *noticed_aggregates(source),
    ]


def row_counts(
    source: Source,
    aggregates: Mapping[str, Any],
    *,
    n_by_status: Mapping[str, int],
    n_displaced: int = 0,
    n_repeated: int = 0,
) -> RowCounts:
    """Give the counts from the values of count_aggregates."""
    cleaned = {effect: aggregates[f"cleaned_{i}"] for i, effect in enumerate(_effects(source))}
    n_read, n_mapped, n_unusable = (
        aggregates[name] for name in ("n_read", "n_mapped", "n_unusable")
    )
    found = noticed(aggregates, n_usable=n_mapped - n_unusable, n_repeated=n_repeated)
    return RowCounts(
        n_read,
        n_mapped,
        n_unusable,
        cleaned,
        n_by_status,
        n_displaced,
        aggregates.get("n_undecided", 0),
        frozenset(name for names in aggregates.get("undecided_by") or () for name in names),
        found,
    )


def _undecided(source: Source) -> list[Column]:
    if source.section.where is None:
        return []
    return [
        F.count(UNDECIDED_BY).alias("n_undecided"),
        # As many as there are ways for the few columns of a condition to be null.
        F.collect_set(UNDECIDED_BY).alias("undecided_by"),
    ]


def _effects(source: Source) -> dict[str, Column]:
    return cleaning_effects(source.table, source.section.cleaning, source.section.columns)


def fill_summary(
    summary: TableCounts, counts: RowCounts, *, n_broken_files: int, n_of_copies: int
) -> None:
    """Put into the summary what became of each row, and of each file that is not read."""
    summary.rows_rejected = counts.n_unusable + counts.n_conflicts + n_broken_files
    summary.rows_duplicate = counts.n_by_status.get(DUPLICATE, 0) + n_of_copies
    summary.rows_filtered = counts.n_read - counts.n_mapped
    summary.rows_read = counts.n_read + n_of_copies + n_broken_files
    summary.cleaned = {effect: n for effect, n in counts.cleaned.items() if n}


def log_summary(name: str, summary: TableCounts) -> None:
    """Say what became of the rows of a table's source."""
    figures = (
        summary.rows_read,
        summary.rows_written,
        summary.rows_rejected,
        summary.rows_filtered,
        summary.rows_duplicate,
    )
    text = "%s: %s read = %s accepted + %s rejected + %s filtered + %s duplicate"
    log.info(text, name, *(f"{n:,}" for n in figures))
    if summary.cleaned:
        effects = ", ".join(f"{n:,} {effect}" for effect, n in summary.cleaned.items())
        log.info("%s: cleaned: %s", name, effects)
