"""Reads a small Delta table by its log, which the driver reads: without a Spark job for the log.

What a Spark job on a few rows costs is the planning: in a fresh process the state of a lake takes
eight seconds by Spark, and one this way; of what a query of a small table takes, more than half is
Delta asking Spark which files the table has. Source: the Delta transaction protocol
(delta-io/delta, PROTOCOL.md), reader version 1, and 3 for tables that may have deletion vectors and
have none; of tables that need more a reader is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from crm_spark.lake.commits import CommitLog
from crm_spark.lake.hadoop import contents

_ACTIONS = ("protocol", "metaData", "add", "remove")
_READER_VERSION = 1
_READER_VERSION_OF_FEATURES = 3
_READER_FEATURES = {"deletionVectors"}

# A file's path, and its deletion vector: a file that gets one is another.
_FileKey = tuple[str, str | None]


class NotReadableError(Exception):
    """The table uses what this reader does not know, or its log is not all there: ask Spark."""


@dataclass
class SmallTable:
    """The files that a Delta table consists of now, and its properties."""

    spark: SparkSession
    path: str
    properties: Mapping[str, str] = field(default_factory=dict)
    version: int = -1
    _schema: str = ""
    _partitions: tuple[str, ...] = ()
    _files: dict[_FileKey, None] = field(default_factory=dict)

    @staticmethod
    def at(spark: SparkSession, path: str) -> SmallTable:
        """Read the log of the table at a path.

        Raises NotReadableError, for a table of which rows are marked as deleted, too.
        """
        table = SmallTable(spark, path)
        for action in table._actions():
            table._take(action)
        if any(vector for _, vector in table._files):
            raise NotReadableError(f"{path} has deletion vectors")
        return table

    def rows(self, schema: pa.Schema) -> pa.Table:
        """Give all rows with the columns of the schema; one that a file lacks is null.

        Raises NotReadableError for a table with partitions.
        """
        if self._partitions:
            raise NotReadableError(f"{self.path} has partitions")
        stored = self._parquet(*self._paths())
        return pa.concat_tables([schema.empty_table(), *(_conform(one, schema) for one in stored)])

    def frame(self) -> DataFrame:
        """Give all rows as Spark reads them, from the files that the table has now."""
        schema = StructType.fromJson(json.loads(self._schema))
        if not self._files:
            return self.spark.createDataFrame([], schema)
        reader = self.spark.read.schema(schema).options(basePath=self.path, __globPaths__="false")
        rows = reader.parquet(*[f"{self.path}/{file}" for file in sorted(self._paths())])
        return rows.select(schema.names)  # those of partitions come last

    def _paths(self) -> list[str]:
        return [path for path, _ in self._files]

    def _actions(self) -> Iterator[Mapping[str, Any]]:
        log = CommitLog(self.spark, self.path)
        checkpoint, newer = log.since_checkpoint()
        if newer != list(range(checkpoint + 1, checkpoint + 1 + len(newer))):
            raise NotReadableError(f"the log of {self.path} begins at {newer[0]}")
        self.version = newer[-1] if newer else checkpoint
        if checkpoint >= 0:
            (stored,) = self._parquet(f"_delta_log/{checkpoint:020}.checkpoint.parquet")
            yield from stored.select([n for n in _ACTIONS if n in stored.column_names]).to_pylist()
        for number in newer:
            yield from log.actions(number)

    def _take(self, action: Mapping[str, Any]) -> None:
        protocol = action.get("protocol")
        if protocol and not _can_read(protocol):
            raise NotReadableError(f"{self.path} needs a newer reader")
        if metadata := action.get("metaData"):
            self._partitions = tuple(metadata["partitionColumns"])
            self._schema = metadata["schemaString"]
            self.properties = dict(metadata["configuration"] or {})
        if added := action.get("add"):
            if "://" in added["path"]:
                raise NotReadableError(f"{self.path} has files elsewhere")
            self._files[_key(added)] = None
        if removed := action.get("remove"):
            self._files.pop(_key(removed), None)

    def _parquet(self, *files: str) -> list[pa.Table]:
        # Spark writes moments as INT96, which would be nanoseconds: too narrow for the year 9999.
        return [
            pq.ParquetFile(pa.BufferReader(content), coerce_int96_timestamp_unit="us").read()
            for content in contents(self.spark, [f"{self.path}/{file}" for file in files])
        ]


def _can_read(protocol: Mapping[str, Any]) -> bool:
    needed = protocol["minReaderVersion"]
    if needed == _READER_VERSION_OF_FEATURES:
        return set(protocol["readerFeatures"] or ()) <= _READER_FEATURES
    return bool(needed <= _READER_VERSION)


def _key(file: Mapping[str, Any]) -> _FileKey:
    vector = file.get("deletionVector")
    named = ("storageType", "pathOrInlineDv", "offset")
    return unquote(file["path"]), str([vector[n] for n in named if n in vector]) if vector else None


def _conform(stored: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        stored[one.name].cast(one.type)
        if one.name in stored.column_names
        else pa.nulls(stored.num_rows, one.type)
        for one in schema
    ]
    return pa.table(columns, schema=schema)
