"""Tables whose columns Spark tells: JSON, parquet, ORC, Delta, tables of a catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import DataError
from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.drafting.groups import grouped, paths_of, table_name
from crm_spark.ingest.drafting.nested import flatten
from crm_spark.ingest.drafting.table import Reading, Sample
from crm_spark.ingest.drafting.texts import Opened
from crm_spark.ingest.planning.found import Found, look_at, look_into
from crm_spark.ingest.reading.broken import is_broken
from crm_spark.ingest.reading.files import SourceFile
from crm_spark.ingest.reading.rows import read_whole
from crm_spark.ingest.reading.schema import SourceSchema, quoted
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import SourceSection

_N_ROWS, _N_FILES = 5_000, 5
_UTC = "UTC"
_AS_TEXT = (T.TimestampType, T.TimestampNTZType, T.BinaryType)


def table_sample(spark: SparkSession, name: str, reading: Reading) -> Sample:
    """Look at a Delta table or a table of the catalogue."""
    section = SourceSection(
        path=list(reading.paths) or None,
        table=reading.table,
        format=reading.format or None,
        columns={},
    )
    rows = read_whole(spark, section)
    return _sample(name, reading, rows.schema, _collected([rows]))


def file_samples(
    spark: SparkSession, path: str, opened: Sequence[Opened], others: Sequence[SourceFile]
) -> tuple[list[Sample], list[str]]:
    """Look at files of one format and the same options; `others` of the path are of another.

    Gives the tables, and the files that cannot be read with the reason.
    """
    kind, options = opened[0].format, dict(opened[0].options)
    section = SourceSection(path=path, format=kind, options={**options}, columns={})
    found = look_at(spark, Source("transactions", section, _UTC))
    known = set(found.broken)
    try:
        look_into(spark, found, [one.file.uri for one in opened])
    except DataError:
        if set(found.broken) == known:
            raise
    broken = [f"{file}: {why}" for file, why in found.broken.items() if file not in known]
    readable = [one.file for one in opened if not is_broken(one.file.uri, found.broken)]

    def names(file: SourceFile) -> list[str]:
        return [*found.layouts[file.uri].schema.fieldNames(), *file.folder_columns]

    samples = []
    for group in grouped(readable, names):
        apart = [*others, *(file for file in readable if file not in group)]
        reading = Reading(tuple(paths_of(path, group, apart)), format=kind, options=options)
        samples.append(_of_group(spark, found, group, reading))
    return samples, broken


def _of_group(
    spark: SparkSession, found: Found, group: Sequence[SourceFile], reading: Reading
) -> Sample:
    few = [group[place * (len(group) - 1) // _N_FILES] for place in range(_N_FILES + 1)]
    uris = list(dict.fromkeys(file.uri for file in few))
    parts = [part.rows for part in found.parts(spark, uris)]
    schema = SourceSchema.union([SourceSchema.of(rows) for rows in parts])
    sample = _sample(table_name(group[0].uri), reading, schema, _collected(parts))
    return Sample(sample.name, sample.inputs, sample.columns, len(group), sample.query)


def _collected(frames: Sequence[DataFrame]) -> list[dict[str, Any]]:
    """Give the first rows of each, stamps as the text that Spark makes of them."""
    collected: list[dict[str, Any]] = []
    for rows in frames:
        with lenient_analysis(rows.sparkSession, _UTC):
            texts = {
                field.name: F.col(quoted(field.name)).cast("string")
                for field in rows.schema.fields
                if isinstance(field.dataType, _AS_TEXT)
            }
            first = rows.withColumns(texts) if texts else rows
            found = first.limit(_N_ROWS // len(frames)).collect()
        collected += [row.asDict(recursive=True) for row in found]
    return collected


def _sample(
    name: str, reading: Reading, schema: T.StructType, rows: Sequence[dict[str, Any]]
) -> Sample:
    kept = T.StructType([field for field in schema.fields if not field.name.startswith("_corrupt")])
    flat = flatten(name, kept, rows)
    return Sample(name, {name: reading}, flat.columns, query=flat.query)
