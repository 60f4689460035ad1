"""Records of CSV files that do not fit their file, or hold whole lines of it: why, and a remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.reading.csv_options import (
    CORRUPT_RECORD,
    is_read_as_a_whole,
    option_of,
    separator_of,
)
from crm_spark.ingest.reading.schema import quoted
from crm_spark.words import counted

_START = "the row does not fit the file's header"
_MIXED_ENDS = "line ends are mixed (CR LF and LF): make them one"
_NO_QUOTES = "where quotes quote nothing, give options: {quote: ''}"


def reason_of_misfit(options: Mapping[str, Any], n_columns: int) -> Column:
    """Give the reason of a line of another number of fields, with the option that may mend it.

    Reads _corrupt_record. Fields can be counted by their separators where nothing is quoted.
    """
    line, separator, quote = F.col(CORRUPT_RECORD), separator_of(options), _quote(options)
    n_fields = (_times(line, separator) + 1).cast("string")
    fields = F.when(n_fields == "1", F.lit(" field")).otherwise(F.lit(" fields"))
    columns = counted(n_columns, "column")
    many = F.concat(F.lit(f"{_START}: {columns}, but "), n_fields, fields)
    has_quote, is_open = _times(line, quote) > 0, _times(line, quote) % 2 == 1
    is_read_by_lines = not is_read_as_a_whole(options)
    if is_read_by_lines:
        hint = _hint_of_open_quote(line, separator, quote, n_columns)
        reasons = F.when(~has_quote, many).when(is_open, hint)
    else:
        is_mixed = ~is_open & _has_break(_unquoted(line, quote))
        has_lines = has_quote & _is_of_lines(line, separator, n_columns)
        reasons = F.when(is_mixed, F.lit(f"{_START}: {_MIXED_ENDS}"))
        reasons = reasons.when(has_lines, _lines_in(line)).when(~has_quote, many)
    if quote and str(option_of(options, "escape") or "") != quote:
        text = f"{_START}: quotes within a field are doubled: give options: {{escape: '{quote}'}}"
        reasons = reasons.when(F.contains(line, F.lit(quote * 2)), F.lit(text))
    if not is_read_by_lines:
        reasons = reasons.when(is_open & _has_break(line), _lines_in(line))
    return reasons.otherwise(F.lit(f"{_START} or format: {columns}"))


def _hint_of_open_quote(line: Column, separator: str, quote: str, n_columns: int) -> Column:
    """Tell by the separators of a line whether its quote goes on in the next, or quotes nothing."""
    start = f"{_START}: a quote is not closed in its line"
    multiline = f"{start}: give options: {{multiLine: true}}"
    is_whole = _times(line, separator) == n_columns - 1
    # After a quote in the last field no separator can tell.
    is_of_last = ~F.contains(F.substring_index(line, quote, -1), F.lit(separator))
    return (
        F.when(is_whole & is_of_last, F.lit(f"{multiline}; {_NO_QUOTES}"))
        .when(is_whole, F.lit(f"{start}: {_NO_QUOTES}"))
        .otherwise(F.lit(multiline))
    )


def mark_swallowed_lines(
    rows: DataFrame, options: Mapping[str, Any], columns: Sequence[str]
) -> DataFrame:
    """Mark records of multiLine files as misfits where a field holds whole lines of the file.

    A quote that quotes nothing goes on to the next one: the lines between are one field, and no row
    is wrong by its number of fields. Told by their separators: each line that went in has as many
    as a line of the file, `columns`, and not all stand before a blank, as in text. Reads the
    columns; gives _corrupt_record, the lines as they were.
    """
    texts = [
        (place, F.col(quoted(name)))
        for place, name in enumerate(columns)
        if isinstance(rows.schema[name].dataType, T.StringType)
    ]
    if not texts or not is_read_as_a_whole(options):
        return rows
    separator, quote = separator_of(options), _quote(options)
    hold_lines = [_holds_lines(field, place, separator, len(columns)) for place, field in texts]
    cells = [F.coalesce(F.col(quoted(name)).cast("string"), F.lit("")) for name in columns]
    as_it_was = F.concat_ws(separator, *[_as_written(cell, separator, quote) for cell in cells])
    is_swallowed = F.col(CORRUPT_RECORD).isNull() & reduce(or_, hold_lines)
    marked = F.when(is_swallowed, as_it_was).otherwise(F.col(CORRUPT_RECORD))
    return rows.withColumn(CORRUPT_RECORD, marked)


def _holds_lines(field: Column, place: int, separator: str, n_columns: int) -> Column:
    """Whether the rest of a line, any whole lines, and the begin of another are in a field."""
    lines = F.split(field, "\r?\n")
    n_lines = F.size(lines)
    is_first = _times(F.element_at(lines, 1), separator) == n_columns - 1 - place
    is_last = _times(F.element_at(lines, -1), separator) == place
    between = F.slice(lines, 2, F.greatest(n_lines - 2, F.lit(0)))
    are_whole = F.forall(between, lambda line: _times(line, separator) == n_columns - 1)
    is_no_text = field.rlike(f"\n(?s:.*){re.escape(separator)}\\S")
    is_all = is_first & is_last & are_whole & is_no_text
    # Few fields hold a line break: the others are not looked into.
    return F.when(F.contains(field, F.lit("\n")), is_all).otherwise(F.lit(False))


def _as_written(cell: Column, separator: str, quote: str) -> Column:
    needs_quotes = F.contains(cell, F.lit("\n")) | F.contains(cell, F.lit(separator))
    # A field that kept its quotes was not read as a quoted one.
    is_plain = ~needs_quotes | F.contains(cell, F.lit(quote))
    return F.when(is_plain, cell).otherwise(F.concat(F.lit(quote), cell, F.lit(quote)))


def _lines_in(record: Column) -> Column:
    n_lines = F.size(F.split(F.rtrim(record, F.lit("\r\n")), "\n")).cast("string")
    start = F.lit(f"{_START}: a quote that is not closed took in ")
    return F.concat(start, n_lines, F.lit(f" lines: {_NO_QUOTES}"))


def _is_of_lines(record: Column, separator: str, n_columns: int) -> Column:
    lines = F.split(F.rtrim(record, F.lit("\r\n")), "\n")
    are_whole = F.forall(lines, lambda line: _times(line, separator) == n_columns - 1)
    return (F.size(lines) > 1) & are_whole


def _unquoted(record: Column, quote: str) -> Column:
    if not quote:
        return record
    mark = re.escape(quote)
    return F.regexp_replace(record, f"{mark}[^{mark}]*{mark}", "")


def _has_break(text: Column) -> Column:
    return text.rlike("[\r\n]+[^\r\n]")


def _times(text: Column, part: str) -> Column:
    """Count how often a part stands in a text."""
    if not part:
        return F.lit(0)
    left = F.length(F.replace(text, F.lit(part), F.lit("")))
    return ((F.length(text) - left) / len(part)).cast("int")


def _quote(options: Mapping[str, Any]) -> str:
    """Give the quote; empty where the options say that nothing is quoted."""
    given = option_of(options, "quote")
    return '"' if given is None else str(given)
