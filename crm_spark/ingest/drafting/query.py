"""The inputs and the query of a draft: what makes rows of order lines of other tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.page import input_lines
from crm_spark.ingest.drafting.table import Query, Sample


def query_lines(sample: Sample, used: Sequence[Column], indent: int) -> list[str]:
    """Give the keys `inputs` and `query`, with the tables alone that used columns are from."""
    query = sample.query
    assert query is not None
    parts = used_parts(query, (column.name for column in used))
    start, inner = " " * indent, " " * (indent + 2)
    lines = [f"{start}inputs:"]
    for name, reading in sample.inputs.items():
        if name not in query.parts or name in parts:
            lines += input_lines(name, reading, indent + 2)
    selected = [_selected(query.origins[column.name], column.sql) for column in used]
    lines += [f"{start}query: |", f"{inner}SELECT"]
    lines += [f"{inner}  {text}," for text in selected[:-1]]
    lines += [f"{inner}  {text}" for text in selected[-1:]]
    lines.append(f"{inner}FROM {query.start}")
    return [*lines, *[f"{inner}{query.parts[name]}" for name in parts]]


def used_parts(query: Query, names: Iterable[str]) -> list[str]:
    """Give the tables to join for these columns, each behind the one that it is joined to."""
    wanted: set[str] = set()
    for name in names:
        part = query.part_of.get(name, "")
        while part in query.parts and part not in wanted:
            wanted.add(part)
            part = query.stands_on.get(part, "")
    return [part for part in query.parts if part in wanted]


def _selected(origin: str, name: str) -> str:
    return origin if origin.rpartition(".")[2] == name else f"{origin} AS {name}"
