"""Records of delimited text: their cells, and the lines that they stand in."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

_MOST_RECORDS = 20_000


class Record(NamedTuple):
    """The cells of a record, and the lines of the file before it and up to its end."""

    cells: list[str]
    start: int
    end: int


def unquoted_records(text: str) -> list[Record]:
    """Give the records of a text parted by tabs, in which quotes are characters like others."""
    cells = [line.split("\t") for line in text.splitlines()]
    return [
        Record(line, place, place + 1)
        for place, line in enumerate(cells)
        if any(cell.strip() for cell in line)
    ]


def records_of(text: str, separator: str, *, doubled: bool) -> list[Record]:
    """Give the records that are not empty; `doubled` is how a quote within a field is written."""
    escape: dict[str, Any] = {} if doubled else {"escapechar": "\\", "doublequote": False}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, **escape)
    found: list[Record] = []
    start = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append(Record(cells, start, reader.line_num))
            start = reader.line_num
            if len(found) >= _MOST_RECORDS:
                break
    except csv.Error:
        # A quote that is never closed: what was read before it tells enough.
        pass
    return found


def usual_length(records: Sequence[Record]) -> int:
    """Give the number of fields that most records have; a title has one, and is none of them."""
    lengths = Counter(len(record.cells) for record in records if len(record.cells) > 1)
    return lengths.most_common(1)[0][0] if lengths else min(1, len(records))


def agreement(records: Sequence[Record]) -> float:
    """Give the share of records that have the usual number of fields."""
    n = usual_length(records)
    return sum(len(record.cells) == n for record in records) / len(records) if records else 0.0
