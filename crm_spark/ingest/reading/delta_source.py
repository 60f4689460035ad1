"""Sources that are Delta tables: known by id and version; of an append-only one what was added."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.lake.hadoop import HadoopFile

_APPENDS = ("WRITE", "STREAMING UPDATE")
_METADATA = ("SET TBLPROPERTIES", "ADD COLUMNS", "VACUUM START", "VACUUM END")
_UPKEEP = (*_METADATA, "OPTIMIZE")


@dataclass(frozen=True)
class DeltaVersion:
    """A version of a Delta table; one that took the place of another has another id."""

    table_id: str
    version: int

    @classmethod
    def now(cls, spark: SparkSession, path: str) -> DeltaVersion:
        """Give the newest version of the table at a path."""
        table = DeltaTable.forPath(spark, path)
        table_id = table.detail().select("id").collect()[0]["id"]
        return cls(table_id, table.history(1).collect()[0]["version"])

    @classmethod
    def parse(cls, text: str) -> DeltaVersion:
        """Read one that was noted as text."""
        table_id, _, version = text.partition("@")
        return cls(table_id, int(version))

    def __str__(self) -> str:
        return f"{self.table_id}@{self.version}"


def appended_files(spark: SparkSession, path: str, before: str, now: str) -> list[str] | None:
    """Give the names of the files that were appended between two versions of a table.

    None where rows may have gone or been rewritten, or where the log does not tell.
    """
    first, last = DeltaVersion.parse(before), DeltaVersion.parse(now)
    n_commits = last.version - first.version
    if first.table_id != last.table_id or n_commits < 1:
        return None
    history = DeltaTable.forPath(spark, path).history()
    between = history.where(F.col("version").between(first.version + 1, last.version)).collect()
    if len(between) < n_commits:
        return None
    if all(commit["operation"] in _UPKEEP for commit in between):
        return []
    if not all(_only_adds(commit) for commit in between):
        return None
    names: list[str] = []
    for version in range(first.version + 1, last.version + 1):
        names += _added_names(spark, path, version)
    return names


def read_appended(
    spark: SparkSession, path: str, now: str, names: Sequence[str], **options: str
) -> DataFrame:
    """Give the rows of these files, as the table of that version has them."""
    version = DeltaVersion.parse(now).version
    rows = spark.read.format("delta").options(**options).option("versionAsOf", version).load(path)
    name = F.element_at(F.split(F.col("_metadata.file_path"), "/"), -1)
    return rows.where(name.isin(list(names)))


def _only_adds(commit: Row) -> bool:
    parameters = commit["operationParameters"] or {}
    mode = parameters.get("mode") or parameters.get("outputMode")
    is_append = commit["operation"] in _APPENDS and mode == "Append"
    return is_append or commit["operation"] in _METADATA


def _added_names(spark: SparkSession, path: str, version: int) -> list[str]:
    log = HadoopFile(spark, f"{path}/_delta_log/{version:020}.json").text()
    actions = (json.loads(line) for line in log.splitlines() if line)
    return [action["add"]["path"].rsplit("/", 1)[-1] for action in actions if "add" in action]
