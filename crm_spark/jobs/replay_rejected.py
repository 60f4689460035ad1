"""replay_rejected: rows that could not be used are taken back in, after a fix."""

from __future__ import annotations

from datetime import date

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.config import Config
from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.ingest.load import Load, map_rows
from crm_spark.ingest.mapping import ROW_JSON, mapping_faults
from crm_spark.ingest.plan import (
    REPLAY,
    Item,
    Plan,
    ledger_rows,
    mapping_fingerprint,
    unfinished_runs,
)
from crm_spark.ingest.rejections import write_rejections
from crm_spark.ingest.sources import SourceSection
from crm_spark.ingest.versions import CONFLICT, IS_HELD, KEPT, STATUS
from crm_spark.lake.contract import Table
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import SOURCE_TABLES, rejected
from crm_spark.tables.ops import SOURCE_LEDGER

DESCRIPTION = "Take rejected rows back into core under the mapping as it is now."
NEEDS_AS_OF = False

_ROW = "_rejected_row"
_FILE = "_rejected_file"


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Replay the rejected rows of every source that has any; a second run finds none to take.

    The rows accepted before keep the mapping that they came under. Raises ConfigError for a mapping
    that does not fit the rejected rows.
    """
    with job_run(spark, config, "replay_rejected", None) as job:
        for name, source in config.sources.given().items():
            kept = rejected(SOURCE_TABLES[name])
            if job.lake.exists(kept):
                _replay(job, name, source)
        write_rejections(job)
        return job.summary


def _replay(job: Run, name: str, source: SourceSection) -> None:
    table = SOURCE_TABLES[name]
    ledger = ledger_rows(job, name)
    unfinished, is_torn = unfinished_runs(job, name, table, ledger)
    if is_torn or not ledger:
        raise DataError(f"sources.{name} was not loaded to its end: run ingest_sources first")
    finished = {row["run_id"] for row in ledger}
    rows = _open_rows(job, name, finished, _row_schema(ledger))
    _require_fit(job, name, source, rows)
    plan = Plan("append", (Item(REPLAY, job.summary.run_id),), unfinished=unfinished)
    load = Replay(job, name, source, plan, {})
    load.take_back(rows)
    _write_ledger(job, name, source, ledger)


def _row_schema(ledger: list[Row]) -> T.StructType:
    """Give the columns that the source's rows have had; rejected rows are JSON of them."""
    fields: dict[str, T.StructField] = {}
    for text in sorted({row["row_schema"] for row in ledger if row["row_schema"]}):
        schema = T.StructType.fromDDL(text)
        assert isinstance(schema, T.StructType)
        for field in schema.fields:
            fields.setdefault(field.name, field)
    return T.StructType(list(fields.values()))


def _open_rows(job: Run, name: str, finished: set[str], schema: T.StructType) -> DataFrame:
    """Give the rejected rows that no finished replay took back, as the source's columns.

    A line that did not fit its file is text and no JSON: it stays where it is.
    """
    held = job.lake.read(rejected(SOURCE_TABLES[name])).where(F.col("row").isNotNull())
    is_open = F.col("replay_run_id").isNull() | ~F.col("replay_run_id").isin(*finished)
    parsed = F.from_json("row", schema, ROW_JSON)
    return (
        held.where(is_open & F.col("row").startswith("{"))
        .withColumn("_parsed", parsed)
        .where(F.col("_parsed").isNotNull())
        .select("_parsed.*", F.col("row").alias(_ROW), F.col("source_file").alias(_FILE))
    )


def _require_fit(job: Run, name: str, source: SourceSection, rows: DataFrame) -> None:
    time_zone = source.time_zone or job.config.time_zone
    table = SOURCE_TABLES[name]
    faults = mapping_faults(
        rows, source.columns, where=source.where, time_zone=time_zone, table=table
    )
    if faults:
        told = [f"sources.{name}.{fault}" for fault in faults]
        raise ConfigError(listed("the mapping does not fit the rejected rows", told))


class Replay(Load):
    """The rejected rows of one source on their way back into core."""

    def mapped(self, df: DataFrame | None = None, *, keep_row: bool = False) -> DataFrame:
        """Give the rejected rows in our columns, each with the text that it was kept as."""
        assert df is not None
        return map_rows(
            self.job,
            self.name,
            self.source,
            df,
            F.col(_FILE),
            written_at=F.lit(None),
            keep_row=keep_row,
            keep={_ROW: F.col(_ROW)},
        )

    def take_back(self, rows: DataFrame) -> None:
        """Mark what can be used now, then add it to core; the ledger makes both count."""
        kept = rejected(self.table)
        mapped = self.mapped(rows).persist(StorageLevel.DISK_ONLY)
        try:
            with stage(self.job.spark, f"replay rejected {self.name}"):
                made = self._changes(self._accepted(mapped))
                taken = made.resolved.where(~F.col(IS_HELD) & (F.col(STATUS) != CONFLICT))
                n_new = taken.where(F.col(STATUS) == KEPT).count()
                self.job.note(kept, self.job.lake.overwrite(kept, self._marked(kept, taken)))
                if n_new or self.plan.unfinished:
                    self._write_changes(made, n_new, is_addition=False)
                else:
                    self._note_unchanged()
            n_read = mapped.count()
        finally:
            mapped.unpersist()
        counts = self.job.summary.table(self.table.name)
        counts.rows_read, counts.rows_rejected = n_read, n_read - n_new
        log.info(
            "%s: %s of %s rejected rows are taken back",
            self.table.name,
            f"{n_new:,}",
            f"{n_read:,}",
        )

    def _marked(self, kept: Table, taken: DataFrame) -> DataFrame:
        """Give the rejected rows, those taken back with the run that did."""
        rows = taken.select(F.col(_ROW).alias("row"), F.lit(True).alias("_is_taken")).distinct()
        run_id = F.when(F.col("_is_taken"), F.lit(self.job.summary.run_id))
        return (
            self.job.lake.read(kept)
            .join(rows, "row", "left")
            .withColumn("replay_run_id", F.coalesce(run_id, F.col("replay_run_id")))
        )


def _write_ledger(job: Run, name: str, source: SourceSection, ledger: list[Row]) -> None:
    """Note the replay, and the mapping that holds from now on; all in one commit."""
    mapped = mapping_fingerprint(job, source)
    rows = [
        (
            row["source"],
            row["item"],
            row["content"],
            row["n_bytes"],
            row["modified_at"],
            mapped,
            row["row_schema"],
            row["run_id"],
        )
        for row in ledger
    ]
    rows.append((name, REPLAY, job.summary.run_id, None, None, mapped, "", job.summary.run_id))
    frame = job.spark.createDataFrame(rows, SOURCE_LEDGER.schema)
    job.note(SOURCE_LEDGER, job.lake.replace(SOURCE_LEDGER, frame, f"source = '{name}'"))
