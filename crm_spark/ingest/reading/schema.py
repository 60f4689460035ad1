"""The columns of a file or table, as they are remembered with what was loaded of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import types as T


@dataclass(frozen=True)
class SourceSchema:
    """The names and types of columns, as DDL; empty where nothing was read."""

    ddl: str = ""

    @classmethod
    def of(cls, rows: DataFrame) -> SourceSchema:
        """Give the schema of rows as the source has them."""
        return cls(ddl_of(rows.schema))

    @property
    def fields(self) -> T.StructType:
        """The columns."""
        return parsed(self.ddl)

    @classmethod
    def union(cls, schemas: Iterable[SourceSchema]) -> T.StructType:
        """Give all columns that any of these has; one that differs in type is text."""
        fields: dict[str, T.StructField] = {}
        for ddl in sorted({schema.ddl for schema in schemas if schema.ddl}):
            for field in parsed(ddl).fields:
                before = fields.setdefault(field.name, field)
                if before.dataType != field.dataType:
                    fields[field.name] = T.StructField(field.name, T.StringType())
        return T.StructType(list(fields.values()))


def ddl_of(schema: T.StructType) -> str:
    """Write columns as DDL; names may hold any character, those of fields within them, too."""
    return ", ".join(f"{quoted(field.name)} {_type(field.dataType)}" for field in schema.fields)


def _type(kind: T.DataType) -> str:
    if isinstance(kind, T.StructType):
        fields = (f"{quoted(field.name)}:{_type(field.dataType)}" for field in kind.fields)
        return f"struct<{','.join(fields)}>"
    if isinstance(kind, T.ArrayType):
        return f"array<{_type(kind.elementType)}>"
    if isinstance(kind, T.MapType):
        return f"map<{_type(kind.keyType)},{_type(kind.valueType)}>"
    return kind.simpleString()


def quoted(name: str) -> str:
    """Give a column's name as SQL writes one of any characters."""
    return "`" + name.replace("`", "``") + "`"


def parsed(ddl: str) -> T.StructType:
    """Read columns from DDL."""
    if not ddl:
        return T.StructType()
    schema = T.StructType.fromDDL(ddl)
    assert isinstance(schema, T.StructType)
    return schema
