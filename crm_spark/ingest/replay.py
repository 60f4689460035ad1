"""Replay: rejected rows that can be used now are taken back into core, once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.ingest.loading.delivery import exchange_rates
from crm_spark.ingest.loading.finish import N_REJECTED, finish_load
from crm_spark.ingest.loading.increment import kept_displaced, resolved_changes
from crm_spark.ingest.loading.noticed import Noticed
from crm_spark.ingest.loading.rejected import N_BROKEN_FILES, StoredRejected
from crm_spark.ingest.loading.store import store_changes
from crm_spark.ingest.mapping.columns import ROW_JSON
from crm_spark.ingest.mapping.rows import Origin, map_rows
from crm_spark.ingest.mapping.where import IS_WANTED
from crm_spark.ingest.planning.fit import fit_files
from crm_spark.ingest.planning.source_files import LoadedItem, SourceFiles
from crm_spark.ingest.reading.broken import comparable
from crm_spark.ingest.reading.schema import SourceSchema, ddl_of, parsed
from crm_spark.ingest.reading.shapes import with_nulls
from crm_spark.ingest.rejections import write_rejections
from crm_spark.ingest.settings import IngestSettings, Source, has_own_id
from crm_spark.ingest.targets import rejected_target, source_target
from crm_spark.ingest.versions.resolve import CONFLICT, IS_STORED, KEPT, STATUS
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import OutputRow
from crm_spark.runtime.keeping import kept_on_disk
from crm_spark.runtime.progress import log, stage
from crm_spark.words import are, counted

_ROW = "_rejected_row"
_FILE = "_rejected_file"


def replay_rejected(run: LakeRun, settings: IngestSettings) -> None:
    """Replay the rejected rows of every source that has any; a second run finds none to take.

    The rows accepted before keep the mapping that they came under. Raises ConfigError for a mapping
    that does not fit the rejected rows.
    """
    files = SourceFiles(run)
    for source in settings.given():
        if run.state.newest(rejected_target(source).output) is not None:
            _replay(run, files, source)
    write_rejections(run)


def _replay(run: LakeRun, files: SourceFiles, source: Source) -> None:
    run.settle(source.table, source.rejected)
    loaded = files.loaded(source)
    row, row_of_rejected = _require_loaded(run, source, loaded)
    mapped = _mapped(run, source, _fitting(source, _open_rows(run, source, loaded)))
    with (
        kept_on_disk(mapped),
        stage(run.spark, f"replay rejected {source.name}"),
        resolved_changes(run, source, mapped) as resolved,
    ):
        displaced = kept_displaced(source, resolved)
        stored = store_changes(run, source.table, resolved.changes, resolved.effect, row)
        new = resolved.changes.rows.where(~F.col(IS_STORED))
        taken = new.where(F.col(STATUS) != CONFLICT)
        n_taken = sum(n for status, n in resolved.n_by_status.items() if status != CONFLICT)
        marked = _marked(run, source, taken)
        for rows in displaced:
            marked = marked.unionByName(run.stamp(rows))
        n_read, n_new = mapped.count(), resolved.n_by_status.get(KEPT, 0)
        # Last: Spark reads anew what it keeps of a table that was written since.
        stored_rejected = _store_marked(run, source, marked, row_of_rejected)
    n_rejected = int(row.facts.get(N_REJECTED, 0)) - n_taken + resolved.effect.n_displaced
    finish_load(
        run,
        files,
        source,
        stored,
        stored_rejected,
        [],
        n_rejected=n_rejected,
        added_to=row,
        currencies=Noticed().with_currencies_of(row.facts),
    )
    counts = run.summary.table(source.table.name)
    counts.rows_read, counts.rows_rejected = n_read, n_read - n_new
    of_all = f"{n_new:,} of {counted(n_read, 'rejected row')} {are(n_new)} taken back"
    log.info("%s: %s", source.table.name, of_all)


def _require_loaded(
    run: LakeRun, source: Source, loaded: Sequence[LoadedItem]
) -> tuple[OutputRow, OutputRow]:
    """Give the rows of both tables. Raises DataError where the source was not loaded to its end.

    Lines in another currency than those that are there cannot be added to them.
    """
    targets = (source_target(source), rejected_target(source))
    rows = [run.state.newest(target.output) for target in targets]
    is_whole = all(run.state.is_whole(target.output) for target in targets)
    if rows[0] is None or rows[1] is None or not is_whole or not loaded:
        raise DataError(
            f"sources.{source.name} was not loaded to its end: run ingest_sources first"
        )
    is_of_old = rows[0].generation != targets[0].generation
    before = json.loads(rows[0].settings).get("columns", {})
    if is_of_old or has_own_id(source.table, before) != source.identity.has_id:
        raise DataError(
            f"sources.{source.name}: its rows are named otherwise than those that are there: run "
            "ingest_sources first"
        )
    if rows[0].inputs != run.state.input_versions(targets[0]):
        raise DataError(f"sources.{source.name}: exchange rates changed: run ingest_sources first")
    return rows[0], rows[1]


def _open_rows(
    run: LakeRun, source: Source, loaded: Sequence[LoadedItem]
) -> dict[tuple[str, ...], DataFrame]:
    """Give the rejected rows that no replay took back, by their files, in these files' own columns.

    A line that did not fit its file is text and no JSON: it stays where it is. Rows of files of
    which no columns are noted have those of all others.
    """
    kept = run.lake.read(source.rejected).where("row IS NOT NULL AND replay_run_id IS NULL")
    kept = kept.where(F.col("row").startswith("{"))
    schemas = {item.item: item.schema.ddl for item in loaded if item.schema.ddl}
    together = ddl_of(SourceSchema.union(item.schema for item in loaded))
    files: dict[str, list[str]] = {}
    for row in kept.select("source_file").distinct().collect():  # a row a file
        ddl = schemas.get(comparable(row["source_file"]), together)
        files.setdefault(ddl, []).append(row["source_file"])
    if not files:
        return {(): _parsed(kept, together)}
    return {
        tuple(names): _parsed(kept.where(F.col("source_file").isin(names)), ddl)
        for ddl, names in files.items()
    }


def _parsed(kept: DataFrame, ddl: str) -> DataFrame:
    return (
        kept.withColumn("_parsed", F.from_json("row", parsed(ddl), ROW_JSON))
        .where(F.col("_parsed").isNotNull())
        .select("_parsed.*", F.col("row").alias(_ROW), F.col("source_file").alias(_FILE))
    )


def _fitting(source: Source, rows: dict[tuple[str, ...], DataFrame]) -> list[DataFrame]:
    """Give the rows that the mapping fits, with the columns that they lack as nulls.

    Raises ConfigError where it fits none of them.
    """
    section = source.section.model_copy(update={"watermark": None})
    fit = fit_files(replace(source, section=section), rows, ())
    if fit.faults:
        named = [f"sources.{source.name}.{fault}" for fault in fit.faults]
        raise ConfigError(listed("the mapping does not fit the rejected rows", named))
    for file, why in fit.rejected.items():
        log.warning("rows of %s stay rejected: %s", file, why)
    return [
        with_nulls(frame, *(both.get(next(iter(files), "")) for both in (fit.absent, fit.reshaped)))
        for files, frame in rows.items()
        if not set(files) & set(fit.rejected)
    ]


def _mapped(run: LakeRun, source: Source, frames: Sequence[DataFrame]) -> DataFrame:
    rates = exchange_rates(run, source)
    origin, keep = Origin(F.col(_FILE), F.lit(None)), {_ROW: F.col(_ROW)}
    mapped = [map_rows(rows, source, origin, rates=rates, keep=keep) for rows in frames]
    return reduce(DataFrame.unionByName, mapped).where(IS_WANTED)


def _marked(run: LakeRun, source: Source, taken: DataFrame) -> DataFrame:
    """Give the rejected rows, those taken back with the run that did."""
    is_taken = taken.select(F.col(_ROW).alias("row"), F.lit(True).alias("_is_taken")).distinct()
    run_id = F.when(F.col("_is_taken"), F.lit(run.summary.run_id))
    return (
        run.lake.read(source.rejected)
        .join(is_taken, "row", "left")
        .withColumn("replay_run_id", F.coalesce(run_id, F.col("replay_run_id")))
        .drop("_is_taken")
    )


def _store_marked(
    run: LakeRun, source: Source, marked: DataFrame, row: OutputRow
) -> StoredRejected:
    written = run.note(source.rejected, run.lake.overwrite(source.rejected, marked))
    n_broken_files = int(row.facts.get(N_BROKEN_FILES, 0))
    return StoredRejected(written.version, written.content_checksum, n_broken_files)
