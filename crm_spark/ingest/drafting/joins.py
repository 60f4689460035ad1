"""Several tables as one: joined by a column that they share, and that names a row of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.names import squeezed
from crm_spark.ingest.drafting.table import Query, Sample
from crm_spark.ingest.mapping.expressions import as_sql

_KEY_NAME = re.compile(r"(id|no|nr|number|nummer|code|key)$")

# What a table calls its own key; others call it by the table's name.
_OWN_KEYS = ("id", "entityid")


@dataclass(frozen=True)
class Link:
    """A table that can be joined to others: `column` is `key` of it, unique there."""

    on: str
    column: Column
    table: Sample
    key: Column

    @property
    def condition(self) -> str:
        """The condition of the join, as SQL."""
        theirs = f"{as_sql(self.table.name)}.{self.key.sql}"
        return f"{as_sql(self.on)}.{self.column.sql} = {theirs}"


def links(base: Sample, tables: Sequence[Sample]) -> list[Link]:
    """Give the tables that can be joined to a table without repeating its rows, nearest first."""
    found: list[Link] = []
    reached = [base]
    left = [table for table in tables if table is not base and table.query is None]
    while True:
        link = next(_between(reached, left), None)
        if link is None:
            return found
        found.append(link)
        reached.append(link.table)
        left.remove(link.table)


def _between(reached: Sequence[Sample], left: Sequence[Sample]) -> Iterator[Link]:
    for one in reached:
        for table in left:
            for column in one.columns:
                key = _key(column, table)
                if key is not None:
                    yield Link(one.name, column, table, key)


def _key(column: Column, table: Sample) -> Column | None:
    """Give the column by which each row of a table is found once."""
    name = squeezed(column.name)
    own = f"{squeezed(table.name).removesuffix('s')}id"
    for key in table.columns:
        is_same = squeezed(key.name) == name and name not in _OWN_KEYS and _KEY_NAME.search(name)
        is_own = squeezed(key.name) in _OWN_KEYS and name == own and _has_values_of(key, column)
        if (is_same or is_own) and key.is_unique:
            return key
    return None


def _has_values_of(key: Column, column: Column) -> bool:
    return any(text in key.distinct for text in column.distinct)


def shared_columns(tables: Sequence[Sample]) -> list[str]:
    """Say by which columns tables could be joined, whether that repeats rows or not."""
    holders: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for table in tables:
        for column in table.columns:
            name = squeezed(column.name)
            if _KEY_NAME.search(name) and name != "id":
                holders.setdefault(name, []).append(table.name)
                spelled.setdefault(name, column.name)
    return [
        f"{spelled[name]} is in {', '.join(names)}"
        for name, names in holders.items()
        if len(names) > 1
    ]


def joined(base: Sample, given: Sequence[Link]) -> Sample:
    """Give the columns of a table with those of the tables joined to it, as one sample."""
    columns = {column.name: column for column in base.columns}
    origins = {name: f"{as_sql(base.name)}.{column.sql}" for name, column in columns.items()}
    part_of: dict[str, str] = {}
    values = {(base.name, name): column for name, column in columns.items()}
    for link in given:
        on = values[link.on, link.column.name]
        for source, column in zip(link.table.columns, _looked_up(link, on, columns), strict=True):
            values[link.table.name, source.name] = column
            if source is link.key and squeezed(source.name) == squeezed(link.column.name):
                continue
            columns[column.name] = column
            origins[column.name] = f"{as_sql(link.table.name)}.{source.sql}"
            part_of[column.name] = link.table.name
    query = Query(
        as_sql(base.name),
        origins,
        parts={link.table.name: _join(link) for link in given},
        part_of=part_of,
        stands_on={link.table.name: link.on for link in given},
    )
    tables = [base, *(link.table for link in given)]
    inputs = {name: reading for table in tables for name, reading in table.inputs.items()}
    return replace(base, inputs=inputs, columns=tuple(columns.values()), query=query)


def _join(link: Link) -> str:
    return f"LEFT JOIN {as_sql(link.table.name)} ON {link.condition}"


def _looked_up(link: Link, on: Column, taken: Iterable[str]) -> list[Column]:
    """Give the columns of a joined table, for each row of the table it is joined to."""
    place = {value: row for row, value in enumerate(link.key.values)}
    rows = [place.get(value) for value in on.values]
    names = {squeezed(name) for name in taken}
    found = []
    for column in link.table.columns:
        is_taken = squeezed(column.name) in names
        name = f"{link.table.name}_{column.name}" if is_taken else column.name
        values = tuple(None if row is None else column.values[row] for row in rows)
        found.append(replace(column, name=name, sql=as_sql(name), values=values))
    return found
