"""What differs between the files of a source: columns that some lack, types that are not one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pyspark.sql import types as T

from crm_spark.ingest.planning.found import Found
from crm_spark.ingest.reading.broken import is_broken
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.words import counted

_MOST_NAMES = 8


def layout_differences(found: Found) -> list[str]:
    """Say which columns not all files of a source have, and which have several types."""
    schemas = list(found_schemas(found))
    kinds = _kinds(schemas)
    lines = [
        f"files differ: {name} is in {of_column.total():,} of {len(schemas):,}"
        for name, of_column in kinds.items()
        if of_column.total() < len(schemas)
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


def found_schemas(found: Found) -> Iterator[T.StructType]:
    """Give the columns of each file that was looked into and can be used, or of a table."""
    for uri, layout in found.layouts.items():
        if not is_broken(uri, found.broken):
            yield layout.schema


def schema_changes(new: Iterable[T.StructType], known: Iterable[T.StructType]) -> list[str]:
    """Say which columns files have, lack or type otherwise than all files loaded before.

    Nothing where none was loaded before.
    """
    before, now = _kinds(known), _kinds(new)
    if not before or not now:
        return []
    added = [name for name in now if name not in before]
    gone = [name for name in before if name not in now]
    lines = [f"they have {_named(added)}, which files before had not"] if added else []
    lines += [f"they have no {_named(gone)}"] if gone else []
    lines += [
        f"{name} is {_listed(now[name])}, and was {_listed(kinds)}"
        for name, kinds in before.items()
        if name in now and not now[name].keys() <= kinds.keys()
    ]
    return lines


def _kinds(schemas: Iterable[T.StructType]) -> dict[str, Counter[str]]:
    """Count by column, but for Spark's own, the schemas that have it in each type."""
    kinds: dict[str, Counter[str]] = {}
    for schema in schemas:
        for column in schema.fields:
            if column.name != CORRUPT_RECORD:
                kinds.setdefault(column.name, Counter())[column.dataType.simpleString()] += 1
    return kinds


def _named(names: Sequence[str]) -> str:
    more = f" and {counted(len(names) - _MOST_NAMES, 'more column')}"
    return ", ".join(names[:_MOST_NAMES]) + (more if len(names) > _MOST_NAMES else "")


def _listed(kinds: Iterable[str]) -> str:
    return " or ".join(sorted(kinds))
