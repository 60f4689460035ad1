"""One run on a lake: what it writes and notes, and what earlier runs left that it may rely on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake, Written
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.tables.ops import JOB_RUNS


class LakeRun:
    """One run on a lake: its session, its lake, its summary, and what it may rely on."""

    def __init__(self, spark: SparkSession, lake: Lake, summary: RunSummary) -> None:
        self.spark = spark
        self.lake = lake
        self.summary = summary

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
