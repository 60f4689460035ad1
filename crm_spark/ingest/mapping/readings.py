"""Readings: what an expression gives in the type of its column, and why it gives nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.amounts import amount_hint
from crm_spark.ingest.mapping.blanks import without_blanks
from crm_spark.ingest.mapping.currency import CURRENCY, as_code
from crm_spark.ingest.mapping.fields import Field
from crm_spark.ingest.mapping.ids import id_notes, id_value, is_cut_id, is_id
from crm_spark.ingest.mapping.made_once import made_once
from crm_spark.ingest.mapping.times import (
    LAST_YEAR,
    is_beyond,
    is_number_as_seconds,
    is_time_alone,
    time_hint,
    whole_number,
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


@made_once
def reading_notes(field: Field) -> dict[str, Column]:
    """Give what read_column() reads of a field, by the name that it reads it by."""
    if is_id(field.column):
        return id_notes(field)
    notes = {field.note(_TYPED): typed(field.written, field.column)}
    if _is_time(field.column.type):
        number = whole_number(field.only)
        notes |= {} if number is None else {field.note(_NUMBER): number}
    return notes


def read_column(field: Field) -> Reading:
    """Read what a field's expression gives for its column of core."""
    column = field.column
    if is_id(column):
        lost = F.when(is_cut_id(field), F.lit(f"{column.name} {_LOST_DIGITS}"))
        return Reading(id_value(field), loss=lost)
    if _is_time(column.type):
        return _read_time(field)
    value, only = typed_value(field), field.only
    if isinstance(column.type, T.FractionalType) and only is not None:
        is_text = isinstance(only.kind, T.StringType)
        return Reading(value, hint=amount_hint(only.value, only.name) if is_text else None)
    return Reading(value)


def typed_value(field: Field) -> Column:
    """Give what a field that is no id makes, cast to the type of its column."""
    return F.col(field.note(_TYPED))


def typed(value: Column, column: TableColumn) -> Column:
    """Cast to the column's type; text is trimmed, the empty text null, a currency its code."""
    cast = value.cast(column.type)
    if not isinstance(column.type, T.StringType):
        return cast
    plain = without_blanks(cast)
    plain = as_code(plain) if column.name == CURRENCY else plain
    return F.when(plain != "", plain)


def unreadable(field: Field) -> str:
    """Give the reason of a value that the column's type cannot hold."""
    column, names = field.column, [source.name for source in field.sources]
    wanted = "an id" if is_id(column) else column.type.simpleString()
    return f"{column.name} cannot be read as {wanted} from {', '.join(names)}"


_TYPED, _NUMBER = "typed", "number"


def _is_time(kind: Any) -> bool:
    return isinstance(kind, T.TimestampType | T.DateType)


def _read_time(field: Field) -> Reading:
    only, value = field.only, typed_value(field)
    if "'" not in field.expression.text:
        # Spark takes a time alone for one of today.
        value = F.when(~is_time_alone(only), value)
    named = ", ".join(source.name for source in field.sources) or field.expression.text
    reason = F.lit(f"{field.name} is beyond the year {LAST_YEAR} ({named})")
    hint, beyond = None, is_beyond(value)
    if only is not None and field.note(_NUMBER) in reading_notes(field):
        number = F.col(field.note(_NUMBER))
        hint = time_hint(only, number)
        reason = F.coalesce(F.concat(F.lit(f"{unreadable(field)}: "), hint), reason)
        beyond = beyond | is_number_as_seconds(value, number)
    return Reading(F.when(~beyond, value), loss=F.when(beyond, reason), hint=hint)
