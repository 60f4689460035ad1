"""What to set where the header of a CSV file holds none of the mapped columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pyspark.sql import SparkSession

from crm_spark.ingest.reading.csv import CsvHeaders, is_option_true
from crm_spark.ingest.settings import Source

# So far down a header is looked for.
_N_LINES = 50
_SEPARATORS = {";": "';'", "\t": '"\\t"', "|": "'|'", ",": "','"}
# A line is a header where it holds so many names that the mapping reads.
_FEWEST_NAMES = 2


def header_help(spark: SparkSession, source: Source, uri: str, names: Sequence[str]) -> str | None:
    """Give the option that makes a file's columns those of the mapping; None where none is seen.

    `names` are its columns as the options have them.
    """
    wanted = _names_in(source.section.expressions.values())
    if wanted & {name.lower() for name in names}:
        return None
    headers, options = CsvHeaders(spark, source), source.section.options
    if not is_option_true(options, "header"):
        first = headers.first_records(uri, 1)
        if first and _is_header(first[0], wanted):
            return (
                "options: the first line holds the names of the columns: give options: "
                "{header: true}"
            )
    if len(names) == 1 and (separator := _separator(names[0], wanted)):
        return f"options: columns are parted by {separator}: give options: {{sep: {separator}}}"
    for number, cells in enumerate(headers.first_records(uri, _N_LINES)):
        parted = "" if len(cells) > 1 else _separator((cells or [""])[0] or "", wanted)
        if number > source.section.skip_lines and (_is_header(cells, wanted) or parted):
            more = f" and options: {{sep: {parted}}}" if parted else ""
            return (
                f"skip_lines: the names of the columns stand in line {number + 1}: give "
                f"skip_lines: {number}{more}"
            )
    return None


def _separator(line: str, wanted: set[str]) -> str:
    """Give the separator that makes a header of a line; empty where none does."""
    return next(
        (
            text
            for separator, text in _SEPARATORS.items()
            if _is_header([cell.strip('"') for cell in line.split(separator)], wanted)
        ),
        "",
    )


def _is_header(cells: Sequence[str | None], wanted: set[str]) -> bool:
    return len(wanted & {(cell or "").lower() for cell in cells}) >= min(_FEWEST_NAMES, len(wanted))


def _names_in(expressions: Iterable[str]) -> set[str]:
    """Give all words of expressions that may be names of columns."""
    text = "\n".join(expressions)
    quoted = re.findall(r"`([^`]+)`", text)
    return {word.lower() for word in [*quoted, *re.findall(r"[^\W\d]\w*", text)]}
