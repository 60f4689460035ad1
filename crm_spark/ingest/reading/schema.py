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
    """Write columns as DDL."""
    return ", ".join(
        f"`{field.name.replace('`', '``')}` {field.dataType.simpleString()}"
        for field in schema.fields
    )


def parsed(ddl: str) -> T.StructType:
    """Read columns from DDL."""
    if not ddl:
        return T.StructType()
    schema = T.StructType.fromDDL(ddl)
    assert isinstance(schema, T.StructType)
    return schema
