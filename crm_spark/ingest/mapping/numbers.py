"""Whole numbers in the user's expressions: never wrapped around, never cut to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.analysis import lenient_analysis
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


def refuse_cut_decimals(df: DataFrame, expressions: Iterable[str], *, time_zone: str) -> DataFrame:
    """Fail on the first row whose text Spark would silently cut to a whole number.

    Comparing text with a whole number, Spark reads the text as one: in `UnitPrice > 0` a price of
    '0.85' becomes 0, and the row is lost. Columns whose values are whole numbers pass unharmed.
    """
    text = {field.name for field in df.schema.fields if isinstance(field.dataType, T.StringType)}
    cut: dict[str, str] = {}
    with lenient_analysis(df.sparkSession, time_zone):
        for expression in expressions:
            plan = df.select(F.expr(expression))._jdf.queryExecution().analyzed().toString()
            for name in set(_CUT_TO_WHOLE.findall(plan)) & text:
                own_cast = re.compile(rf"cast\s*\(\s*`?{re.escape(name)}`?\s+as", re.IGNORECASE)
                if not own_cast.search(expression):
                    cut[name] = expression
        for name, expression in cut.items():
            column = F.col(quoted(name))
            as_number, as_whole = column.cast("double"), column.cast("bigint")
            is_cut = as_number.isNotNull() & ~as_number.eqNullSafe(as_whole.cast("double"))
            message = (
                f"{CUT_DECIMALS} {expression!r} compares the text column {name} with a whole "
                f"number, which would cut the decimals of its values off: write "
                f"cast({name} as double)"
            )
            df = df.where(F.when(is_cut, F.raise_error(message).cast("boolean")).otherwise(True))
    return df


def cut_decimals(error: Exception) -> str | None:
    """Give what a row has shown of an expression that cuts decimals off; None: of none."""
    found = _RAISED.search(str(error))
    return found[1] if found else None
