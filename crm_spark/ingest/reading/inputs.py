"""Rows of a source that a query makes of several inputs: files and tables, read by their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.broken import BrokenFiles, comparable
from crm_spark.ingest.reading.by_layout import read_by_layout
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.ingest.reading.files import Listing, list_files
from crm_spark.ingest.reading.layout import read_layouts, with_types_of_others
from crm_spark.ingest.reading.rows import read_whole
from crm_spark.ingest.reading.schema import quoted
from crm_spark.ingest.settings import Input, Source


@dataclass(frozen=True)
class Misfits:
    """Lines of an input's files that do not fit their file: they reach no query."""

    rows: DataFrame
    reason: Column | None


@dataclass(frozen=True)
class QueryRows:
    """What a query gives, and what of its inputs' files it could not be given."""

    rows: DataFrame
    misfits: tuple[Misfits, ...]


def list_inputs(spark: SparkSession, source: Source) -> dict[str, Listing]:
    """List the files of each input that is files."""
    return {one.name: list_files(spark, one.section) for one in source.inputs if one.is_files}


def read_query(
    spark: SparkSession,
    source: Source,
    listings: Mapping[str, Listing],
    copies: Collection[str] = (),
) -> QueryRows:
    """Run the query of a source over its inputs, as they are now.

    `copies` are files that hold what another of their input does: they are left out, as of any
    source. Raises DataError where a file cannot be used, since rows of other inputs would be lost
    with it, and ConfigError where the query does not fit.
    """
    frames: dict[str, DataFrame] = {}
    misfits: list[Misfits] = []
    for one in source.inputs:
        if one.is_files:
            frames[one.name], of_input = _read_input(spark, one, listings[one.name], copies)
            misfits += of_input
        else:
            frames[one.name] = read_whole(spark, one.section)
    rows = _run(spark, source, frames)
    return QueryRows(rows, tuple(misfits))


def require_all_files(broken: BrokenFiles) -> None:
    """Refuse to go on without a file. Raises DataError that lists those that cannot be used."""
    if broken:
        faults = [f"{file}: {why}" for file, why in sorted(broken.items())]
        raise DataError(listed("a query needs all files of its inputs", faults))


def _read_input(
    spark: SparkSession, one: Input, listing: Listing, copies: Collection[str]
) -> tuple[DataFrame, list[Misfits]]:
    layouts = read_layouts(spark, one, listing.files, listing.broken)
    require_all_files(listing.broken)
    layouts = with_types_of_others(spark, one, layouts)
    uris = [uri for uri in layouts if comparable(uri) not in copies]
    read = read_by_layout(spark, one, layouts, uris)
    if not read:
        raise DataError(f"input {one.description} is empty: it has no column")
    frames, misfits = [], []
    for of_layout in read:
        rows = of_layout.rows
        if CORRUPT_RECORD not in rows.columns:
            frames.append(rows)
            continue
        frames.append(rows.where(F.col(CORRUPT_RECORD).isNull()).drop(CORRUPT_RECORD))
        misfits.append(Misfits(_lines_that_do_not_fit(rows), of_layout.misfit))
    return reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), frames), misfits


def _lines_that_do_not_fit(rows: DataFrame) -> DataFrame:
    """Keep them with a column that was read: Spark refuses to read of a file nothing but them."""
    first = F.col(quoted(rows.columns[0])).cast("string")
    is_read = F.coalesce(F.length(first), F.lit(0)) >= 0
    return rows.where(F.col(CORRUPT_RECORD).isNotNull() & is_read)


def _run(spark: SparkSession, source: Source, frames: Mapping[str, DataFrame]) -> DataFrame:
    """Run the query; the views of its inputs are gone once it was analysed."""
    text = source.section.query
    assert text is not None
    try:
        for name, frame in frames.items():
            frame.createOrReplaceTempView(name)
        with lenient_analysis(spark, source.time_zone):
            return spark.sql(text)
    except (AnalysisException, ParseException) as error:
        names = ", ".join(frames)
        fault = f"query: {first_line(error).rstrip('.')}"
        raise ConfigError(f"{fault}; it can read the inputs {names}") from error
    finally:
        for name in frames:
            spark.catalog.dropTempView(name)


def with_columns_of(misfits: Misfits, schema: T.StructType) -> DataFrame:
    """Give lines that do not fit their file with the query's columns, which they have not."""
    nulls = [F.lit(None).cast(field.dataType).alias(field.name) for field in schema.fields]
    return misfits.rows.select(*nulls, CORRUPT_RECORD)
