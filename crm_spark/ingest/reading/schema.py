"""The columns of a source's rows, as they are remembered with what was loaded of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import types as T


@dataclass(frozen=True)
class SourceSchema:
    """The names and types of a source's columns, as DDL; empty where nothing was read."""

    ddl: str = ""

    @classmethod
    def of(cls, rows: DataFrame) -> SourceSchema:
        """Give the schema of rows as the source has them."""
        return cls(", ".join(f"`{f.name}` {f.dataType.simpleString()}" for f in rows.schema))

    @classmethod
    def union(cls, schemas: Iterable[SourceSchema]) -> T.StructType:
        """Give all columns that any of these has; of two with one name the first."""
        fields: dict[str, T.StructField] = {}
        for ddl in sorted({schema.ddl for schema in schemas if schema.ddl}):
            parsed = T.StructType.fromDDL(ddl)
            assert isinstance(parsed, T.StructType)
            for field in parsed.fields:
                fields.setdefault(field.name, field)
        return T.StructType(list(fields.values()))
