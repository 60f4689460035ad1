"""From a user's columns to ours: typed values, and reasons for rejection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.mapping.expressions import referenced_columns
from crm_spark.ingest.mapping.ids import id_value, is_id, is_no_number
from crm_spark.ingest.mapping.numbers import widen_whole_numbers
from crm_spark.ingest.mapping.where import IS_WANTED, UNDECIDED_BY, is_wanted, undecided_by
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.ingest.reading.schema import quoted
from crm_spark.lake.contract import Column as TableColumn
from crm_spark.lake.contract import Table
from crm_spark.tables.core import SOURCE_FILE

REASONS = "_reasons"
_MISFIT = "the row does not fit the file's format"
SOURCE_ROW = "_row"
# The amount as the source writes it; null where it is no text.
AMOUNT_TEXT = "_amount_text"

# How a rejected row is written, so that it can be read again as it was.
ROW_JSON = {
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}

# It says what is taken where a column is null.
_STANDS_IN = re.compile(r"\b(coalesce|nvl2?|ifnull)\s*\(", re.I)
_TIME_ALONE = r"^\s*T?[0-9]{1,2}:[0-9]{1,2}"

# A mapping that says by itself when it gives null is not at fault when it does.
_GIVES_NULL_ON_PURPOSE = re.compile(r"\b(nullif|case|if|iff|try_\w+|coalesce|nvl|get)\b", re.I)


def is_usable() -> Column:
    """Whether a mapped row is wanted, and nothing speaks against it."""
    return F.col(IS_WANTED) & (F.size(REASONS) == 0)


def map_source(
    df: DataFrame,
    table: Table,
    mapping: Mapping[str, str],
    *,
    time_zone: str,
    source_file: Column,
    where: str | None = None,
    misfit: Column | None = None,
    row_columns: Sequence[str] | None = None,
    keep: Mapping[str, Column] | None = None,
    missing: Mapping[str, str] | None = None,
) -> DataFrame:
    """Give the source's rows in the columns of `table`, each with its reasons for rejection.

    Reads the source's columns; gives every mappable column of `table` (null where not mapped),
    source_file, _reasons (empty for a row that can be used), _is_wanted (whether `where` holds),
    _undecided_by (the null columns for which it is neither true nor false), _amount_text (an amount
    as it is written, where it is mapped and text), the columns in `keep`, and with `row_columns`
    these of the row as it came, as JSON. `missing` gives constants in place of missing values, by
    column, and adds is_filled(column), whether it was. A value that an expression or the column's
    type cannot turn becomes null, and is a reason; `misfit` is that of a line that does not fit its
    file.
    Raises AnalysisException for an expression that does not fit the source.
    """
    spark = df.sparkSession
    df = widen_whole_numbers(df)
    needed_of_deletions = {*table.key, "customer_id", "order_id"}
    columns: list[Column] = [column.alias(name) for name, column in (keep or {}).items()]
    reasons: list[Column] = []
    with lenient_analysis(spark, time_zone):
        for column in table.columns:
            if column.mapping is None:
                continue
            text = mapping.get(column.name)
            if text is None:
                columns.append(F.lit(None).cast(column.type).alias(column.name))
                continue
            sources = referenced_columns(df, text)
            value, has_source = _value(df, text, column, sources), _has_source(sources)
            if constant := (missing or {}).get(column.name):
                is_missing = ~has_source
                columns.append(is_missing.alias(is_filled(column.name)))
                value = F.when(is_missing, _typed(F.lit(constant), column)).otherwise(value)
            columns.append(value.alias(column.name))
            if isinstance(column.type, T.DecimalType):
                # A tenth of a cent is rounded to zero, but is none.
                columns.append(
                    (F.expr(text).cast("double") == 0).alias(is_zero_before_rounding(column.name))
                )
            if column.name == "amount":
                columns.append(_as_text(df, text).alias(AMOUNT_TEXT))
            if is_id(column):
                has_source = has_source & ~is_no_number(df, sources)
            found = _reasons_of(
                column,
                text,
                value,
                sources,
                has_source=has_source,
                is_required=is_required(column, table),
            )
            if "is_deleted" in mapping and column.name not in needed_of_deletions:
                # Who says that a line is void need not say what was in it.
                is_kept = ~F.coalesce(F.expr(mapping["is_deleted"]).cast("boolean"), F.lit(False))
                found = [F.when(is_kept, reason) for reason in found]
            reasons += found
        all_reasons = F.array_compact(F.array(*reasons)) if reasons else _no_reasons()
        if CORRUPT_RECORD in df.columns:
            all_reasons = F.when(F.col(CORRUPT_RECORD).isNull(), all_reasons).otherwise(
                F.array(F.lit(_MISFIT) if misfit is None else misfit)
            )
        columns += [source_file.alias(SOURCE_FILE), all_reasons.alias(REASONS)]
        columns.append(is_wanted(df, where).alias(IS_WANTED))
        columns.append(undecided_by(df, where).alias(UNDECIDED_BY))
        if row_columns is not None:
            kept = [F.col(quoted(name)) for name in row_columns if name != CORRUPT_RECORD]
            row = F.to_json(F.struct(*kept), ROW_JSON)
            if CORRUPT_RECORD in df.columns:
                row = F.coalesce(F.col(CORRUPT_RECORD), row)
            columns.append(row.alias(SOURCE_ROW))
        return df.select(*columns)


def is_filled(name: str) -> str:
    """Name the column that says whether a constant stands for a missing value of another."""
    return f"_is_filled_{name}"


def is_required(column: TableColumn, table: Table) -> bool:
    """Whether a row without a value in this column cannot be used."""
    is_key = column.name in table.key and not column.nullable
    return column.mapping == "required" or is_key


def allows_null(text: str) -> bool:
    """Whether an expression says what stands in for a column that is null."""
    return _STANDS_IN.search(text) is not None


def gives_null_on_purpose(text: str) -> bool:
    """Whether an expression says by itself when it gives null."""
    return _GIVES_NULL_ON_PURPOSE.search(text) is not None


def is_zero_before_rounding(name: str) -> str:
    """Name the column that says whether a number was zero before it was rounded."""
    return f"_is_zero_{name}"


def _no_reasons() -> Column:
    return F.array().cast(T.ArrayType(T.StringType()))


def _value(df: DataFrame, text: str, column: TableColumn, sources: Sequence[str]) -> Column:
    if is_id(column):
        return id_value(df, text, sources)
    value = _typed(F.expr(text), column)
    if isinstance(column.type, T.TimestampType | T.DateType) and "'" not in text:
        # Spark takes a time alone for one of today.
        return F.when(~_is_time_alone(df, sources), value)
    return value


def _is_time_alone(df: DataFrame, sources: Sequence[str]) -> Column:
    """Whether the only source is text, and a time of day without a date."""
    if len(sources) != 1 or not isinstance(df.schema[sources[0]].dataType, T.StringType):
        return F.lit(False)
    return F.coalesce(F.col(quoted(sources[0])).rlike(_TIME_ALONE), F.lit(False))


def _as_text(df: DataFrame, text: str) -> Column:
    """Give what an expression makes, where that is text."""
    value = F.expr(text)
    is_text = isinstance(df.select(value).schema[0].dataType, T.StringType)
    return F.trim(value) if is_text else F.lit(None).cast("string")


def _typed(value: Column, column: TableColumn) -> Column:
    """Cast to the column's type; text is trimmed and the empty text is null."""
    typed = value.cast(column.type)
    if isinstance(column.type, T.StringType):
        typed = F.trim(typed)
        return F.when(typed != "", typed)
    return typed


def _reasons_of(
    column: TableColumn,
    text: str,
    value: Column,
    sources: list[str],
    *,
    has_source: Column,
    is_required: bool,
) -> list[Column]:
    """Give the reasons this column can have: missing, or there but not readable."""
    if not is_required and gives_null_on_purpose(text):
        return []
    if not sources:
        missing = F.lit(f"{column.name} is missing: {text} is null")
        return [F.when(value.isNull(), missing)] if is_required else []
    wanted = "an id" if is_id(column) else column.type.simpleString()
    unreadable = F.lit(f"{column.name} cannot be read as {wanted} from {', '.join(sources)}")
    reason = F.when(value.isNull() & has_source, unreadable)
    if is_required:
        missing = F.lit(f"{column.name} is missing ({', '.join(sources)})")
        reason = reason.when(value.isNull(), missing)
    return [reason, *_out_of_range(column, value)]


def _has_source(sources: list[str]) -> Column:
    """Whether every column that an expression reads holds something."""
    has_source = F.lit(True)
    for name in sources:
        column = F.col(quoted(name))
        has_source = has_source & column.isNotNull() & (F.trim(column.cast("string")) != "")
    return has_source


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
