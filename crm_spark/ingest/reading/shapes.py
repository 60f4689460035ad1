"""Shapes: the columns of files that belong together, and those of one file in the shape of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.ingest.reading.schema import ddl_of, quoted

_AS_IT_CAME = "_as_it_came_"


def as_it_came(name: str) -> str:
    """Name the column that keeps another as its file has it, where its shape was changed."""
    return f"{_AS_IT_CAME}{name}"


def all_columns(schemas: Iterable[T.StructType]) -> dict[str, T.StructField]:
    """Give a column of each name, whatever its letters' case, with the fields of all.

    A column without a value in one of these has the type that it has in others.
    """
    columns: dict[str, T.StructField] = {}
    # In an order that does not depend on the files': types may differ.
    for schema in sorted(schemas, key=ddl_of):
        _add_fields(columns, schema)
    columns.pop(CORRUPT_RECORD, None)
    return columns


def lacking(own: T.StructType, columns: Mapping[str, T.StructField]) -> T.StructType:
    """Give the columns that are not among a file's own."""
    names = {name.lower() for name in own.names}
    return T.StructType([column for name, column in columns.items() if name not in names])


def reshaped(
    own: T.StructType, columns: Mapping[str, T.StructField], *, with_fields: bool = True
) -> T.StructType:
    """Give a file's own columns that have no value, or lack fields, with the types of others.

    Without `with_fields` those that lack fields stay so.
    """
    changed = []
    for field in own.fields:
        other = columns.get(field.name.lower())
        if other is None:
            continue
        if wider := _wider(field.dataType, other.dataType, with_fields):
            changed.append(T.StructField(field.name, wider))
    return T.StructType(changed)


def valueless(own: T.StructType, with_values: T.StructType) -> T.StructType:
    """Give columns and fields that are not among those with values the type of none."""
    others = {field.name: field.dataType for field in with_values.fields}
    return T.StructType(
        [T.StructField(f.name, _valueless(f.dataType, others.get(f.name))) for f in own.fields]
    )


def differs_from_text(own: T.StructType, columns: Mapping[str, T.StructField]) -> bool:
    """Whether what is text in a file, as what has no value is told to be, is not text in others."""
    return any(
        _text_is_other(field.dataType, columns[field.name.lower()].dataType)
        for field in own.fields
        if field.name.lower() in columns
    )


def with_nulls(rows: DataFrame, *columns: T.StructType | None) -> DataFrame:
    """Add columns that rows lack, as nulls, and give those that they have the types given.

    A column that is changed is kept as it came beside it.
    """
    own = {field.name: field.dataType for field in rows.schema.fields}
    added: dict[str, Column] = {}
    for field in (field for given in columns if given is not None for field in given.fields):
        if field.name not in own:
            added[field.name] = F.lit(None).cast(field.dataType)
            continue
        column = F.col(quoted(field.name))
        added[as_it_came(field.name)] = column
        added[field.name] = _in_shape(column, own[field.name], field.dataType)
    return rows.withColumns(added) if added else rows


def _add_fields(columns: dict[str, T.StructField], schema: T.StructType) -> None:
    for field in schema.fields:
        before = columns.setdefault(field.name.lower(), field)
        kind = _together(before.dataType, field.dataType)
        columns[field.name.lower()] = T.StructField(before.name, kind)


def _together(one: T.DataType, other: T.DataType) -> T.DataType:
    """Give the type of a column that has these two; where they are at odds, the first."""
    if isinstance(one, T.StructType) and isinstance(other, T.StructType):
        fields = {field.name.lower(): field for field in one.fields}
        _add_fields(fields, other)
        return T.StructType(list(fields.values()))
    if isinstance(one, T.ArrayType) and isinstance(other, T.ArrayType):
        return T.ArrayType(_together(one.elementType, other.elementType))
    # What has no value is told to be text.
    is_unknown = isinstance(one, T.NullType | T.StringType)
    return other if is_unknown and not isinstance(other, T.NullType) else one


def _wider(own: T.DataType, of_all: T.DataType, with_fields: bool) -> T.DataType | None:
    """Give the type that holds the own values in the shape of all; None where it is the own."""
    if isinstance(own, T.NullType) and not isinstance(of_all, T.NullType):
        return of_all
    if isinstance(own, T.ArrayType) and isinstance(of_all, T.ArrayType):
        element = _wider(own.elementType, of_all.elementType, with_fields)
        return T.ArrayType(element) if element else None
    if not (isinstance(own, T.StructType) and isinstance(of_all, T.StructType)):
        return None
    others = {field.name.lower(): field for field in of_all.fields}
    changed = {field.name: field for field in reshaped(own, others, with_fields=with_fields).fields}
    more = lacking(own, others).fields if with_fields else []
    if not changed and not more:
        return None
    return T.StructType([*[changed.get(field.name, field) for field in own.fields], *more])


def _in_shape(column: Column, own: T.DataType, wanted: T.DataType) -> Column:
    """Give the values of a column in a wider type that _wider gave for it."""
    if own == wanted:
        return column
    if isinstance(own, T.StructType) and isinstance(wanted, T.StructType):
        kinds = {field.name: field.dataType for field in own.fields}
        fields = [
            _in_shape(column.getField(field.name), kinds[field.name], field.dataType)
            if field.name in kinds
            else F.lit(None).cast(field.dataType)
            for field in wanted.fields
        ]
        named = [part.alias(field.name) for part, field in zip(fields, wanted.fields, strict=True)]
        return F.when(column.isNotNull(), F.struct(*named))
    if isinstance(own, T.ArrayType) and isinstance(wanted, T.ArrayType):
        return F.transform(
            column, lambda element: _in_shape(element, own.elementType, wanted.elementType)
        )
    return F.lit(None).cast(wanted)


def _valueless(own: T.DataType, with_values: T.DataType | None) -> T.DataType:
    if isinstance(own, T.StructType):
        others = with_values if isinstance(with_values, T.StructType) else T.StructType()
        return valueless(own, others)
    if isinstance(own, T.ArrayType):
        element = with_values.elementType if isinstance(with_values, T.ArrayType) else None
        return T.ArrayType(_valueless(own.elementType, element))
    return T.NullType() if with_values is None else own


def _text_is_other(own: T.DataType, of_all: T.DataType) -> bool:
    if isinstance(own, T.StringType):
        return not isinstance(of_all, T.StringType | T.NullType)
    if isinstance(own, T.ArrayType) and isinstance(of_all, T.ArrayType):
        return _text_is_other(own.elementType, of_all.elementType)
    if isinstance(own, T.StructType) and isinstance(of_all, T.StructType):
        others = {field.name.lower(): field for field in of_all.fields}
        return differs_from_text(own, others)
    return False
