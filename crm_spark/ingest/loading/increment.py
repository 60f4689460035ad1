"""What is new of a source: read, map, clean, resolve versions, write, reject.

New rows are few, and may be none: they are kept and counted, not observed in passing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.ingest.loading.counts import RowCounts, count_aggregates, row_counts
from crm_spark.ingest.loading.delivery import Delivery, usable_rows
from crm_spark.ingest.loading.loaded import Loaded, rejected_of_delivery, with_rejected
from crm_spark.ingest.loading.rejected import displaced_rows
from crm_spark.ingest.loading.store import store_changes, store_unchanged
from crm_spark.ingest.settings import Source
from crm_spark.ingest.versions.changes import Changes, changes
from crm_spark.ingest.versions.effect import Effect, measure
from crm_spark.ingest.versions.resolve import IS_REPEATED, IS_STORED, STATUS
from crm_spark.lake.run import LakeRun
from crm_spark.runtime.keeping import kept_on_disk
from crm_spark.runtime.progress import stage


def load_increment(delivery: Delivery) -> Loaded:
    """Add the new rows, and close those of the table that they correct or delete."""
    run, source, row = delivery.run, delivery.source, delivery.plan.row
    assert row is not None
    if not delivery.has_rows:  # nothing new can be read, or all was there under another name
        stored = store_unchanged(run, source.table, row)
        return with_rejected(delivery, stored, RowCounts(), [])
    with kept_on_disk(delivery.mapped()) as mapped, stage(run.spark, f"read {source.name}"):
        figures = mapped.agg(*count_aggregates(source)).collect()[0].asDict()
        with resolved_changes(run, source, mapped) as resolved:
            counts = row_counts(
                source,
                figures,
                n_by_status=resolved.n_by_status,
                n_displaced=resolved.effect.n_displaced,
                n_repeated=resolved.n_repeated,
            )
            displaced = kept_displaced(source, resolved)
            stored = store_changes(run, source.table, resolved.changes, resolved.effect, row)
            parts = _rejected_parts(delivery, counts, resolved) + displaced
            return with_rejected(delivery, stored, counts, parts)


@dataclass(frozen=True)
class Resolved:
    """What new rows change of a table, in figures, too; new rows are counted by status."""

    changes: Changes
    effect: Effect
    n_by_status: dict[str, int]
    n_repeated: int


@contextmanager
def resolved_changes(run: LakeRun, source: Source, mapped: DataFrame) -> Iterator[Resolved]:
    """Give what mapped rows change, computed once: a scan of the whole table stands behind it."""
    usable, table = usable_rows(run, mapped), run.lake.read(source.table)
    neighbours = list(source.identity.neighbours)
    near = table.join(usable.select(*neighbours).distinct(), neighbours, "left_semi")
    made = changes(usable, near, source.identity, run_id=run.summary.run_id)
    with kept_on_disk(made.rows):
        new = made.rows.where(~F.col(IS_STORED)).groupBy(STATUS)
        counts = (F.count(F.lit(1)).alias("n"), F.count_if(IS_REPEATED).alias("n_repeated"))
        counted = new.agg(*counts).collect()  # three rows
        n_by_status = {row[STATUS]: row["n"] for row in counted}
        n_repeated = sum(row["n_repeated"] for row in counted)
        yield Resolved(made, measure(made, source.table), n_by_status, n_repeated)


def _rejected_parts(delivery: Delivery, counts: RowCounts, resolved: Resolved) -> list[DataFrame]:
    parts = []
    if counts.n_unusable or counts.n_conflicts:
        parts.append(rejected_of_delivery(delivery, counts, resolved.changes.standing))
    return parts


def kept_displaced(source: Source, resolved: Resolved) -> list[DataFrame]:
    """Give the rows of the table that gave way to new ones, read before the table is written.

    What is only persisted Spark reads anew once the table has changed: they are no more there then.
    """
    if not resolved.effect.n_displaced:
        return []
    return [displaced_rows(resolved.changes, source).localCheckpoint()]
