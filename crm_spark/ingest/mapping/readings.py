"""Readings: what an expression gives in the type of its column, and why it gives nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.amounts import amount_hint
from crm_spark.ingest.mapping.blanks import without_blanks
from crm_spark.ingest.mapping.currency import CURRENCY, as_code
from crm_spark.ingest.mapping.expressions import kind_of
from crm_spark.ingest.mapping.ids import id_value, is_cut_id, is_id
from crm_spark.ingest.mapping.times import (
    LAST_YEAR,
    is_beyond,
    is_number_as_seconds,
    is_time_alone,
    time_hint,
)
from crm_spark.lake.contract import Column as TableColumn

_LOST_DIGITS = "has lost digits (a rounded number, as 1.2E+17 is): export the column as text"


@dataclass(frozen=True)
class Reading:
    """A value in the type of its column, null where it cannot be had.

    `loss` is the reason of a value that is there and is not believed; `hint` is what to write where
    one cannot be read. Both are null elsewhere.
    """

    value: Column
    loss: Column | None = None
    hint: Column | None = None


def read_column(df: DataFrame, text: str, column: TableColumn, sources: Sequence[str]) -> Reading:
    """Read what an expression over these source columns gives for a column of core.

    To be called as the expressions of the source are analysed.
    """
    if is_id(column):
        lost = F.when(is_cut_id(df, text, sources), F.lit(f"{column.name} {_LOST_DIGITS}"))
        return Reading(id_value(df, text, sources), loss=lost)
    value = typed(as_written(df, text), column)
    if isinstance(column.type, T.TimestampType | T.DateType):
        return _read_time(df, text, value, column, sources)
    only = sources[0] if len(sources) == 1 else None
    if isinstance(column.type, T.FractionalType) and only is not None:
        is_text = isinstance(df.schema[only].dataType, T.StringType)
        return Reading(value, hint=amount_hint(only) if is_text else None)
    return Reading(value)


def as_written(df: DataFrame, text: str) -> Column:
    """Give what an expression makes; text without blanks around it."""
    value = F.expr(text)
    return without_blanks(value) if isinstance(kind_of(df, text), T.StringType) else value


def typed(value: Column, column: TableColumn) -> Column:
    """Cast to the column's type; text is trimmed, the empty text null, a currency its code."""
    cast = value.cast(column.type)
    if not isinstance(column.type, T.StringType):
        return cast
    plain = without_blanks(cast)
    plain = as_code(plain) if column.name == CURRENCY else plain
    return F.when(plain != "", plain)


def unreadable(column: TableColumn, sources: Sequence[str]) -> str:
    """Give the reason of a value that the column's type cannot hold."""
    wanted = "an id" if is_id(column) else column.type.simpleString()
    return f"{column.name} cannot be read as {wanted} from {', '.join(sources)}"


def _read_time(
    df: DataFrame, text: str, value: Column, column: TableColumn, sources: Sequence[str]
) -> Reading:
    only = sources[0] if len(sources) == 1 else None
    if "'" not in text:
        # Spark takes a time alone for one of today.
        value = F.when(~is_time_alone(df, only), value)
    hint, beyond = time_hint(df, only), is_beyond(value)
    reason = F.lit(f"{column.name} is beyond the year {LAST_YEAR} ({', '.join(sources) or text})")
    if hint is not None:
        looks = F.concat(F.lit(f"{unreadable(column, sources)}: "), hint)
        reason = F.coalesce(looks, reason)
        beyond = beyond | is_number_as_seconds(df, value, only)
    return Reading(F.when(~beyond, value), loss=F.when(beyond, reason), hint=hint)
