"""Ids: text in one form each, whatever type or spelling the source has them in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.blanks import without_blanks
from crm_spark.ingest.mapping.exponents import LARGEST_EXACT, has_lost_digits, written_out
from crm_spark.ingest.mapping.expressions import kind_of
from crm_spark.ingest.reading.schema import quoted
from crm_spark.lake.contract import Column as TableColumn

# As programs write whole numbers that have become floating point.
_POINT_ZERO = r"^-?[0-9]+\.0$"
_NO_NUMBER = r"(?i)^\s*[+-]?(nan|inf|infinity)\s*$"
# Beyond these a floating number does not tell neighbouring whole numbers apart.
_LARGEST_EXACT = {T.FloatType: 2**24, T.DoubleType: LARGEST_EXACT}


def is_id(column: TableColumn) -> bool:
    """Whether a column of core names a thing by text."""
    return column.name.endswith("_id") and isinstance(column.type, T.StringType)


def id_value(df: DataFrame, text: str, sources: Sequence[str]) -> Column:
    """Give the id that an expression over these source columns makes, as text.

    Whole numbers have no decimals and no exponent, whatever type they have; text that programs
    write of such a number is that number, and all other text keeps its characters, leading zeros,
    too, but for blanks and invisible characters at its ends. Null where it is blank, no number
    (NaN, infinity), or a number that has lost digits. To be called as the expressions of the source
    are analysed.
    """
    value, kind = F.expr(text), kind_of(df, text)
    if not isinstance(kind, T.NumericType):
        plain = without_blanks(value.cast("string"))
        return F.when((plain != "") & ~has_lost_digits(plain), _without_decimals(plain))
    as_text = F.when(value == F.floor(value), value.cast("decimal(38,0)").cast("string"))
    found = F.coalesce(as_text, value.cast("string"))
    # Cast to a whole number, NaN would be 0.
    return F.when(~is_no_number(df, sources) & ~is_cut_id(df, text, sources), found)


def is_cut_id(df: DataFrame, text: str, sources: Sequence[str]) -> Column:
    """Whether the id that an expression makes is a number that has lost digits; never null.

    Two ids may be one so: Excel writes 8.96529E+19 of both, a double cannot hold both.
    """
    value, kind = F.expr(text), kind_of(df, text)
    if not isinstance(kind, T.NumericType):
        return F.coalesce(has_lost_digits(without_blanks(value.cast("string"))), F.lit(False))
    kinds = [df.schema[name].dataType for name in sources]
    tests = [
        has_lost_digits(without_blanks(F.col(quoted(name))))
        for name, one in zip(sources, kinds, strict=True)
        if isinstance(one, T.StringType)
    ]
    limit = _largest_exact([kind, *kinds], text)
    if limit is not None:
        tests.append((F.abs(value) > limit) & ~is_no_number(df, sources))
    return reduce(or_, [F.coalesce(test, F.lit(False)) for test in tests], F.lit(False))


def _largest_exact(kinds: Sequence[T.DataType], text: str) -> int | None:
    """Give up to where an expression over such columns gives exact whole numbers; None: always."""
    limits = [
        limit
        for kind, limit in _LARGEST_EXACT.items()
        if any(isinstance(one, kind) for one in kinds)
        or re.search(rf"\b{kind.typeName()}\b", text, re.IGNORECASE)
    ]
    return min(limits, default=None)


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
    return F.when(is_point_zero, F.substring_index(text, ".", 1)).otherwise(written_out(text))
