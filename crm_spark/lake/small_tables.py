"""Reads a small Delta table on the driver: its log and its files, without a Spark job.

What a Spark job on a few rows costs is the planning: in a fresh process the state of a lake takes
eight seconds by Spark, and one this way. Source: the Delta transaction protocol, reader
version 1 (delta-io/delta, PROTOCOL.md); of tables that need more a reader is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from crm_spark.lake.commits import CommitLog
from crm_spark.lake.hadoop import contents

_ACTIONS = ("protocol", "metaData", "add", "remove")
_READER_VERSION = 1


class NotReadableError(Exception):
    """The table uses what this reader does not know, or its log is not all there: ask Spark."""


@dataclass
class SmallTable:
    """The files that a Delta table consists of now, and its properties."""

    spark: SparkSession
    path: str
    properties: Mapping[str, str] = field(default_factory=dict)
    _files: dict[str, None] = field(default_factory=dict)

    @staticmethod
    def at(spark: SparkSession, path: str) -> SmallTable:
        """Read the log of the table at a path. Raises NotReadableError."""
        table = SmallTable(spark, path)
        for action in table._actions():
            table._take(action)
        return table

    def rows(self, schema: pa.Schema) -> pa.Table:
        """Give all rows with the columns of the schema; one that a file lacks is null."""
        stored = self._parquet(*self._files)
        return pa.concat_tables([schema.empty_table(), *(_conform(one, schema) for one in stored)])

    def _actions(self) -> Iterator[Mapping[str, Any]]:
        log = CommitLog(self.spark, self.path)
        checkpoint, newer = log.since_checkpoint()
        if newer != list(range(checkpoint + 1, checkpoint + 1 + len(newer))):
            raise NotReadableError(f"the log of {self.path} begins at {newer[0]}")
        if checkpoint >= 0:
            (stored,) = self._parquet(f"_delta_log/{checkpoint:020}.checkpoint.parquet")
            yield from stored.select([n for n in _ACTIONS if n in stored.column_names]).to_pylist()
        for number in newer:
            yield from log.actions(number)

    def _take(self, action: Mapping[str, Any]) -> None:
        protocol = action.get("protocol")
        if protocol and protocol["minReaderVersion"] > _READER_VERSION:
            raise NotReadableError(f"{self.path} needs a newer reader")
        if metadata := action.get("metaData"):
            if metadata["partitionColumns"]:
                raise NotReadableError(f"{self.path} has partitions")
            self.properties = dict(metadata["configuration"] or {})
        if added := action.get("add"):
            if "://" in added["path"]:
                raise NotReadableError(f"{self.path} has files elsewhere")
            self._files[unquote(added["path"])] = None
        if removed := action.get("remove"):
            self._files.pop(unquote(removed["path"]), None)

    def _parquet(self, *files: str) -> list[pa.Table]:
        # Spark writes moments as INT96, which would be nanoseconds: too narrow for the year 9999.
        return [
            pq.ParquetFile(pa.BufferReader(content), coerce_int96_timestamp_unit="us").read()
            for content in contents(self.spark, [f"{self.path}/{file}" for file in files])
        ]


def _conform(stored: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        stored[one.name].cast(one.type)
        if one.name in stored.column_names
        else pa.nulls(stored.num_rows, one.type)
        for one in schema
    ]
    return pa.table(columns, schema=schema)
