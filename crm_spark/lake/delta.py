"""The lake: the Delta tables below one root."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from delta.tables import DeltaTable
from pydantic import BaseModel, ConfigDict, Field
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import BusyError, DataError
from crm_spark.lake.contract import (
    CHECKSUM_FIELDS,
    Table,
    checksum_aggregates,
    format_checksum,
)
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.lake.lock import local_path

VERSION_PROPERTY = "crm_spark.table_version"
_COMMIT_FILE = re.compile(r"(\d{20})\.json")


# Commits that change no row.
QUIET_OPERATIONS = (
    "OPTIMIZE",
    "VACUUM START",
    "VACUUM END",
    "SET TBLPROPERTIES",
    "ADD COLUMNS",
    "CREATE TABLE",
)


class StorageSection(BaseModel):
    """Where the lake is, and how long maintain_tables keeps what is old.

    `root` is a path on any Hadoop filesystem. With `catalog` every table is known by name, too, in
    the schemas <catalog>_core, <catalog>_features, <catalog>_scores and <catalog>_ops. Of the
    features and scores the newest `keep_dates` as-of dates are kept, without it all. Replaced files
    stay for `keep_versions_days`: so long a reader may take, and so far back one can travel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str = Field(min_length=1)
    catalog: str | None = None
    keep_dates: int | None = Field(default=None, ge=1)
    keep_versions_days: int = Field(default=30, ge=1, le=3650)

    def retention_properties(self) -> dict[str, str]:
        """Give the Delta properties of every table that say how long replaced files stay."""
        days = self.keep_versions_days
        return {
            "delta.deletedFileRetentionDuration": f"interval {days} days",
            # The log has to reach back at least as far as the files.
            "delta.logRetentionDuration": f"interval {max(days, 30)} days",
        }


@dataclass(frozen=True)
class Written:
    """What one write left behind."""

    rows: int
    version: int
    content_checksum: str


@dataclass(frozen=True)
class Commit:
    """One commit of a table: what did it, in which run, and whether it replaced the whole table."""

    version: int
    operation: str
    run_id: str | None
    replaces_all: bool
    metrics: Mapping[str, str] = field(default_factory=dict)
    dates: tuple[date, ...] = ()


@dataclass(frozen=True)
class Maintained:
    """The files of a table before and after, and the bytes of those that are current."""

    files_before: int
    files_after: int
    bytes_after: int


def _date_literals(dates: Sequence[date]) -> str:
    return ", ".join(f"DATE'{day.isoformat()}'" for day in sorted(set(dates)))


def _run_of(metadata: str | None) -> str | None:
    """Give the run that a commit names; None for a commit that is not ours."""
    try:
        return str(json.loads(metadata or "")["run_id"])
    except (ValueError, KeyError, TypeError):
        return None


def _commit_of(version: int, told: Mapping[str, Any]) -> Commit:
    """Read a commitInfo of Delta's protocol; what it lacks was not written by us."""
    parameters = told.get("operationParameters") or {}
    is_part = "predicate" in parameters
    return Commit(
        version=version,
        operation=told.get("operation") or "",
        run_id=_run_of(told.get("userMetadata")),
        replaces_all=parameters.get("mode") == "Overwrite" and not is_part,
        metrics=told.get("operationMetrics") or {},
    )


@contextmanager
def _told_when_busy(table: Table) -> Iterator[None]:
    """Raise BusyError where another run wrote the table at the same time."""
    try:
        yield
    except Exception as error:
        if "Concurrent" in type(error).__name__ or "DELTA_CONCURRENT" in str(error):
            raise BusyError(
                f"another run wrote {table.name} at the same time; this one changed nothing: "
                "try again when it has ended"
            ) from error
        raise


class Lake:
    """The Delta tables below one root; every write is one atomic commit."""

    def __init__(self, spark: SparkSession, storage: StorageSection, run_id: str) -> None:
        self.spark = spark
        self._storage = storage
        self._run_id = run_id
        self._known_versions: set[str] = set()

    @property
    def root(self) -> str:
        """The path that all tables lie below; a local one is made absolute."""
        local = local_path(self._storage.root)
        return str(local) if local else self._storage.root.rstrip("/")

    def path(self, table: Table) -> str:
        """Give the path of a table: root/layer/table."""
        return f"{self.root}/{table.name.replace('.', '/')}"

    def exists(self, table: Table) -> bool:
        """Tell whether the table has been made."""
        # Delta itself takes a log without a commit for a table: a killed run can leave one.
        return table.name in self._known_versions or bool(self.versions(table))

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """Give the rows of a table, now or at an earlier version.

        Raises DataError where it does not exist or was made by another version of crm_spark.
        """
        if not self.exists(table):
            raise DataError(f"table {table.name} does not exist in {self.root}")
        self._require_version(table)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.path(table))

    def read_date(self, table: Table, as_of: date) -> DataFrame:
        """Give the rows of one as-of date."""
        return self.read(table).where(F.col("as_of_date") == F.lit(as_of))

    def version(self, table: Table) -> int:
        """Give the newest version of a table that changed its rows."""
        return self._newest_write(table).version

    def _newest_write(self, table: Table) -> Commit:
        for version in self.versions(table):
            commit = self._commit(table, version)
            if commit.operation not in QUIET_OPERATIONS:
                return commit
        raise DataError(f"the history of {table.name} in {self.root} holds no write")

    def commits_since(self, table: Table, version: int) -> list[Commit] | None:
        """Give the commits after a version that changed rows, the newest first.

        None where the log does not reach back that far any more.
        """
        newer = [held for held in self.versions(table) if held > version]
        if newer and newer[-1] > version + 1:
            return None
        commits = [self._commit(table, held) for held in newer]
        return [held for held in commits if held.operation not in QUIET_OPERATIONS]

    def versions(self, table: Table) -> list[int]:
        """Give the versions that the table's log still tells of, the newest first.

        Read from the files that Delta's protocol names: asking Delta takes a Spark job each time.
        """
        matches = map(_COMMIT_FILE.fullmatch, self._log(table).names("*.json"))
        return sorted((int(match[1]) for match in matches if match), reverse=True)

    def _commit(self, table: Table, version: int) -> Commit:
        file = HadoopFile(self.spark, f"{self._log(table).path}/{version:020}.json")
        first = json.loads(file.first_line())
        if "commitInfo" in first:  # Delta writes it first; another writer may not
            return _commit_of(version, first["commitInfo"])
        actions = map(json.loads, file.text().splitlines())
        told = (action["commitInfo"] for action in actions if "commitInfo" in action)
        return _commit_of(version, next(told, {}))

    def overwrite(self, table: Table, df: DataFrame) -> Written:
        """Replace all rows of a table."""
        return self._write(table, df, mode="overwrite")

    def replace(self, table: Table, df: DataFrame, where: str) -> Written:
        """Replace the rows for which `where` holds; all rows of `df` must satisfy it."""
        return self._write(table, df, mode="overwrite", replace_where=where)

    def replace_dates(self, table: Table, df: DataFrame, dates: Sequence[date]) -> Written:
        """Replace the rows of these as-of dates; no other date is touched."""
        return self.replace(table, df, f"as_of_date IN ({_date_literals(dates)})")

    def append(self, table: Table, df: DataFrame) -> Written:
        """Add rows."""
        return self._write(table, df, mode="append")

    def merge(
        self,
        table: Table,
        written: DataFrame,
        removed: DataFrame,
        *,
        unless_same: Sequence[str] = (),
    ) -> Written:
        """Write rows by the table's key, and take those with the keys of `removed` out.

        A row whose columns `unless_same` are all as they are held stays as it is. The checksum is
        of all rows given, the number of those that were written.
        """
        self._require_version(table)
        observed = Observation()
        rows = table.conform(written).observe(observed, *checksum_aggregates(table.content_columns))
        source = rows.withColumn("_is_removed", F.lit(False)).unionByName(
            removed.select(*table.key).withColumn("_is_removed", F.lit(True)),
            allowMissingColumns=True,
        )
        same = " AND ".join(f"held.{name} <=> changed.{name}" for name in table.key)
        differs = [f"NOT (held.{name} <=> changed.{name})" for name in unless_same]
        values: dict[str, str | Column] = {
            column.name: f"changed.{column.name}" for column in table.columns
        }
        merge = (
            DeltaTable.forPath(self.spark, self.path(table))
            .alias("held")
            .merge(source.alias("changed"), same)
            .whenMatchedDelete("changed._is_removed")
            .whenMatchedUpdate(condition=" OR ".join(differs) or None, set=values)
            .whenNotMatchedInsert("NOT changed._is_removed", values=values)
        )
        before = self.version(table)
        key = "spark.databricks.delta.commitInfo.userMetadata"
        self.spark.conf.set(key, self._metadata())
        try:
            with _told_when_busy(table):
                merge.execute()
        finally:
            self.spark.conf.unset(key)
        commit = self._newest_write(table)
        # A merge that changes nothing makes no commit.
        told = commit.metrics if commit.version > before else {}
        n_rows = sum(int(told.get(f"numTargetRows{how}", 0)) for how in ("Inserted", "Updated"))
        return Written(n_rows, commit.version, format_checksum(observed.get))

    def dates(self, table: Table) -> list[date]:
        """Give the as-of dates that a table holds, the newest first."""
        found = self.read(table).select("as_of_date").distinct().collect()  # a row a date
        return sorted((row["as_of_date"] for row in found), reverse=True)

    def delete_dates(self, table: Table, dates: Sequence[date]) -> None:
        """Delete whole as-of dates; their files stay until a vacuum, for those who read them."""
        DeltaTable.forPath(self.spark, self.path(table)).delete(
            f"as_of_date IN ({_date_literals(dates)})"
        )

    def compact(self, table: Table) -> None:
        """Put small files together; no row changes."""
        DeltaTable.forPath(self.spark, self.path(table)).optimize().executeCompaction()

    def restore(self, table: Table, version: int) -> int:
        """Bring a table back to an earlier version, in a commit of this run; give its version.

        Raises whatever Delta raises where files of that version are gone.
        """
        key = "spark.databricks.delta.commitInfo.userMetadata"
        self.spark.conf.set(key, self._metadata())
        try:
            DeltaTable.forPath(self.spark, self.path(table)).restoreToVersion(version)
        finally:
            self.spark.conf.unset(key)
        return self.versions(table)[0]

    def checksums_by_date(self, table: Table, dates: Sequence[date]) -> dict[date, tuple[int, str]]:
        """Give the number of rows and the content checksum of each of these dates."""
        rows = self.read(table).where(F.col("as_of_date").isin(list(dates)))
        grouped = rows.groupBy("as_of_date").agg(*checksum_aggregates(table.content_columns))
        found = {row["as_of_date"]: row.asDict() for row in grouped.collect()}  # a row a date
        none = dict.fromkeys(CHECKSUM_FIELDS, 0)
        counted = {day: found.get(day, none) for day in dates}
        return {day: (row["n_rows"], format_checksum(row)) for day, row in counted.items()}

    def maintain(self, table: Table) -> Maintained:
        """Set the retention, put small files together, and remove those that it no longer keeps."""
        delta = DeltaTable.forPath(self.spark, self.path(table))
        before = delta.detail().select("numFiles", "sizeInBytes", "properties").collect()[0]
        wanted = self._storage.retention_properties()
        if any(before["properties"].get(key) != value for key, value in wanted.items()):
            pairs = ", ".join(f"'{key}' = '{value}'" for key, value in wanted.items())
            self.spark.sql(f"ALTER TABLE {self._as_sql(table)} SET TBLPROPERTIES ({pairs})")
        delta.optimize().executeCompaction()
        delta.vacuum()
        after = delta.detail().select("numFiles", "sizeInBytes").collect()[0]
        return Maintained(before["numFiles"], after["numFiles"], after["sizeInBytes"])

    def _as_sql(self, table: Table) -> str:
        path = self.path(table).replace("`", "``")
        return f"delta.`{path}`"

    def _log(self, table: Table) -> HadoopFile:
        return HadoopFile(self.spark, f"{self.path(table)}/_delta_log")

    def _write(
        self,
        table: Table,
        df: DataFrame,
        *,
        mode: str,
        replace_where: str | None = None,
    ) -> Written:
        is_new = self._create(table)
        observed = Observation()
        rows = table.conform(df).observe(observed, *checksum_aggregates(table.content_columns))
        writer = (
            rows.write.format("delta")
            .mode(mode)
            .option("mergeSchema", "true")
            .option("userMetadata", self._metadata())
        )
        if replace_where:
            writer = writer.option("replaceWhere", replace_where)
        try:
            with _told_when_busy(table):
                writer.save(self.path(table))
        except Exception:
            if is_new:
                # A failed first write leaves nothing, not even an empty table.
                HadoopFile(self.spark, self.path(table)).remove()
            raise
        counted = observed.get
        checksum = format_checksum(counted)
        return Written(int(counted["n_rows"]), self.version(table), checksum)

    def _metadata(self) -> str:
        return json.dumps({"run_id": self._run_id})

    def _create(self, table: Table) -> bool:
        """Make the table with its comments, types and properties; False where it was there."""
        if self.exists(table):
            self._require_version(table)
            return False
        if self._log(table).is_directory():
            self._log(table).remove()  # no commit is in it, and Delta would not begin in it
        builder = (
            DeltaTable.createIfNotExists(self.spark)
            .location(self.path(table))
            .comment(table.comment)
            .property(VERSION_PROPERTY, str(table.version))
        )
        for key, value in self._storage.retention_properties().items():
            builder = builder.property(key, value)
        builder = builder.property(
            "delta.dataSkippingStatsColumns", ",".join(table.statistics_columns)
        )
        for name, condition in table.constraints.items():
            builder = builder.property(f"delta.constraints.{name}", condition)
        if table.event_time or table.layer == "features":
            # A day that touches few customers must not rewrite the files that they lie in.
            builder = builder.property("delta.enableDeletionVectors", "true")
        for column in table.columns:
            builder = builder.addColumn(
                column.name, column.type, nullable=column.nullable, comment=column.comment
            )
        if table.partition_by:
            builder = builder.partitionedBy(*table.partition_by)
        builder.execute()
        self._register(table)
        return True

    def _register(self, table: Table) -> None:
        """Make the table known by name where a catalog schema is configured."""
        if self._storage.catalog is None:
            return
        schema = f"{self._storage.catalog}_{table.layer}"
        name = table.name.split(".")[1]
        self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        location = self.path(table).replace("'", "\\'")
        self.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {schema}.{name} USING DELTA LOCATION '{location}'"
        )
        if table.layer == "scores":
            # For analysts: the rows of the newest date alone.
            self.spark.sql(
                f"CREATE OR REPLACE VIEW {schema}.{name}_latest AS SELECT * FROM {schema}.{name} "
                f"WHERE as_of_date = (SELECT max(as_of_date) FROM {schema}.{name})"
            )

    def _require_version(self, table: Table) -> None:
        if table.name in self._known_versions:
            return
        # detail() would tell as well, but counts all files first.
        properties = self.spark.sql(f"SHOW TBLPROPERTIES {self._as_sql(table)}").collect()
        found = {row["key"]: row["value"] for row in properties}.get(VERSION_PROPERTY)
        if found != str(table.version):
            raise DataError(
                f"table {table.name} in {self.root} has version {found}, this crm_spark works with "
                f"{table.version}: run the migration {table.name}:{found}->{table.version}, or use "
                "another storage.root"
            )
        self._known_versions.add(table.name)
