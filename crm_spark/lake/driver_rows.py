"""Rows of a table on the driver: their Arrow schema, and a frame of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from crm_spark.lake.contract import ContractError, Table


def arrow_schema(table: Table) -> pa.Schema:
    """Give the table's columns as Arrow has them, moments in UTC."""
    return to_arrow_schema(table.schema, timezone="UTC")


def frame_of(spark: SparkSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Give rows by column name as a frame with the table's schema; what a row lacks is null.

    By way of Arrow the rows become a part of the plan. From Python objects Spark would make an RDD,
    and start Python workers to read it.
    """
    schema = arrow_schema(table)
    moments = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    unknown = sorted({name for row in rows for name in row}.difference(schema.names))
    if unknown:
        raise ContractError(f"{table.name} has no column {', '.join(unknown)}")
    values = [
        {**row, **{name: _in_utc(row[name]) for name in moments if row.get(name)}} for row in rows
    ]
    return spark.createDataFrame(pa.Table.from_pylist(values, schema=schema), table.schema)


def _in_utc(moment: datetime) -> datetime:
    """Read a moment without a zone as Spark gives it: in the zone of this process."""
    return moment.astimezone(UTC)


def small_frame(spark: SparkSession, schema: str, rows: Sequence[tuple[Any, ...]]) -> DataFrame:
    """Give a few rows as a frame of a schema in words, by way of Arrow like frame_of()."""
    fields = StructType.fromDDL(schema)
    assert isinstance(fields, StructType)
    arrow = to_arrow_schema(fields)
    columns = [[row[place] for row in rows] for place in range(len(arrow))]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, arrow, strict=True)]
    return spark.createDataFrame(pa.Table.from_arrays(arrays, schema=arrow), fields)
