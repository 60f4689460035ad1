"""What differs between the files of a source: columns that some lack, types that are not one."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.ingest.planning.found import Found
from crm_spark.ingest.reading.broken import is_broken
from crm_spark.words import counted

_MOST_NAMES = 8


def layout_differences(found: Found) -> list[str]:
    """Say which columns not all files of a source have, and which have several types."""
    schemas = [
        layout.schema for uri, layout in found.layouts.items() if not is_broken(uri, found.broken)
    ]
    n_with: dict[str, int] = {}
    kinds: dict[str, dict[str, int]] = {}
    for schema in schemas:
        for column in schema.fields:
            n_with[column.name] = n_with.get(column.name, 0) + 1
            of_column = kinds.setdefault(column.name, {})
            kind = _kind(column.dataType)
            of_column[kind] = of_column.get(kind, 0) + 1
    lines = [
        f"files differ: {name} is in {n:,} of {len(schemas):,}"
        for name, n in n_with.items()
        if n < len(schemas)
    ]
    lines += [
        f"files differ: {name} is "
        + ", ".join(f"{kind} in {n:,}" for kind, n in sorted(of_column.items()))
        for name, of_column in kinds.items()
        if len(of_column) > 1
    ]
    if len(lines) > _MOST_NAMES:
        n_more = counted(len(lines) - _MOST_NAMES, "more column")
        lines[_MOST_NAMES:] = [f"files differ: and so in {n_more}"]
    return lines


def _kind(data_type: T.DataType) -> str:
    return data_type.simpleString()
