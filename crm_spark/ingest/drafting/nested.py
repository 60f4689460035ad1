"""Rows with fields within fields: structs as columns, items of an array as rows of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pyspark.sql import types as T

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.names import roles_of
from crm_spark.ingest.drafting.sql import path_sql
from crm_spark.ingest.drafting.table import Query
from crm_spark.ingest.mapping.expressions import as_sql

_ITEM, _RECORD = "item", "record"
_OF_ORDERS = {"order_id", "customer_id", "ordered_at"}
_Path = tuple[str, ...]


@dataclass(frozen=True)
class _Leaf:
    path: _Path
    type: str


@dataclass(frozen=True)
class Flat:
    """Columns of nested rows, and the query that makes them; None where the rows are flat."""

    columns: tuple[Column, ...]
    query: Query | None = None


def flatten(name: str, schema: T.StructType, rows: Sequence[dict[str, Any]]) -> Flat:
    """Give the columns of rows, an item of their array of structs each where they have one."""
    records, prefix, start = rows, "", as_sql(name)
    envelope = _envelope(schema)
    if envelope is not None:
        records = [record for row in rows for record in _items(row, envelope)]
        schema = _element(schema, envelope)
        prefix = f"{_RECORD}."
        start += f" LATERAL VIEW OUTER explode({path_sql(list(envelope))}) AS {_RECORD}"
    arrays = sorted(_arrays(schema), key=lambda path: -_fitness(_element(schema, path)))
    if not arrays or not _fitness(_element(schema, arrays[0])):
        columns = [_column(leaf, records) for leaf in _leaves(schema)]
        query = _query(start, columns, prefix) if envelope is not None else None
        return Flat(tuple(_aliased(columns) if query else columns), query)
    path = arrays[0]
    start += f" LATERAL VIEW OUTER explode({prefix}{path_sql(list(path))}) AS {_ITEM}"
    # A row without items stays a row, as in the query.
    pairs = [(record, item) for record in records for item in (_items(record, path) or [{}])]
    outer = [_column(leaf, [record for record, _ in pairs]) for leaf in _leaves(schema)]
    inner = [
        _column(leaf, [item for _, item in pairs], is_item=True)
        for leaf in _leaves(_element(schema, path))
    ]
    query = _query(start, [*outer, *inner], prefix)
    return Flat(tuple(_aliased([*outer, *inner])), query)


def _query(start: str, columns: Sequence[Column], prefix: str) -> Query:
    origins = {
        column.name: column.sql if column.is_item else f"{prefix}{column.sql}" for column in columns
    }
    return Query(start, origins)


def _aliased(columns: Sequence[Column]) -> list[Column]:
    """Name columns as the query does: customer_id for customer.id."""
    return [
        Column(
            column.name,
            as_sql(alias_of(column.name)),
            column.values,
            column.type,
            is_item=column.is_item,
        )
        for column in columns
    ]


def alias_of(name: str) -> str:
    """Give the name by which a query gives a field within others."""
    return name.replace(".", "_")


def _fields(schema: T.StructType, path: _Path = ()) -> Iterator[tuple[_Path, T.DataType]]:
    for field in schema.fields:
        place = (*path, field.name)
        if isinstance(field.dataType, T.StructType):
            yield from _fields(field.dataType, place)
        else:
            yield place, field.dataType


def _leaves(schema: T.StructType) -> list[_Leaf]:
    kept = (
        (path, kind)
        for path, kind in _fields(schema)
        if not isinstance(kind, T.ArrayType | T.MapType)
    )
    return [_Leaf(path, kind.simpleString()) for path, kind in kept]


def _arrays(schema: T.StructType) -> list[_Path]:
    return [
        path
        for path, kind in _fields(schema)
        if isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.StructType)
    ]


def _element(schema: T.StructType, path: _Path) -> T.StructType:
    kind = next(kind for place, kind in _fields(schema) if place == path)
    assert isinstance(kind, T.ArrayType)
    assert isinstance(kind.elementType, T.StructType)
    return kind.elementType


def _fitness(schema: T.StructType) -> int:
    """Tell how much items look like lines: by the names that say what, how many and how much."""
    wanted = {"product_id", "quantity", "amount", "unit_price"}
    found = {role for leaf in _leaves(schema) for role in roles_of(f"{_ITEM}.{leaf.path[-1]}")}
    return len(wanted & found)


def _envelope(schema: T.StructType) -> _Path | None:
    """Give the array that holds all rows of a document, as in {"orders": [...]}."""
    arrays = _arrays(schema)
    if len(arrays) != 1 or _OF_ORDERS & _roles(schema):
        return None
    return arrays[0] if _OF_ORDERS & _roles(_element(schema, arrays[0])) else None


def _roles(schema: T.StructType) -> set[str]:
    return {role for leaf in _leaves(schema) for role in roles_of(leaf.path[-1])}


def _at(record: Any, path: _Path) -> Any:
    for part in path:
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _items(record: dict[str, Any], path: _Path) -> list[dict[str, Any]]:
    return [item for item in _at(record, path) or [] if item is not None]


def _column(leaf: _Leaf, records: Sequence[dict[str, Any]], *, is_item: bool = False) -> Column:
    path = (_ITEM, *leaf.path) if is_item else leaf.path
    values = tuple(_text(_at(record, leaf.path)) for record in records)
    return Column(".".join(path), path_sql(list(path)), values, leaf.type, is_item=is_item)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else str(value)
