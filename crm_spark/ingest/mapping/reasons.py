"""Reasons for rejection: what is missing of a row, cannot be read, or is out of its range."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.fields import Field
from crm_spark.ingest.mapping.readings import Reading, unreadable
from crm_spark.lake.contract import Column as TableColumn
from crm_spark.lake.contract import Table

# It says what is taken where a column is null.
_STANDS_IN = re.compile(r"\b(coalesce|nvl2?|ifnull)\s*\(", re.I)
# A mapping that says by itself when it gives null is not at fault when it does.
_GIVES_NULL_ON_PURPOSE = re.compile(r"\b(nullif|case|if|iff|try_\w+|coalesce|nvl|get)\b", re.I)

REASONS = "_reasons"


def with_reasons(
    df: DataFrame, reasons: Sequence[Column], *, columns: Sequence[Column] | None = None
) -> DataFrame:
    """Add _reasons, an array of the reasons that a row has, behind those that it has already.

    Gives these `columns` of `df` besides, or all. Spark interprets what removes nulls from an
    array, all that the array is made of included, which takes a quarter of an ingest: only rows
    that have a reason get there.
    """
    names = [f"_reason_{number}" for number in range(len(reasons))]
    named = df.select(
        *(columns or [F.col("*")]),
        *[one.alias(name) for one, name in zip(reasons, names, strict=True)],
    )
    no_reasons = F.array().cast(T.ArrayType(T.StringType()))
    before = F.col(REASONS) if REASONS in named.columns else no_reasons
    if not reasons:
        return named.withColumn(REASONS, before)
    found = F.concat(before, F.array_compact(F.array(*names)))
    gathered = F.when(F.coalesce(*names).isNull(), before).otherwise(found)
    return named.withColumn(REASONS, _worked_out_once(gathered)).drop(*names)


def _worked_out_once(column: Column) -> Column:
    """Keep Spark from moving a condition on a column below it, where it has no name yet.

    Spark would work out all that the column is made of for the condition, and then once more.
    """
    return F.when(F.spark_partition_id() >= 0, column)


def is_required(column: TableColumn, table: Table) -> bool:
    """Whether a row without a value in this column cannot be used."""
    is_key = column.name in table.key and not column.nullable
    return column.mapping == "required" or is_key


def allows_null(text: str) -> bool:
    """Whether an expression says what stands in for a column that is null."""
    return _STANDS_IN.search(text) is not None


def reasons_of(
    field: Field, reading: Reading, *, is_there: Column, is_required: bool
) -> list[Column]:
    """Give the reasons a field can have: missing, or there but not readable.

    `is_there` is whether its sources hold something.
    """
    value, column, text = reading.value, field.column, field.expression.text
    loss = F.lit(None).cast("string") if reading.loss is None else reading.loss
    if not is_required and _GIVES_NULL_ON_PURPOSE.search(text):
        return [loss]
    if not field.sources:
        missing = F.lit(f"{column.name} is missing: {text} is null")
        return [F.coalesce(loss, F.when(value.isNull(), missing)) if is_required else loss]
    why = F.lit(unreadable(field))
    if reading.hint is not None:
        why = F.coalesce(F.concat(why, F.lit(": "), reading.hint), why)
    reason = F.when(value.isNull() & is_there, why)
    if is_required:
        names = ", ".join(source.name for source in field.sources)
        reason = reason.when(value.isNull(), F.lit(f"{column.name} is missing ({names})"))
    return [F.coalesce(loss, reason), *_out_of_range(column, value)]


def _out_of_range(column: TableColumn, value: Column) -> list[Column]:
    """Give the reason of a value below the column's minimum or above its maximum."""
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        return []
    wanted = " ".join(
        [
            *([f"from {low:g}"] if low is not None else []),
            *([f"to {high:g}"] if high is not None else []),
        ]
    )
    is_outside = F.lit(False)
    if low is not None:
        is_outside = is_outside | (value < low)
    if high is not None:
        is_outside = is_outside | (value > high)
    message = F.concat(
        F.lit(f"{column.name} is "), value.cast("string"), F.lit(f", expected {wanted}")
    )
    return [F.when(is_outside, message)]
