"""From a user's columns to ours: typed values, and reasons for rejection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.mapping.expressions import kind_of, referenced_columns
from crm_spark.ingest.mapping.ids import is_id, is_no_number
from crm_spark.ingest.mapping.numbers import widen_whole_numbers
from crm_spark.ingest.mapping.readings import as_written, read_column, typed
from crm_spark.ingest.mapping.reasons import has_source, is_required, reasons_of
from crm_spark.ingest.mapping.where import IS_WANTED, UNDECIDED_BY, is_wanted, undecided_by
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.ingest.reading.schema import quoted
from crm_spark.ingest.reading.shapes import as_it_came
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
    df = widen_whole_numbers(df)
    columns: list[Column] = [column.alias(name) for name, column in (keep or {}).items()]
    reasons: list[Column] = []
    with lenient_analysis(df.sparkSession, time_zone):
        for column in table.columns:
            if column.mapping is None:
                continue
            if column.name not in mapping:
                columns.append(F.lit(None).cast(column.type).alias(column.name))
                continue
            mapped, found = _map_column(df, table, column, mapping, (missing or {}))
            columns += mapped
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
            columns.append(_row_as_it_came(df, row_columns).alias(SOURCE_ROW))
        return df.select(*columns)


def _map_column(
    df: DataFrame,
    table: Table,
    column: TableColumn,
    mapping: Mapping[str, str],
    missing: Mapping[str, str],
) -> tuple[list[Column], list[Column]]:
    """Give a mapped column, with what is noted of it, and its reasons for rejection."""
    text = mapping[column.name]
    sources = referenced_columns(df, text)
    reading, is_there = read_column(df, text, column, sources), has_source(sources)
    mapped = []
    if constant := missing.get(column.name):
        is_missing, stand_in = ~is_there, typed(F.lit(constant), column)
        mapped.append(is_missing.alias(is_filled(column.name)))
        value = F.when(is_missing, stand_in).otherwise(reading.value)
        reading = replace(reading, value=value)
    mapped.append(reading.value.alias(column.name))
    if isinstance(column.type, T.DecimalType):
        # A tenth of a cent is rounded to zero, but is none.
        is_zero = as_written(df, text).cast("double") == 0
        mapped.append(is_zero.alias(is_zero_before_rounding(column.name)))
    if column.name == "amount":
        mapped.append(_as_text(df, text).alias(AMOUNT_TEXT))
    if is_id(column):
        is_there = is_there & ~is_no_number(df, sources)
    reasons = reasons_of(
        column, text, reading, sources, is_there=is_there, is_required=is_required(column, table)
    )
    if "is_deleted" in mapping and column.name not in {*table.key, "customer_id", "order_id"}:
        # Who says that a line is void need not say what was in it.
        is_kept = ~F.coalesce(F.expr(mapping["is_deleted"]).cast("boolean"), F.lit(False))
        reasons = [F.when(is_kept, reason) for reason in reasons]
    return mapped, reasons


def _as_text(df: DataFrame, text: str) -> Column:
    """Give what an expression makes, where that is text."""
    is_text = isinstance(kind_of(df, text), T.StringType)
    return as_written(df, text) if is_text else F.lit(None).cast("string")


def _row_as_it_came(df: DataFrame, names: Sequence[str]) -> Column:
    given = set(df.columns)
    own = {name: as_it_came(name) if as_it_came(name) in given else name for name in names}
    kept = [F.col(quoted(own[name])).alias(name) for name in names if name != CORRUPT_RECORD]
    row = F.to_json(F.struct(*kept), ROW_JSON)
    return F.coalesce(F.col(CORRUPT_RECORD), row) if CORRUPT_RECORD in df.columns else row


def is_filled(name: str) -> str:
    """Name the column that says whether a constant stands for a missing value of another."""
    return f"_is_filled_{name}"


def is_zero_before_rounding(name: str) -> str:
    """Name the column that says whether a number was zero before it was rounded."""
    return f"_is_zero_{name}"


def _no_reasons() -> Column:
    return F.array().cast(T.ArrayType(T.StringType()))
