"""Ids: text in one form each, whatever type or spelling the source has them in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.exponents import LARGEST_EXACT, LOST, written_out
from crm_spark.ingest.mapping.fields import Field, SourceColumn
from crm_spark.lake.contract import Column as TableColumn

# As programs write whole numbers that have become floating point, or have decimals in a database.
# Three zeros may be thousands: 17.000 stays what it is.
_POINT_ZERO = r"^-?[0-9]+(\.0|\.00|\.0{4,}|,0)$"
_NO_NUMBER = r"(?i)^[+-]?(nan|inf|infinity)$"
# Beyond these a floating number does not tell neighbouring whole numbers apart.
_LARGEST_EXACT = {T.FloatType: 2**24, T.DoubleType: LARGEST_EXACT}


def is_id(column: TableColumn) -> bool:
    """Whether a column of core names a thing by text."""
    return column.name.endswith("_id") and isinstance(column.type, T.StringType)


def id_notes(field: Field) -> dict[str, Column]:
    """Give what id_value() and is_cut_id() read of an id besides what is written."""
    return {} if _is_number(field) else {_digits(field): written_out(_as_text(field))}


def id_value(field: Field) -> Column:
    """Give the id that a field's expression makes, as text.

    Whole numbers have no decimals and no exponent, whatever type they have; text that programs
    write of such a number is that number, and all other text keeps its characters, leading zeros,
    too, but for blanks and invisible characters at its ends. Null where it is blank, no number
    (NaN, infinity), or a number that has lost digits.
    """
    value = field.written
    if not _is_number(field):
        form = F.coalesce(F.col(_digits(field)), _without_decimals(_as_text(field)))
        return F.when((_as_text(field) != "") & ~is_cut_id(field), form)
    as_text = F.when(value == F.floor(value), value.cast("decimal(38,0)").cast("string"))
    found = F.coalesce(as_text, value.cast("string"))
    # Cast to a whole number, NaN would be 0.
    return F.when(~is_no_number(field.sources) & ~is_cut_id(field), found)


def is_cut_id(field: Field) -> Column:
    """Whether the id that a field's expression makes is a number that has lost digits; never null.

    Two ids may be one so: Excel writes 8.96529E+19 of both, a double cannot hold both.
    """
    if not _is_number(field):
        return F.coalesce(F.col(_digits(field)) == LOST, F.lit(False))
    tests = [written_out(source.value) == LOST for source in field.sources if source.is_text]
    kinds = [field.expression.kind, *[source.kind for source in field.sources]]
    limit = _largest_exact(kinds, field.expression.text)
    if limit is not None:
        tests.append((F.abs(field.written) > limit) & ~is_no_number(field.sources))
    return reduce(or_, [F.coalesce(test, F.lit(False)) for test in tests], F.lit(False))


def is_no_number(sources: Sequence[SourceColumn]) -> Column:
    """Whether any of these columns holds NaN or infinity, as a number or as text."""
    tests = [F.lit(False)]
    for source in sources:
        if source.is_text:
            tests.append(source.value.rlike(_NO_NUMBER))
        elif isinstance(source.kind, T.FloatType | T.DoubleType):
            tests.append(F.isnan(source.value) | (F.abs(source.value) == F.lit(float("inf"))))
    return reduce(or_, [F.coalesce(test, F.lit(False)) for test in tests])


def _is_number(field: Field) -> bool:
    return isinstance(field.expression.kind, T.NumericType)


def _digits(field: Field) -> str:
    return field.note("digits")


def _as_text(field: Field) -> Column:
    return field.written if field.is_text else field.written.cast("string")


def _largest_exact(kinds: Sequence[T.DataType], text: str) -> int | None:
    """Give up to where an expression over such columns gives exact whole numbers; None: always."""
    limits = [
        limit
        for kind, limit in _LARGEST_EXACT.items()
        if any(isinstance(one, kind) for one in kinds)
        or re.search(rf"\b{kind.typeName()}\b", text, re.IGNORECASE)
    ]
    return min(limits, default=None)


def _without_decimals(text: Column) -> Column:
    is_point_zero = F.endswith(text, F.lit("0")) & text.rlike(_POINT_ZERO)
    return F.when(is_point_zero, F.regexp_extract(text, "^-?[0-9]+", 0)).otherwise(text)
