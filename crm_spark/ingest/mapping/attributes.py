"""Attributes of any names, mapped one by one and gathered into one column of a table."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.sources import attribute
from crm_spark.tables.core import CONTRACTS


def with_gathered(df: DataFrame, kind: str, names: Iterable[str]) -> DataFrame:
    """Put the attributes of a kind into one column of that name: their names and values.

    Reads a column for each attribute and drops it. They stand in the order of their names, so that
    equal rows are equal whatever the order of the configuration. A number that is not finite (NaN
    is what some programs write for none) is not known.
    """
    columns = {name: attribute(kind, name) for name in sorted(names)}
    entries = [
        F.struct(F.lit(name).alias("name"), _known(df, column).alias("value"))
        for name, column in columns.items()
    ]
    nothing = F.array().cast(CONTRACTS.column(kind).type)
    gathered = F.array(*entries) if entries else nothing
    return df.withColumn(kind, gathered).drop(*columns.values())


def _known(df: DataFrame, name: str) -> Column:
    value = F.col(name)
    if not isinstance(df.schema[name].dataType, T.DoubleType):
        return value
    return F.when(F.abs(value) < F.lit(float("inf")), value)
