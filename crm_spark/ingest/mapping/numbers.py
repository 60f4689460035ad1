"""Whole numbers in the user's expressions: never wrapped around, never cut to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.expressions import Expression
from crm_spark.ingest.reading.schema import quoted

CUT_DECIMALS = "[CUT_DECIMALS]"
_RAISED = re.compile(re.escape(CUT_DECIMALS) + r" (.+?)(?: SQLSTATE.*)?$", re.MULTILINE)
_CUT_TO_WHOLE = re.compile(r"cast\((.+?)#\d+L? as (?:tinyint|smallint|int|bigint)\)")


def widen_whole_numbers(df: DataFrame) -> DataFrame:
    """Turn small whole numbers into BIGINT: with ANSI off `n * n` of an INT wraps silently."""
    small = (T.ByteType, T.ShortType, T.IntegerType)
    widened = {
        field.name: F.col(quoted(field.name)).cast(T.LongType())
        for field in df.schema.fields
        if isinstance(field.dataType, small)
    }
    return df.withColumns(widened) if widened else df


def refuse_cut_decimals(df: DataFrame, expressions: Iterable[Expression]) -> DataFrame:
    """Fail on the first row whose text Spark would silently cut to a whole number.

    Comparing text with a whole number, Spark reads the text as one: in `UnitPrice > 0` a price of
    '0.85' becomes 0, and the row is lost. Columns whose values are whole numbers pass unharmed. To
    be called as the expressions of the source are analysed.
    """
    text = {field.name for field in df.schema.fields if isinstance(field.dataType, T.StringType)}
    cut: dict[str, str] = {}
    for expression in expressions:
        for name in set(_CUT_TO_WHOLE.findall(expression.plan)) & text:
            own_cast = re.compile(rf"cast\s*\(\s*`?{re.escape(name)}`?\s+as", re.IGNORECASE)
            if not own_cast.search(expression.text):
                cut[name] = expression.text
    for name, of_user in cut.items():
        column = F.col(quoted(name))
        as_number, as_whole = column.cast("double"), column.cast("bigint")
        is_cut = as_number.isNotNull() & ~as_number.eqNullSafe(as_whole.cast("double"))
        message = (
            f"{CUT_DECIMALS} {of_user!r} compares the text column {name} with a whole number, "
            f"which would cut the decimals of its values off: write cast({name} as double)"
        )
        df = df.where(F.when(is_cut, F.raise_error(message).cast("boolean")).otherwise(True))
    return df


def cut_decimals(error: Exception) -> str | None:
    """Give what a row has shown of an expression that cuts decimals off; None: of none."""
    found = _RAISED.search(str(error))
    return found[1] if found else None
