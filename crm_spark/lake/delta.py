"""The lake: the Delta tables below one root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from delta.exceptions import DeltaConcurrentModificationException
from delta.tables import DeltaMergeBuilder, DeltaTable
from pyarrow.compute import Expression
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.lake.commits import Commit
from crm_spark.lake.contract import (
    CHECKSUM_FIELDS,
    NO_ROWS,
    Table,
    added_aggregates,
    checksum_aggregates,
    dated_checksum_aggregates,
    dated_checksums,
    format_checksum,
)
from crm_spark.lake.driver_rows import arrow_schema, frame_of
from crm_spark.lake.guard import Guard, busy, busy_on_conflict, is_guarded
from crm_spark.lake.lock import is_alone_on, local_path
from crm_spark.lake.maintenance import Maintained, maintain_files
from crm_spark.lake.making import build_table, properties_of, register_table, require_version
from crm_spark.lake.small_tables import NotReadableError, SmallTable
from crm_spark.lake.storage import StorageSection
from crm_spark.runtime.observed import ObservedCounts
from crm_spark.runtime.progress import log

# Tables of at most so much are read by their log. More files Spark would look up by a job.
SMALL_FILES, SMALL_BYTES = 32, 64 * 2**20
# So many appends of rows leave as many small files, all of which `rows` reads.
APPENDS_BETWEEN_COMPACTIONS = 100


@dataclass(frozen=True)
class Written:
    """What one write left behind; `measured` by name, what else was asked of its rows.

    `by_date` are the checksums of the as-of dates that it replaced, where they are known unread.
    """

    rows: int
    version: int
    content_checksum: str
    measured: Mapping[str, Any] = field(default_factory=dict)
    by_date: Mapping[date, str] = field(default_factory=dict)


def _writer(rows: DataFrame, mode: str, replace_where: str | None) -> DataFrameWriter:
    writer = rows.write.mode(mode)
    return writer.option("replaceWhere", replace_where) if replace_where else writer


def _date_literals(dates: Sequence[date]) -> str:
    return ", ".join(f"DATE'{day.isoformat()}'" for day in sorted(set(dates)))


class Lake:
    """The Delta tables below one root; every write is one atomic commit.

    What a run has read is what it replaces: a write raises BusyError, and changes nothing, where
    another run has written the table since this one first looked at it. The tables of ops are
    exempt: they are logs that all jobs add to, and what a run adds rests on no row of them.
    """

    def __init__(self, spark: SparkSession, storage: StorageSection, run_id: str) -> None:
        self.spark = spark
        self._storage = storage
        self._stored: dict[str, SmallTable] = {}
        self._known_versions: set[str] = set()
        self._written: set[str] = set()
        self._guard = Guard(spark, run_id, self.path)

    @property
    def root(self) -> str:
        """The path that all tables lie below; a local one is made absolute."""
        local = local_path(self._storage.root)
        return str(local) if local else self._storage.root.rstrip("/")

    def path(self, table: Table) -> str:
        """Give the path of a table: root/layer/table."""
        return f"{self.root}/{table.name.replace('.', '/')}"

    def exists(self, table: Table) -> bool:
        """Tell whether the table has been written; one that was only made holds nothing yet."""
        if table.name not in self._written and self._guard.commits(table).has_write():
            self._written.add(table.name)
        return table.name in self._written

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """Give the rows of a table, now or at an earlier version.

        A column that the contract has and the table lacks, since it is newer, is null.
        Raises DataError where it does not exist or was made by another version of crm_spark.
        """
        if not self.exists(table):
            raise DataError(f"table {table.name} does not exist in {self.root}")
        rows = self._read_small(table) if version is None else None
        if rows is None:
            self._require_version(table)
            reader = self.spark.read.format("delta")
            if version is not None:
                reader = reader.option("versionAsOf", version)
            rows = reader.load(self.path(table))
        present = set(rows.columns)
        added = [
            F.lit(None).cast(column.type).alias(column.name)
            for column in table.columns
            if column.name not in present
        ]
        return rows.select("*", *added) if added else rows

    def _read_small(self, table: Table) -> DataFrame | None:
        """Give the rows of a small table on this machine by its log, with no Spark job to read it.

        None for other tables, and where only Delta can read it. Files elsewhere would be looked up
        one after another.
        """
        if local_path(self._storage.root) is None:
            return None
        newest = self._guard.commits(table).summary()
        if newest is None or newest.n_files > SMALL_FILES or newest.n_bytes > SMALL_BYTES:
            return None
        try:
            return self._small_table(table, newest.version).frame()
        except NotReadableError as reason:
            log.debug("%s is read by Delta: %s", table.name, reason)
            return None

    def _small_table(self, table: Table, newest: int) -> SmallTable:
        """Give a table as its log has it, which is read once for each newest version."""
        stored = self._stored.get(table.name)
        if stored is None or stored.version != newest:
            stored = SmallTable.at(self.spark, self.path(table))
            self._take_version(table, stored.properties)
            self._stored[table.name] = stored
        return stored

    def read_date(self, table: Table, as_of: date) -> DataFrame:
        """Give the rows of one as-of date."""
        return self.read(table).where(F.col("as_of_date") == F.lit(as_of))

    def rows(self, table: Table, where: Expression | None = None) -> list[dict[str, Any]]:
        """Give rows of a table of ops as the driver has them, moments in UTC; none without a table.

        Raises DataError where it was made by another version of crm_spark, ValueError for a table
        of another layer, which may grow with customers.
        """
        if is_guarded(table):
            raise ValueError(f"{table.name} is not read by the driver: it may be large")
        if not self.exists(table):
            return []
        schema = arrow_schema(table)
        try:
            newest = self._guard.commits(table).versions()[0]
            found = self._small_table(table, newest).rows(schema)
        except NotReadableError as reason:
            log.debug("%s is read by Spark: %s", table.name, reason)
            found = self.read(table).select(schema.names).toArrow().cast(schema)
        return (found if where is None else found.filter(where)).to_pylist()

    def version(self, table: Table) -> int:
        """Give the newest version of a table that changed its rows."""
        newest = self._guard.commits(table).newest_write()
        if newest is None:
            raise DataError(f"the history of {table.name} in {self.root} holds no write")
        return newest.version

    def commits_since(self, table: Table, version: int) -> list[Commit] | None:
        """Give the commits after a version that changed rows, the newest first.

        None where the log does not reach back that far any more.
        """
        return self._guard.commits(table).writes_since(version)

    def overwrite(self, table: Table, df: DataFrame, *, measures: Sequence[Column] = ()) -> Written:
        """Replace all rows of a table.

        `measures` are further aggregates of the rows, to be taken in passing: such as are the same
        however often a row counts, least and greatest values.
        """
        return self._write(table, df, mode="overwrite", measures=measures)

    def overwrite_with_none(self, table: Table) -> Written:
        """Leave a table without rows. Where no run has made it, its making is the write."""
        if self._guard.commits(table).versions():
            return self.overwrite(table, self.spark.createDataFrame([], table.schema))
        base = self._guard.base(table)
        with self._guard.session_options(table, base, ()):
            self._build(table, is_write=True)
        commit = self._guard.own_commit(table, base)
        if commit is None:
            raise busy(table)
        self._written.add(table.name)
        return Written(0, commit.version, NO_ROWS)

    def replace(self, table: Table, df: DataFrame, where: str) -> Written:
        """Replace the rows for which `where` holds; all rows of `df` must satisfy it."""
        return self._write(table, df, mode="overwrite", replace_where=where)

    def replace_dates(self, table: Table, df: DataFrame, dates: Sequence[date]) -> Written:
        """Replace the rows of these as-of dates; no other date is touched."""
        where = f"as_of_date IN ({_date_literals(dates)})"
        return self._write(table, df, mode="overwrite", replace_where=where, dates=dates)

    def append(self, table: Table, df: DataFrame) -> Written:
        """Add rows."""
        return self._write(table, df, mode="append")

    def append_rows(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> Written:
        """Add rows that the driver has to a table of ops; what a row lacks is null.

        They are few, and no later run asks whether they are the same: they have no checksum. Now
        and then the small files are put together.
        """
        self._create(table)
        base = self._guard.base(table)
        frame = frame_of(self.spark, table, rows)
        self._save(table, frame.write.mode("append"), base)
        self._written.add(table.name)
        commit = self._guard.own_commit(table, base)
        version = commit.version if commit else self.version(table)
        if version % APPENDS_BETWEEN_COMPACTIONS == 0:
            self.compact(table)
        return Written(len(rows), version, "")

    def merge(
        self,
        table: Table,
        written: DataFrame,
        removed: DataFrame,
        *,
        unless_same: Sequence[str] = (),
        dates: Sequence[date] = (),
    ) -> Written:
        """Write rows by the table's key, and take those with the keys of `removed` out.

        A row whose columns `unless_same` are all as they were stays as it is. The checksum is of
        all rows given, the number of those that were written. `dates` are the as-of dates that the
        commit names. Where Spark had to repeat a task, both are counted again afterwards: the
        checksum is that of the rows given only where they do not rest on the table itself.
        """
        self._require_version(table)
        counts = ObservedCounts(table.conform(written), *checksum_aggregates(table.content_columns))
        source = counts.rows.withColumn("_is_removed", F.lit(False)).unionByName(
            removed.select(*table.key).withColumn("_is_removed", F.lit(True)),
            allowMissingColumns=True,
        )
        base = self._guard.base(table)
        with self._guard.session_options(table, base, dates):
            self._merge_of(table, source, unless_same).execute()
        commit = self._guard.own_commit(table, base)
        version = commit.version if commit else self.version(table)
        if commit and counts.may_count_twice():
            n_rows = self.read(table, version).exceptAll(self.read(table, version - 1)).count()
        else:
            metrics = commit.metrics if commit else {}
            written_as = ("numTargetRowsInserted", "numTargetRowsUpdated")
            n_rows = sum(int(metrics.get(name, 0)) for name in written_as)
        return Written(n_rows, version, format_checksum(counts.exact()))

    def _merge_of(
        self, table: Table, source: DataFrame, unless_same: Sequence[str]
    ) -> DeltaMergeBuilder:
        target = DeltaTable.forPath(self.spark, self.path(table))
        present = set(target.toDF().columns)
        same_key = " AND ".join(f"target.{name} <=> source.{name}" for name in table.key)
        differs = [
            f"NOT ({f'target.{name}' if name in present else 'NULL'} <=> source.{name})"
            for name in unless_same
        ]
        values: dict[str, str | Column] = {
            column.name: f"source.{column.name}" for column in table.columns
        }
        merge = target.alias("target").merge(source.alias("source"), same_key)
        if not present.issuperset(values):
            merge = merge.withSchemaEvolution()
        return (
            merge.whenMatchedDelete("source._is_removed")
            .whenMatchedUpdate(condition=" OR ".join(differs) or None, set=values)
            .whenNotMatchedInsert("NOT source._is_removed", values=values)
        )

    def dates(self, table: Table) -> list[date]:
        """Give the as-of dates that a table holds, the newest first."""
        found = self.read(table).select("as_of_date").distinct().collect()  # a row a date
        return sorted((row["as_of_date"] for row in found), reverse=True)

    def delete_dates(self, table: Table, dates: Sequence[date]) -> None:
        """Delete whole as-of dates; their files stay until a vacuum, for those who read them."""
        base = self._guard.base(table)
        with self._guard.session_options(table, base, dates):
            DeltaTable.forPath(self.spark, self.path(table)).delete(
                f"as_of_date IN ({_date_literals(dates)})"
            )
        self._guard.own_commit(table, base)

    def versions(self, table: Table) -> list[int]:
        """Give the versions that the table's log still has, the newest first."""
        return self._guard.commits(table).versions()

    def compact(self, table: Table) -> None:
        """Put small files together; no row changes."""
        DeltaTable.forPath(self.spark, self.path(table)).optimize().executeCompaction()

    def restore(self, table: Table, version: int) -> int:
        """Bring a table back to an earlier version, in a commit of this run; give its version.

        Raises whatever Delta raises where files of that version are gone.
        """
        base = self._guard.base(table)
        with self._guard.session_options(table, base, ()):
            DeltaTable.forPath(self.spark, self.path(table)).restoreToVersion(version)
        commit = self._guard.own_commit(table, base)
        return commit.version if commit else self.version(table)

    def checksums_by_date(
        self, table: Table, dates: Sequence[date] | None = None
    ) -> dict[date, str]:
        """Give the content checksum of each of these as-of dates, or of all that have rows."""
        rows = self.read(table)
        if dates is not None:
            rows = rows.where(F.col("as_of_date").isin(list(dates)))
        grouped = rows.groupBy("as_of_date").agg(*checksum_aggregates(table.content_columns))
        found = {row["as_of_date"]: format_checksum(row.asDict()) for row in grouped.collect()}
        return dict.fromkeys(dates or (), NO_ROWS) | found

    def maintain(self, table: Table) -> Maintained:
        """Set the retention, put small files together, and remove those that it no longer keeps."""
        return maintain_files(self.spark, self.path(table), self._storage)

    def _write(
        self,
        table: Table,
        df: DataFrame,
        *,
        mode: str,
        replace_where: str | None = None,
        dates: Sequence[date] = (),
        measures: Sequence[Column] = (),
    ) -> Written:
        rows = table.conform(df)
        self._create(table)
        base = self._guard.base(table)
        if mode == "overwrite" and is_guarded(table) and base < 0:
            # There is nothing to replace yet, and Delta would look for it.
            mode, replace_where = "append", None
        columns = table.content_columns
        of_dates = dated_checksum_aggregates(columns, dates) if len(dates) > 1 else []
        counts = ObservedCounts(rows, *checksum_aggregates(columns), *of_dates, *measures)
        is_alone = is_alone_on(self.root)
        self._save(table, _writer(counts.rows, mode, replace_where), base, dates, is_alone=is_alone)
        commit = self._guard.own_commit(table, base)
        if commit is None and is_alone and is_guarded(table):
            # No row to write and none to replace: Delta commits that only with its number.
            none = self.spark.createDataFrame([], table.schema)
            self._save(table, _writer(none, mode, replace_where), base, dates)
            commit = self._guard.own_commit(table, base)
        if commit is None and is_guarded(table):
            raise busy(table)  # Delta passed over the write, and nothing was observed
        self._written.add(table.name)
        counted = counts.observed()
        measured = {name: counted[name] for name in counted.keys() - {*CHECKSUM_FIELDS}}
        if commit is None:
            version, checksum = self.version(table), format_checksum(counted)
            return Written(int(counted["n_rows"]), version, checksum, measured)
        # Delta's own number is that of the tasks whose files were taken, each of them once.
        is_exact = counted["n_rows"] == int(commit.metrics.get("numOutputRows", -1))
        if not is_exact and counts.may_count_twice():
            counted = self._count_written(table, commit, mode=mode, replace_where=replace_where)
        checksum = format_checksum(counted)
        by_date = dict.fromkeys(dates, checksum)
        if of_dates:
            by_date = dated_checksums(measured, dates) if is_exact else {}
        return Written(int(counted["n_rows"]), commit.version, checksum, measured, by_date)

    def _save(
        self,
        table: Table,
        writer: DataFrameWriter,
        base: int,
        dates: Sequence[date] = (),
        *,
        is_alone: bool = False,
    ) -> None:
        of_commit = self._guard.options(table, base, dates, is_alone=is_alone)
        options = {"mergeSchema": "true", **of_commit}
        with busy_on_conflict(table):
            writer.format("delta").options(**options).save(self.path(table))

    def _count_written(
        self, table: Table, commit: Commit, *, mode: str, replace_where: str | None
    ) -> dict[str, int]:
        """Take the aggregates of a checksum from the rows that a commit wrote."""

        def counted_at(version: int) -> dict[str, int]:
            rows = self.read(table, version).where(replace_where or "true")
            return rows.agg(*checksum_aggregates(table.content_columns)).collect()[0].asDict()

        after = counted_at(commit.version)
        if mode == "overwrite":
            return after
        return added_aggregates(counted_at(commit.version - 1), after)

    def _create(self, table: Table) -> None:
        """Make the table with its comments, types and properties, where no run has made it.

        A table that was made stays, whatever becomes of its first write: until that has come, it
        does not exist for those who read. To remove it could remove the rows of another run.
        """
        commits = self._guard.commits(table)
        is_new = not self.exists(table) and not commits.versions()
        if is_new:
            try:
                self._build(table)
            except DeltaConcurrentModificationException:
                is_new = False  # another run made it at the same moment
        if not is_new:
            self._require_version(table)

    def _build(self, table: Table, *, is_write: bool = False) -> None:
        """Make a table that is not there."""
        self._guard.commits(table).remove_leftovers()
        build_table(self.spark, self.path(table), table, self._storage, is_write=is_write)
        self._known_versions.add(table.name)
        if self._storage.catalog is not None:
            register_table(self.spark, self.path(table), table, self._storage.catalog)

    def _require_version(self, table: Table) -> None:
        if table.name not in self._known_versions:
            newest = self._guard.commits(table).summary()
            asked = newest.properties if newest else properties_of(self.spark, self.path(table))
            self._take_version(table, asked)

    def _take_version(self, table: Table, properties: Mapping[str, str]) -> None:
        require_version(properties, table, root=self.root)
        self._known_versions.add(table.name)
