"""The load of one source: read, map, clean, resolve versions, write, reject, note."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from crm_spark.ingest.counts import (
    STATUSES,
    RowCounts,
    count_aggregates,
    fill_summary,
    log_summary,
    row_counts,
)
from crm_spark.ingest.delivery import Delivery, require_usable
from crm_spark.ingest.effect import Effect, measure
from crm_spark.ingest.files import is_broken
from crm_spark.ingest.finish import N_REJECTED, finish_load, leave_unchanged
from crm_spark.ingest.mapping import REASONS
from crm_spark.ingest.reading import read_files
from crm_spark.ingest.rejected import (
    N_BROKEN_FILES,
    StoredRejected,
    displaced_rows,
    rejected_rows,
    store_rejected,
)
from crm_spark.ingest.schema import SourceSchema
from crm_spark.ingest.settings import Source
from crm_spark.ingest.source_files import LoadedItem, SourceFiles
from crm_spark.ingest.store import Stored, store_changes, store_unchanged, store_whole
from crm_spark.ingest.targets import rejected_target
from crm_spark.ingest.versions import (
    IS_HELD,
    KEPT,
    STATUS,
    Changes,
    add_content_hashes,
    changes,
    close_versions,
    conflicting,
    resolve,
)
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import OutputRow
from crm_spark.runtime.progress import log, stage


@dataclass(frozen=True)
class Loaded:
    """Both tables of a source after its rows went into them, and what became of each row."""

    stored: Stored
    rejected: StoredRejected
    counts: RowCounts
    schema: SourceSchema = field(default_factory=SourceSchema)


def load_source(delivery: Delivery, files: SourceFiles) -> None:
    """Load what the plan says of one source; it counts from the last step on."""
    run, source, plan = delivery.run, delivery.source, delivery.plan
    if plan.mode == "unchanged":
        leave_unchanged(run, source)
        log.info("%s: nothing new", source.name)
        return
    log.info("%s: %s", source.name, delivery.intent)
    if plan.is_anew:
        loaded = _load_whole(delivery)
    else:
        loaded = _load_increment(delivery) if delivery.has_rows else _load_nothing(delivery)
    n_of_copies = _n_rows_of_copies(delivery)
    finish_load(
        run,
        files,
        source,
        loaded.stored,
        loaded.rejected,
        _loaded_items(delivery, loaded.schema),
        n_rejected=_n_rejected(delivery, loaded.counts),
        added_to=None if plan.is_anew else plan.row,
    )
    counts = run.summary.table(source.table.name)
    fill_summary(
        counts, loaded.counts, n_broken_files=len(delivery.broken), n_of_copies=n_of_copies
    )
    log_summary(source.table.name, counts)


# --- all of a source -----------------------------------------------------------------------------


def _load_whole(delivery: Delivery) -> Loaded:
    """Replace both tables. Counts are taken in passing: a whole source is read once."""
    run, source = delivery.run, delivery.source
    if delivery.broken:
        require_usable(delivery)  # what is left may be nothing
    read, mapped, resolved = Observation(), Observation(), Observation()
    rows = delivery.rows()
    in_columns = delivery.mapped(rows.observe(read, F.count(F.lit(1)).alias("n")))
    usable = _usable(run, in_columns.observe(mapped, *count_aggregates(source)))
    by_status = [F.count_if(F.col(STATUS) == status).alias(status) for status in STATUSES]
    named = resolve(usable, None, source.identity).observe(resolved, *by_status)
    with stage(run.spark, f"read {source.name}"):
        stored = store_whole(run, source.table, _closed(delivery, named))
    n_by_status = {status: resolved.get[status] for status in STATUSES}
    counts = row_counts(source, mapped.get, n_read=read.get["n"], n_by_status=n_by_status)
    parts = []
    if counts.n_rejected:
        winners = add_content_hashes(run.lake.read(source.table), source.table)
        parts = [_rejected_of_delivery(delivery, counts, winners)]
    return _with_rejected(delivery, Loaded(stored, _NONE, counts, SourceSchema.of(rows)), parts)


def _closed(delivery: Delivery, named: DataFrame) -> DataFrame:
    """Give the kept rows, each with when it was superseded, and by a row of which run."""
    kept = named.where(F.col(STATUS) == KEPT)
    if not delivery.source.table.event_time:
        return kept
    closing_run = F.when(F.col("superseded_at").isNotNull(), F.lit(delivery.run.summary.run_id))
    closed = close_versions(kept, delivery.source.identity)
    return closed.withColumn("closing_run_id", closing_run)


# --- what is new ---------------------------------------------------------------------------------


def _load_increment(delivery: Delivery) -> Loaded:
    """Add the new rows, and close those of the table that they correct or delete.

    New rows are few, and may be none: they are kept and counted, not observed in passing.
    """
    run, source, row = delivery.run, delivery.source, delivery.plan.row
    assert row is not None
    rows = delivery.rows()
    with kept_on_disk(delivery.mapped(rows)) as mapped, stage(run.spark, f"read {source.name}"):
        figures = mapped.agg(*count_aggregates(source)).collect()[0].asDict()
        n_read = rows.count() if source.section.where else figures["n_mapped"]
        with resolved_changes(run, source, mapped) as resolved:
            counts = row_counts(
                source,
                figures,
                n_read=n_read,
                n_by_status=resolved.n_by_status,
                n_displaced=resolved.effect.n_displaced,
            )
            stored = store_changes(run, source.table, resolved.changes, resolved.effect, row)
            loaded = Loaded(stored, _NONE, counts, SourceSchema.of(rows))
            return _with_rejected(delivery, loaded, _rejected_parts(delivery, counts, resolved))


def _load_nothing(delivery: Delivery) -> Loaded:
    """Give what stands where nothing of what is new can be read, or all was there before."""
    run, table, row = delivery.run, delivery.source.table, delivery.plan.row
    assert row is not None
    stored = store_unchanged(run, table, row)
    return _with_rejected(delivery, Loaded(stored, _NONE, RowCounts()), [])


@dataclass(frozen=True)
class Resolved:
    """What new rows change of a table, in figures, too; new rows are counted by status."""

    changes: Changes
    effect: Effect
    n_by_status: dict[str, int]


@contextmanager
def resolved_changes(run: LakeRun, source: Source, mapped: DataFrame) -> Iterator[Resolved]:
    """Give what mapped rows change, computed once: a scan of the whole table stands behind it."""
    usable, table = _usable(run, mapped), run.lake.read(source.table)
    neighbours = list(source.identity.neighbours)
    near = table.join(usable.select(*neighbours).distinct(), neighbours, "left_semi")
    made = changes(usable, near, source.identity, run_id=run.summary.run_id)
    with kept_on_disk(made.rows):
        counted = made.rows.where(~F.col(IS_HELD)).groupBy(STATUS).count()
        n_by_status = {row[STATUS]: row["count"] for row in counted.collect()}  # three rows
        yield Resolved(made, measure(made, source.table), n_by_status)


@contextmanager
def kept_on_disk(rows: DataFrame) -> Iterator[DataFrame]:
    """Keep rows that are read several times."""
    rows.persist(StorageLevel.DISK_ONLY)
    try:
        yield rows
    finally:
        rows.unpersist()


def _usable(run: LakeRun, mapped: DataFrame) -> DataFrame:
    return run.stamp(mapped.where(F.size(REASONS) == 0))


# --- what cannot be used -------------------------------------------------------------------------

_NONE = StoredRejected(0, "", 0)


def _rejected_parts(delivery: Delivery, counts: RowCounts, resolved: Resolved) -> list[DataFrame]:
    parts = []
    if counts.n_unusable or counts.n_conflicts:
        parts.append(_rejected_of_delivery(delivery, counts, resolved.changes.standing))
    if counts.n_displaced:
        parts.append(displaced_rows(resolved.changes, delivery.source))
    return parts


def _rejected_of_delivery(delivery: Delivery, counts: RowCounts, winners: DataFrame) -> DataFrame:
    """Read the delivery once more, and give the rows that are rejected as they came."""
    mapped = delivery.mapped(delivery.rows(), keep_row=True)
    if counts.n_conflicts:
        mapped = conflicting(mapped, winners, delivery.source.identity)
    return rejected_rows(mapped)


def _with_rejected(delivery: Delivery, loaded: Loaded, parts: list[DataFrame]) -> Loaded:
    """Write the rejected rows, after the accepted ones."""
    stored = store_rejected(
        delivery.run,
        delivery.source,
        parts,
        n_wanted=loaded.counts.n_rejected + len(delivery.broken),
        broken=delivery.broken,
        row=None if delivery.plan.is_anew else _rejected_row(delivery),
    )
    return replace(loaded, rejected=stored)


def _rejected_row(delivery: Delivery) -> OutputRow | None:
    return delivery.run.state.newest(rejected_target(delivery.source).output)


# --- what is noted -------------------------------------------------------------------------------


def _n_rejected(delivery: Delivery, counts: RowCounts) -> int:
    """Count what stands as rejected of the source after this load."""
    n_now = counts.n_rejected + len(delivery.broken)
    row, row_of_rejected = delivery.plan.row, _rejected_row(delivery)
    if delivery.plan.is_anew or row is None or row_of_rejected is None:
        return n_now
    n_before = int(row.facts.get(N_REJECTED, 0))
    return n_before - int(row_of_rejected.facts.get(N_BROKEN_FILES, 0)) + n_now


def _loaded_items(delivery: Delivery, schema: SourceSchema) -> list[LoadedItem]:
    return [
        LoadedItem(
            item.item,
            item.content,
            item.n_bytes,
            item.modified_at,
            schema,
            "rejected" if is_broken(item.item, delivery.broken) else "loaded",
        )
        for item in delivery.plan.items
    ]


def _n_rows_of_copies(delivery: Delivery) -> int:
    """Count the rows of files whose content had been given before."""
    return sum(
        times * read_files(delivery.run.spark, delivery.source, [uri]).count()
        for uri, times in delivery.plan.copies.items()
        if not is_broken(uri, delivery.broken)
    )
