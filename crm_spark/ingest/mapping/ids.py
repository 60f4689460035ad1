"""Ids: text in one form each, whatever type or spelling the source has them in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.reading.schema import quoted
from crm_spark.lake.contract import Column as TableColumn

# Blanks of any kind, and characters that nobody sees: no-break spaces, zero-width ones, marks.
_BLANK = r"[\s\p{Z}\p{Cc}\p{Cf}]+"
_ASCII_BLANKS = "".join(map(chr, range(33))) + "\x7f"
# As programs write whole numbers that have become floating point: 17850.0, 1.785E4.
_POINT_ZERO = r"^-?[0-9]+\.0$"
_SCIENTIFIC = r"^-?[0-9]\.[0-9]+E[0-9]+$"
_NO_NUMBER = r"(?i)^\s*[+-]?(nan|inf|infinity)\s*$"
# Beyond these a floating number does not tell neighbouring whole numbers apart.
_LARGEST_EXACT = {T.FloatType: 2**24, T.DoubleType: 2**53}


def is_id(column: TableColumn) -> bool:
    """Whether a column of core names a thing by text."""
    return column.name.endswith("_id") and isinstance(column.type, T.StringType)


def id_value(df: DataFrame, text: str, sources: Sequence[str]) -> Column:
    """Give the id that an expression over these source columns makes, as text.

    Whole numbers have no decimals and no exponent, whatever type they have; text that programs
    write of such a number is that number, and all other text keeps its characters, leading zeros,
    too, but for blanks and invisible characters at its ends. Null where it is blank, no number
    (NaN, infinity), or a number of which a double has lost digits. To be called as the expressions
    of the source are analysed.
    """
    value = F.expr(text)
    kind = df.select(value).schema[0].dataType
    if isinstance(kind, T.StringType):
        plain = without_blanks(value)
        return F.when(plain != "", _without_decimals(plain))
    if not isinstance(kind, T.NumericType):
        return value.cast("string")
    is_whole = value == F.floor(value)
    as_text = F.when(is_whole, value.cast("decimal(38,0)").cast("string"))
    found = F.coalesce(as_text, value.cast("string"))
    limit = _largest_exact([kind, *[df.schema[name].dataType for name in sources]], text)
    if limit is not None:
        found = F.when(F.abs(value) <= limit, found)
    # Cast to a whole number, NaN would be 0.
    return F.when(~is_no_number(df, sources), found)


def _largest_exact(kinds: Sequence[T.DataType], text: str) -> int | None:
    """Give up to where an expression over such columns gives exact whole numbers; None: always."""
    limits = [
        limit
        for kind, limit in _LARGEST_EXACT.items()
        if any(isinstance(one, kind) for one in kinds)
        or re.search(rf"\b{kind.typeName()}\b", text, re.IGNORECASE)
    ]
    return min(limits, default=None)


def without_blanks(text: Column) -> Column:
    """Take blanks of any kind and invisible characters off both ends."""
    is_ascii = F.octet_length(text) == F.char_length(text)
    plain = F.btrim(text, F.lit(_ASCII_BLANKS))
    other = F.regexp_replace(text, f"^{_BLANK}|{_BLANK}$", "")
    return F.when(is_ascii, plain).otherwise(other)


def is_no_number(df: DataFrame, names: Sequence[str]) -> Column:
    """Whether any of these columns holds NaN or infinity, as a number or as text."""
    tests = [F.lit(False)]
    for name in names:
        kind, column = df.schema[name].dataType, F.col(quoted(name))
        if isinstance(kind, T.StringType):
            tests.append(column.rlike(_NO_NUMBER))
        elif isinstance(kind, T.FloatType | T.DoubleType):
            tests.append(F.isnan(column) | (F.abs(column) == F.lit(float("inf"))))
    return reduce(or_, [F.coalesce(test, F.lit(False)) for test in tests])


def _without_decimals(text: Column) -> Column:
    is_point_zero = F.endswith(text, F.lit(".0")) & text.rlike(_POINT_ZERO)
    is_scientific = F.contains(text, F.lit("E")) & text.rlike(_SCIENTIFIC)
    number = text.cast("decimal(38,10)")
    is_whole = (number == F.floor(number)) & (F.abs(number) <= _LARGEST_EXACT[T.DoubleType])
    return (
        F.when(is_point_zero, F.substring_index(text, ".", 1))
        .when(is_scientific & is_whole, number.cast("decimal(38,0)").cast("string"))
        .otherwise(text)
    )
