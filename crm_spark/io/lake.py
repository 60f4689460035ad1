"""The lake: the Delta tables below one root."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from delta.tables import DeltaTable
from pydantic import BaseModel, ConfigDict, Field
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from crm_spark.contracts import Table, checksum_aggregates, format_checksum
from crm_spark.errors import BusyError, DataError
from crm_spark.io.hadoop import HadoopFile
from crm_spark.io.lock import local_path

VERSION_PROPERTY = "crm_spark.table_version"


class StorageSection(BaseModel):
    """Where the lake is: a path on any Hadoop filesystem, and a schema to register tables in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str = Field(min_length=1)
    catalog: str | None = None


@dataclass(frozen=True)
class Written:
    """What one write left behind."""

    rows: int
    version: int
    content_checksum: str


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
        return DeltaTable.isDeltaTable(self.spark, self.path(table))

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
        """Give the newest version of a table."""
        return int(self._history(table)["version"])

    def overwrite(self, table: Table, df: DataFrame) -> Written:
        """Replace all rows of a table."""
        return self._write(table, df, mode="overwrite")

    def replace(self, table: Table, df: DataFrame, where: str) -> Written:
        """Replace the rows for which `where` holds; all rows of `df` must satisfy it."""
        return self._write(table, df, mode="overwrite", replace_where=where)

    def replace_dates(self, table: Table, df: DataFrame, dates: Sequence[date]) -> Written:
        """Replace the rows of these as-of dates; no other date is touched."""
        listed = ", ".join(f"DATE'{day.isoformat()}'" for day in sorted(set(dates)))
        return self.replace(table, df, f"as_of_date IN ({listed})")

    def append(self, table: Table, df: DataFrame) -> Written:
        """Add rows."""
        return self._write(table, df, mode="append")

    def _write(
        self, table: Table, df: DataFrame, *, mode: str, replace_where: str | None = None
    ) -> Written:
        is_new = self._create(table)
        observed = Observation()
        rows = table.conform(df).observe(observed, *checksum_aggregates(table.content_columns))
        writer = (
            rows.write.format("delta")
            .mode(mode)
            .option("mergeSchema", "true")
            .option("userMetadata", json.dumps({"run_id": self._run_id}))
        )
        if replace_where:
            writer = writer.option("replaceWhere", replace_where)
        try:
            writer.save(self.path(table))
        except Exception as error:
            if is_new:
                # A failed first write leaves nothing, not even an empty table.
                HadoopFile(self.spark, self.path(table)).remove()
            if "Concurrent" in type(error).__name__ or "DELTA_CONCURRENT" in str(error):
                raise BusyError(
                    f"another run wrote {table.name} at the same time; this one changed nothing: "
                    "try again when it has ended"
                ) from error
            raise
        counted = observed.get
        checksum = format_checksum(counted)
        return Written(int(counted["n_rows"]), self.version(table), checksum)

    def _create(self, table: Table) -> bool:
        """Make the table with its comments, types and properties; False where it was there."""
        if self.exists(table):
            self._require_version(table)
            return False
        builder = (
            DeltaTable.createIfNotExists(self.spark)
            .location(self.path(table))
            .comment(table.comment)
            .property(VERSION_PROPERTY, str(table.version))
        )
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

    def _require_version(self, table: Table) -> None:
        if table.name in self._known_versions:
            return
        detail = DeltaTable.forPath(self.spark, self.path(table)).detail().select("properties")
        found = (detail.collect()[0]["properties"] or {}).get(VERSION_PROPERTY)
        if found != str(table.version):
            raise DataError(
                f"table {table.name} in {self.root} has version {found}, this crm_spark works with "
                f"{table.version}: run the migration {table.name}:{found}->{table.version}, or use "
                "another storage.root"
            )
        self._known_versions.add(table.name)

    def _history(self, table: Table) -> Any:
        return DeltaTable.forPath(self.spark, self.path(table)).history(1).collect()[0]
