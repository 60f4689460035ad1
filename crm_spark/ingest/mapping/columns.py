"""From a user's columns to ours: typed values, and reasons for rejection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.mapping.expressions import analysed
from crm_spark.ingest.mapping.fields import Field, fields_of, written_out
from crm_spark.ingest.mapping.ids import is_id, is_no_number
from crm_spark.ingest.mapping.made_once import made_once
from crm_spark.ingest.mapping.numbers import refuse_cut_decimals, widen_whole_numbers
from crm_spark.ingest.mapping.readings import read_column, reading_notes, typed, typed_value
from crm_spark.ingest.mapping.reasons import REASONS, is_required, reasons_of, with_reasons
from crm_spark.ingest.mapping.where import IS_WANTED, UNDECIDED_BY, is_wanted, undecided_by
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.ingest.reading.schema import quoted
from crm_spark.ingest.reading.shapes import as_it_came
from crm_spark.lake.contract import Table
from crm_spark.tables.core import SOURCE_FILE

_MISFIT = "the row does not fit the file's format"
SOURCE_ROW = "_row"
# The amount as the source writes it; null where it is no text.
AMOUNT_TEXT = "_amount_text"
# Why a line is no row of its file; null for one that is.
_WHY_MISFIT = "_why_misfit"

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
    Raises AnalysisException for an expression that does not fit the source; text that an expression
    would cut to a whole number fails the job that reads it.
    """
    own = [column for column in table.columns if column.mapping is not None]
    texts = {column.name: mapping[column.name] for column in own if column.name in mapping}
    df = widen_whole_numbers(df)
    with lenient_analysis(df.sparkSession, time_zone):
        found = analysed(df, texts if where is None else {**texts, _WHERE: where})
        df = refuse_cut_decimals(df, found.values())
        condition, fields = found.pop(_WHERE, None), fields_of(df, own, found)
        others = {
            **(keep or {}),
            SOURCE_FILE: source_file,
            IS_WANTED: is_wanted(df, condition),
            UNDECIDED_BY: undecided_by(df, condition),
        }
        if row_columns is not None:
            others[SOURCE_ROW] = _row_as_it_came(df, row_columns)
        if has_misfits := CORRUPT_RECORD in df.columns:
            others[_WHY_MISFIT] = _why_misfit(misfit)
        written = written_out(df, fields, others)
        notes = {name: note for field in fields for name, note in reading_notes(field).items()}
        noted = written.select("*", *[note.alias(name) for name, note in notes.items()])

        is_kept = _is_kept(fields)
        mapped = {column.name: F.lit(None).cast(column.type) for column in own}
        reasons: list[Column] = []
        for field in fields:
            is_needed, constant = is_required(field.column, table), (missing or {}).get(field.name)
            columns, of_field = _map_field(field, is_needed, constant)
            mapped |= columns
            if is_kept is not None and field.name not in {*table.key, "customer_id", "order_id"}:
                of_field = [F.when(is_kept, reason) for reason in of_field]
            reasons += of_field
        if has_misfits:  # what else is wrong with such a line says nothing
            is_row = F.col(_WHY_MISFIT).isNull()
            reasons = [F.col(_WHY_MISFIT), *(F.when(is_row, reason) for reason in reasons)]
        mapped |= {name: F.col(name) for name in others if name != _WHY_MISFIT}
        given = [column.alias(name) for name, column in mapped.items()]
        return with_reasons(noted, reasons, columns=given)


_WHERE = "where"


@made_once
def _map_field(
    field: Field, is_needed: bool, constant: str | None
) -> tuple[dict[str, Column], list[Column]]:
    """Give a mapped column, with what is noted of it, and its reasons for rejection.

    `constant` stands in for a value that is missing.
    """
    name, reading, is_there = field.name, read_column(field), field.has_sources
    mapped = {}
    if constant:
        is_missing, stand_in = ~is_there, typed(F.lit(constant), field.column)
        mapped[is_filled(name)] = is_missing
        value = F.when(is_missing, stand_in).otherwise(reading.value)
        reading = replace(reading, value=value)
    mapped[name] = reading.value
    if isinstance(field.column.type, T.DecimalType):
        # A tenth of a cent is rounded to zero, but is none.
        mapped[is_zero_before_rounding(name)] = field.written.cast("double") == 0
    if name == "amount":
        is_text = isinstance(field.expression.kind, T.StringType)
        mapped[AMOUNT_TEXT] = field.written if is_text else F.lit(None).cast("string")
    if is_id(field.column):
        is_there = is_there & ~is_no_number(field.sources)
    return mapped, reasons_of(field, reading, is_there=is_there, is_required=is_needed)


def _is_kept(fields: Sequence[Field]) -> Column | None:
    """Whether a row is not said to be void: who says that need not say what was in it.

    None where nothing says so.
    """
    deleted = next((field for field in fields if field.name == "is_deleted"), None)
    return None if deleted is None else ~F.coalesce(typed_value(deleted), F.lit(False))


def _why_misfit(reason: Column | None) -> Column:
    why = F.lit(_MISFIT) if reason is None else F.coalesce(reason, F.lit(_MISFIT))
    return F.when(F.col(CORRUPT_RECORD).isNotNull(), why)


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
