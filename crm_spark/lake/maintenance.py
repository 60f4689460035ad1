"""Upkeep of the files of a Delta table: retention, small files, files that are no longer kept."""

from __future__ import annotations

from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from crm_spark.lake.making import as_sql
from crm_spark.lake.storage import StorageSection


@dataclass(frozen=True)
class Maintained:
    """The files of a table before and after, and the bytes of those that are current."""

    files_before: int
    files_after: int
    bytes_after: int


def maintain_files(spark: SparkSession, path: str, storage: StorageSection) -> Maintained:
    """Set the retention, put small files together, and remove those that it no longer keeps."""
    delta = DeltaTable.forPath(spark, path)
    before = delta.detail().select("numFiles", "sizeInBytes", "properties").collect()[0]
    wanted = storage.retention_properties()
    if any(before["properties"].get(key) != value for key, value in wanted.items()):
        pairs = ", ".join(f"'{key}' = '{value}'" for key, value in wanted.items())
        spark.sql(f"ALTER TABLE {as_sql(path)} SET TBLPROPERTIES ({pairs})")
    delta.optimize().executeCompaction()
    delta.vacuum()
    after = delta.detail().select("numFiles", "sizeInBytes").collect()[0]
    return Maintained(before["numFiles"], after["numFiles"], after["sizeInBytes"])
