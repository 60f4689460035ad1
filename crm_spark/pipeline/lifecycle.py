"""What every job does around its work: lock, lake, summary, cost, its row of ops.job_runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import crm_spark
from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake, Written
from crm_spark.lake.lock import lake_lock
from crm_spark.runtime.progress import log, redact
from crm_spark.runtime.run import RunSummary, TableCounts
from crm_spark.runtime.session import CostMeter
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.tables.ops import JOB_RUNS

# Set by run_pipeline, so that the rows of its jobs name it.
current_pipeline: ContextVar[str | None] = ContextVar("current_pipeline", default=None)


class Run:
    """One job at work: its lake, its summary, and what it may rely on."""

    def __init__(self, spark: SparkSession, config: Config, summary: RunSummary) -> None:
        self.spark = spark
        self.config = config
        self.summary = summary
        self.lake = Lake(spark, config.storage, summary.run_id)

    def stamp(self, df: DataFrame) -> DataFrame:
        """Add run_id."""
        return df.withColumn("run_id", F.lit(self.summary.run_id))

    def note(self, table: Table, written: Written) -> Written:
        """Put a write into the summary."""
        counts = self.summary.table(table.name)
        counts.rows_written = written.rows
        counts.version = written.version
        counts.content_checksum = written.content_checksum
        return written

    def replace_dates(self, table: Table, df: DataFrame, dates: Sequence[date]) -> Written:
        """Replace the rows of these as-of dates, stamped with the run, and note it."""
        return self.note(table, self.lake.replace_dates(table, self.stamp(df), dates))

    def require_current(self, table: Table, job: str) -> str:
        """Give the content checksum of a whole table, as the last succeeded run of `job` left it.

        Raises DataError where the table's newest version is not the one that run left.
        """
        version = self.lake.version(table) if self.lake.exists(table) else None
        if version is None:
            raise DataError(f"{table.name} does not exist in {self.lake.root}: run {job} first")
        left = self.left_by(table)
        found = left.version if left else None
        if left is None or found != version:
            raise DataError(
                f"{table.name} is at version {version}, but the last succeeded run of {job} left "
                f"version {found}: {job} was cut off; run it again first"
            )
        return left.content_checksum

    def left_by(self, table: Table) -> Written | None:
        """Give what the last succeeded run that wrote a table left of it; None: there was none."""
        return self._left.get(table.name)

    @cached_property
    def _left(self) -> dict[str, Written]:
        """What succeeded runs left, by table; under the lake's lock no other run adds to it."""
        if not self.lake.exists(JOB_RUNS):
            return {}
        rows = (
            self.lake.read(JOB_RUNS)
            .where(F.col("status") == "succeeded")
            .select("started_at", F.explode("tables").alias("left"))
            .where(F.col("left.version").isNotNull())
            .groupBy("left.name")
            .agg(F.max_by("left", F.struct("started_at", "left.version")).alias("left"))
            .collect()  # a row a table
        )
        newest = [row["left"] for row in rows]
        return {
            held["name"]: Written(held["rows_written"], held["version"], held["content_checksum"])
            for held in newest
        }

    def version_left(self, table: Table) -> int | None:
        """Give the version of a table that the last succeeded run left."""
        left = self.left_by(table)
        return left.version if left else None

    def require_dates(self, table: Table, job: str, dates: Sequence[date]) -> None:
        """Refuse dates of a table that no succeeded run of `job` stands for."""
        wanted = sorted(set(dates))
        finished: set[date] = set()
        if self.lake.exists(table):
            written = (
                self.lake.read(table)
                .where(F.col("as_of_date").isin(wanted))
                .select("as_of_date", "run_id")
                .distinct()
            )
            succeeded = self.succeeded_runs(job).select("run_id")
            finished = {row["as_of_date"] for row in written.join(succeeded, "run_id").collect()}
        lacking = [day.isoformat() for day in wanted if day not in finished]
        if lacking:
            raise DataError(
                f"{table.name} has no finished snapshot of {', '.join(lacking)}: run {job} first"
            )

    def succeeded_runs(self, job: str) -> DataFrame:
        """Give the succeeded rows of ops.job_runs of one job."""
        if not self.lake.exists(JOB_RUNS):
            raise DataError(f"nothing has run on {self.lake.root} yet: run {job} first")
        runs = self.lake.read(JOB_RUNS)
        return runs.where((F.col("job") == job) & (F.col("status") == "succeeded"))

    def order_dates(self) -> tuple[date, date]:
        """Give the local dates of the first and the newest order. Raises DataError without any."""
        bought = self.lake.read(TRANSACTIONS).where(~F.col("is_return"))
        dates = bought.agg(F.min("ordered_at").alias("first"), F.max("ordered_at").alias("newest"))
        row = dates.select(F.to_date("first").alias("first"), F.to_date("newest").alias("newest"))
        first, newest = row.collect()[0]
        if first is None:
            raise DataError(f"{TRANSACTIONS.name} holds no order")
        return first, newest

    def day(self) -> date:
        """Give the as-of date, by default the day after the newest order, and note it.

        Raises DataError for a date before which there is no order.
        """
        given = self.summary.as_of
        first, newest = self.order_dates()
        day = given or newest + timedelta(days=1)
        if day <= first:
            raise DataError(
                f"as_of {day} is before any data: the first order is of {first}, the newest of "
                f"{newest}"
            )
        if given is None:
            log.info("as of %s, the day after the newest order", day)
        elif day > newest + timedelta(days=1):
            log.warning(
                "the newest order is of %s: the days from then to %s look silent", newest, day
            )
        self.summary.as_of = day
        return day


@contextmanager
def job_run(spark: SparkSession, config: Config, job: str, as_of: date | None) -> Iterator[Run]:
    """Run a job's work under the lake's lock and leave its row in ops.job_runs, last of all.

    An error passes on with the failed summary attached as `summary`.
    """
    summary = RunSummary(job=job, as_of=as_of, pipeline_run_id=current_pipeline.get())
    run = Run(spark, config, summary)
    try:
        with lake_lock(run.lake.root, job=job):
            meter = CostMeter(spark)
            log.info("%s%s", job, f" as of {as_of}" if as_of else "")
            try:
                yield run
            except BaseException as error:
                summary.cost = meter.read()
                summary.finish("failed", redact(str(error) or type(error).__name__))
                _record_failure(run.lake, config, summary)
                raise
            summary.cost = meter.read()
            summary.finish("succeeded")
            record_run(run.lake, config, summary)
            log.info("%s succeeded in %.1f s", job, summary.seconds)
    except BaseException as error:
        if summary.status == "running":
            summary.finish("failed", redact(str(error) or type(error).__name__))
        error.summary = summary  # type: ignore[attr-defined]
        raise


def record_run(lake: Lake, config: Config, summary: RunSummary) -> None:
    """Append the ended run to ops.job_runs."""
    row = {
        "run_id": summary.run_id,
        "pipeline_run_id": summary.pipeline_run_id,
        "job": summary.job,
        "status": summary.status,
        "as_of_date": summary.as_of,
        "config_fingerprint": config.fingerprint(),
        "started_at": summary.started_at,
        "seconds": summary.seconds,
        "rows_per_second": summary.rows_per_second,
        **asdict(summary.cost),
        "tables": [_counts_row(name, counts) for name, counts in summary.tables.items()],
        "models": [{"name": name, "version": held} for name, held in summary.models.items()],
        "error": summary.error,
        "package_version": crm_spark.__version__,
    }
    lake.append(JOB_RUNS, lake.spark.createDataFrame([row], JOB_RUNS.schema))


def _counts_row(name: str, counts: TableCounts) -> dict[str, Any]:
    cleaned = [{"effect": effect, "n_rows": n} for effect, n in sorted(counts.cleaned.items())]
    return {**asdict(counts), "name": name, "cleaned": cleaned}


def _record_failure(lake: Lake, config: Config, summary: RunSummary) -> None:
    """Leave a failed row where that is possible; the error at hand matters more than the row."""
    try:
        record_run(lake, config, summary)
    except Exception as error:  # noqa: BLE001 - storage may be what failed
        log.warning("the failed run could not be recorded in ops.job_runs: %s", error)
