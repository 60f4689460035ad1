"""The dialect of a delimited text file: separator, quotes, title lines, header."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crm_spark.ingest.drafting.numbers import number_form
from crm_spark.ingest.drafting.records import (
    Record,
    agreement,
    records_of,
    unquoted_records,
    usual_length,
)
from crm_spark.ingest.drafting.stamps import stamp_form
from crm_spark.ingest.mapping.expressions import as_sql
from crm_spark.ingest.reading.csv import safe_names

_SEPARATORS = (",", ";", "\t", "|")
# A character that no text has: each line is one column then, to be split by the mapping.
NO_SEPARATOR = "\u0001"
_MOST_TITLES = 30
# A quote that begins a field and ends before it does quotes nothing: it is one of inches.
_INCHES = re.compile(r'(?:^|\t)"(?:[^"\t\n]*"[^"\t\r\n]|[^"\t\n]*\t)', re.MULTILINE)
_SEP_LINE = re.compile(r"^sep=(.)\r?\n", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How a file's text is made of fields.

    `skip_lines` are those above the header, or above the first row. `has_doubled_quotes` where a
    quote within a field is written twice; `has_line_breaks` where a field spans lines. With
    `is_blank_separated` any number of blanks parts the columns. With `has_loose_ends` lines end in
    a separator that the header lacks: Spark takes columns by their place then. Without `has_quotes`
    a quote is a character like any other.
    """

    separator: str = ","
    has_header: bool = True
    skip_lines: int = 0
    has_doubled_quotes: bool = False
    has_line_breaks: bool = False
    is_blank_separated: bool = False
    has_loose_ends: bool = False
    has_quotes: bool = True
    is_header_doubtful: bool = False

    @property
    def options(self) -> dict[str, str | bool]:
        """The options of Spark's reader."""
        options: dict[str, str | bool] = {"header": self.has_header and not self.has_loose_ends}
        if self.separator != ",":
            options["sep"] = self.separator
        if self.has_line_breaks:
            options["multiLine"] = True
        if self.has_doubled_quotes:
            options["escape"] = '"'
        if not self.has_quotes:
            options["quote"] = ""
        return options


@dataclass(frozen=True)
class Parsed:
    """A file's text in fields; `names` are as Spark calls the columns."""

    dialect: Dialect
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_misfits: int = 0

    def sql(self, place: int) -> str:
        """Give a column as SQL writes it."""
        if self.dialect.is_blank_separated:
            return f"split(trim(_c0), ' +')[{place}]"
        return f"_c{place}" if self.dialect.has_loose_ends else as_sql(self.names[place])


def parse(text: str, *, is_cut: bool = False) -> Parsed:
    """Tell the dialect of a text, and give its fields; `is_cut` where the file goes on."""
    named = _SEP_LINE.match(text)
    start = 1 if named else 0
    body = text[named.end() :] if named else text
    if is_cut:
        body = body[: max(body.rfind("\n"), 0)]
    separator = named[1] if named else _separator(body)
    if separator is None:
        return _blank_separated(body)
    if separator == "\t" and _INCHES.search(body):
        found = _parsed(unquoted_records(body), separator, start, is_escaped=True, text=body)
        return replace(found, dialect=replace(found.dialect, has_quotes=False))
    doubled = records_of(body, separator, doubled=True)
    escaped = records_of(body, separator, doubled=False) if '\\"' in body else doubled
    is_escaped = agreement(escaped) > agreement(doubled)
    records = escaped if is_escaped else doubled
    return _parsed(records, separator, start, is_escaped=is_escaped, text=body)


def parse_rows(text: str, dialect: Dialect, n_columns: int) -> list[tuple[str, ...]]:
    """Give the rows in the middle of a file: what is between its first and last line break."""
    lines = text[text.find("\n") + 1 : text.rfind("\n")]
    if dialect.is_blank_separated:
        found = [tuple(line.split()) for line in lines.splitlines()]
    else:
        records = records_of(lines, dialect.separator, doubled=True)
        found = [tuple(record.cells) for record in records]
    return [row for row in found if len(row) == n_columns]


def _separator(text: str) -> str | None:
    """Choose the separator by which most records have the same number of fields, and many."""
    head = "\n".join(text.split("\n")[:2000])

    def score(separator: str) -> float:
        records = records_of(head, separator, doubled=True)
        n_fields = usual_length(records)
        return agreement(records) ** 2 * math.log2(n_fields) if n_fields > 1 else 0.0

    scores = {separator: score(separator) for separator in _SEPARATORS}
    best = max(scores, key=lambda separator: scores[separator])
    if scores[best] > 0.25:
        return best
    return None if _is_blank_separated(head) else ","


def _is_blank_separated(text: str) -> bool:
    lengths = Counter(len(line.split()) for line in text.splitlines() if line.strip())
    if not lengths:
        return False
    n_fields, n = lengths.most_common(1)[0]
    return n_fields > 1 and n > 0.9 * lengths.total()


def _parsed(
    records: list[Record], separator: str, start: int, *, is_escaped: bool, text: str
) -> Parsed:
    place = _header_place(records)
    first = records[place].cells if records else []
    body = [record.cells for record in records[place + 1 :]]
    has_header, is_doubtful = _header(first, body)
    rows = body if has_header else [first, *body] if first else []
    has_loose_ends = has_header and _has_loose_ends(first, body)
    skip_lines = start + (records[place].start if place else 0)
    if has_loose_ends:
        first, skip_lines = [*first, ""], start + records[place].end
    names = safe_names(first) if has_header else [f"_c{n}" for n in range(len(first))]
    fitting = [tuple(row) for row in rows if len(row) == len(names)]
    cells = [cell for row in [first, *rows] for cell in row]
    dialect = Dialect(
        separator,
        has_header=has_header,
        skip_lines=skip_lines,
        has_doubled_quotes=not is_escaped and '""' in text and any('"' in cell for cell in cells),
        has_line_breaks=any("\n" in cell or "\r" in cell for cell in cells),
        has_loose_ends=has_loose_ends,
        is_header_doubtful=is_doubtful,
    )
    return Parsed(dialect, tuple(names), tuple(fitting), len(rows) - len(fitting))


def _header_place(records: Sequence[Record]) -> int:
    """Give the place of the first record that is no title: one with nearly all fields filled."""
    fewest = max(2, 0.6 * usual_length(records))
    for place, record in enumerate(records[:_MOST_TITLES]):
        if sum(bool(cell.strip()) for cell in record.cells) >= fewest:
            return place
    return 0


def _has_loose_ends(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    return bool(rows) and all(len(row) == len(header) + 1 and not row[-1].strip() for row in rows)


def _header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[bool, bool]:
    """Whether the first record names the columns, and whether that is doubtful."""
    cells = [cell.strip() for cell in first if cell.strip()]
    has_values = any(_is_value(cell) for cell in cells)
    if not cells or has_values:
        return bool(cells) and not has_values, False
    if len({cell.lower() for cell in cells}) < len(cells) and not rows:
        return False, True
    has_numbers = any(_is_value(cell) for row in rows[:50] for cell in row)
    return True, bool(rows) and not has_numbers


def _is_value(cell: str) -> bool:
    """Whether a cell holds a number or a date, as no name of a column does."""
    text = cell.strip()
    return bool(text) and (number_form([text]) is not None or stamp_form([text]) is not None)


def _blank_separated(text: str) -> Parsed:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    n = Counter(map(len, lines)).most_common(1)[0][0]
    has_header = bool(lines) and not any(_is_value(cell) for cell in lines[0])
    rows = [tuple(line) for line in lines[1 if has_header else 0 :] if len(line) == n]
    names = lines[0] if has_header else [f"_c{place}" for place in range(n)]
    dialect = Dialect(
        NO_SEPARATOR,
        has_header=False,
        skip_lines=1 if has_header else 0,
        is_blank_separated=True,
    )
    return Parsed(dialect, tuple(names), tuple(rows), len(lines) - len(rows) - has_header)
