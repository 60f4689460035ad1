"""Footers of parquet files: what tells files of other columns or types apart."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.reading.schema import quoted
from crm_spark.lake.hadoop import HadoopFile

_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Footer:
    """The columns of a file as its footer has them, and those of stamps in nanoseconds.

    Of the latter each with whether it is an instant; else it is a local time.
    """

    text: str
    nanoseconds: tuple[tuple[str, bool], ...] = ()


def read_footer(spark: SparkSession, uri: str) -> Footer:
    """Read the footer of a file. Raises ValueError where there is none."""
    file = HadoopFile(spark, uri, is_uri=True)
    end = file.last_bytes(len(_MAGIC) + 4)
    if not end.endswith(_MAGIC):
        raise ValueError("unexpected end of input: its footer is missing")
    length = int.from_bytes(end[:4], "little")
    schema = pq.read_metadata(pa.BufferReader(file.last_bytes(length + len(end)))).schema
    columns = [schema.column(place) for place in range(len(schema))]
    stamps = [
        (column.path, json.loads(column.logical_type.to_json()))
        for column in columns
        if column.logical_type.type == "TIMESTAMP" and column.path == column.name
    ]
    found = ((name, kind) for name, kind in stamps if kind["timeUnit"] == "nanoseconds")
    # The first line tells where the object lies in memory.
    text = str(schema).partition("\n")[2]
    return Footer(text, tuple((name, kind["isAdjustedToUTC"]) for name, kind in found))


def with_stamps(rows: DataFrame, nanoseconds: tuple[tuple[str, bool], ...]) -> DataFrame:
    """Turn numbers of nanoseconds into stamps: instants, or local times without a zone."""
    if not nanoseconds:
        return rows
    # In UTC the clock's figures are those of the instant.
    with lenient_analysis(rows.sparkSession, "UTC"):
        return rows.withColumns({name: _stamp(name, kind) for name, kind in nanoseconds})


def _stamp(name: str, is_instant: bool) -> Column:
    instant = F.expr(f"timestamp_micros({quoted(name)} div 1000)")
    return instant if is_instant else instant.cast("timestamp_ntz")
