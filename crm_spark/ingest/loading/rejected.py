"""Rejected rows: kept as they came, with all reasons; none is written twice or lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.ingest.mapping.columns import SOURCE_ROW
from crm_spark.ingest.mapping.reasons import REASONS
from crm_spark.ingest.reading.broken import BrokenFiles
from crm_spark.ingest.settings import Source
from crm_spark.ingest.versions.changes import Changes
from crm_spark.ingest.versions.resolve import add_content_hashes, conflicting
from crm_spark.lake.contract import (
    added_checksums,
    content_checksum,
    subtracted_checksum,
)
from crm_spark.lake.delta import Written
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import OutputRow
from crm_spark.runtime.progress import stage
from crm_spark.tables.core import SOURCE_FILE
from crm_spark.words import counted, verb

# A fact of the table's row: how many of its rows stand for a whole file.
N_BROKEN_FILES = "n_broken_files"


@dataclass(frozen=True)
class StoredRejected:
    """A table of rejected rows after a load: its version and checksum, and its whole files."""

    version: int
    checksum: str
    n_broken_files: int
    is_changed: bool = True

    def as_facts(self) -> Mapping[str, str]:
        """Give what is to be known of it unread."""
        return {N_BROKEN_FILES: str(self.n_broken_files)}


def rejected_rows(mapped: DataFrame) -> DataFrame:
    """Give the rows that have reasons as they are kept in a table of rejected rows."""
    return mapped.where(F.size(REASONS) > 0).select(
        F.col(SOURCE_ROW).alias("row"),
        F.col(REASONS).alias("reasons"),
        SOURCE_FILE,
        F.lit(None).cast("string").alias("replay_run_id"),
    )


def row_cells() -> Column:
    """Give the values of a rejected row as text, by name; null for a line that fits no file."""
    return F.from_json("row", "map<string, string>")


def displaced_rows(changes: Changes, source: Source) -> DataFrame:
    """Give the rows of a table that gave way to a new row, as we knew them."""
    mappable = [column.name for column in source.table.columns if column.mapping]
    as_row = changes.displaced.withColumn(SOURCE_ROW, F.to_json(F.struct(*mappable))).withColumn(
        REASONS, F.array().cast("array<string>")
    )
    winners = add_content_hashes(changes.standing, source.table)
    return rejected_rows(conflicting(as_row, winners, source.identity))


def broken_file_rows(run: LakeRun, broken: BrokenFiles) -> DataFrame:
    """Give a row for each file that could not be read."""
    return run.spark.createDataFrame(
        [(None, [why], file, None) for file, why in broken.items()],
        "row string, reasons array<string>, source_file string, replay_run_id string",
    )


def store_rejected(
    run: LakeRun,
    source: Source,
    parts: list[DataFrame],
    *,
    n_wanted: int,
    broken: BrokenFiles,
    row: OutputRow | None,
) -> StoredRejected:
    """Keep the rows that a load rejected; `row` is what stands of the table, None: it is anew.

    Rows of files that could not be read before are replaced: those are tried again each time.
    Raises DataError where the source no longer has as many rows to reject as at first.
    """
    n_broken_before = int(row.facts.get(N_BROKEN_FILES, 0)) if row else 0
    if row is not None and not n_wanted and not n_broken_before:
        run.note_unchanged(source.rejected, row)
        return StoredRejected(row.version or 0, row.checksum or "", 0, is_changed=False)
    if row is None and not n_wanted:
        written = run.note(source.rejected, run.lake.overwrite_with_none(source.rejected))
        return StoredRejected(written.version, written.content_checksum, 0)
    frames = [*parts, broken_file_rows(run, broken)] if broken else parts
    rows = run.stamp(reduce(DataFrame.unionByName, frames))
    with stage(run.spark, f"keep rejected {source.name}"):
        written, checksum = _write(run, source, rows, row, n_broken_before)
    run.note(source.rejected, Written(written.rows, written.version, checksum))
    if written.rows != n_wanted:
        raise DataError(
            f"source {source.description} changed while it was read: {counted(n_wanted, 'row')} "
            f"{verb(n_wanted, 'was', 'were')} rejected at first, {written.rows} at the second "
            "reading; run again"
        )
    return StoredRejected(written.version, checksum, len(broken))


def _write(
    run: LakeRun, source: Source, rows: DataFrame, row: OutputRow | None, n_broken_before: int
) -> tuple[Written, str]:
    """Write the rows, and give the checksum of the whole table as well."""
    lake, table = run.lake, source.rejected
    if row is None or row.checksum is None:
        written = lake.overwrite(table, rows)
        return written, written.content_checksum
    if not n_broken_before:
        written = lake.append(table, rows)
        return written, added_checksums(row.checksum, written.content_checksum)
    outdated = content_checksum(lake.read(table).where("row IS NULL"), table)
    left = subtracted_checksum(row.checksum, outdated)
    where = f"row IS NULL OR run_id = '{run.summary.run_id}'"
    written = lake.replace(table, rows, where)
    return written, added_checksums(left, written.content_checksum)
