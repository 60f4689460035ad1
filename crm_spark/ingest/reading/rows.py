"""The rows of a source as it has them: files, tables, queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import ConfigError, DataError, EnvironmentFault
from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.broken import broken_file
from crm_spark.ingest.reading.csv import CsvHead, without_head
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.ingest.reading.layout import Layout
from crm_spark.ingest.reading.misfit import mark_swallowed_lines
from crm_spark.ingest.reading.nulls import with_nulls_of_databases
from crm_spark.ingest.reading.parquet import with_stamps
from crm_spark.ingest.reading.place import Place, PlaceSection
from crm_spark.ingest.reading.reader import file_reader, paths_of
from crm_spark.ingest.settings import Source
from crm_spark.lake.hadoop import HadoopFile


def read_files(
    spark: SparkSession,
    place: Place,
    layout: Layout,
    uris: Sequence[str],
    heads: Iterable[CsvHead] = (),
) -> DataFrame:
    """Give the rows of files of one layout, without the `heads` that stand above them.

    A line of a CSV file that has too few or too many columns is kept as it came (_corrupt_record).
    """
    reader = file_reader(spark, place)
    if layout.base is not None:
        reader = reader.option("basePath", layout.base)
    schema = layout.schema
    if place.section.format in ("csv", "json"):
        schema = schema.add(CORRUPT_RECORD, T.StringType())
        reader = reader.option("columnNameOfCorruptRecord", CORRUPT_RECORD)
        reader = reader.option("mode", "PERMISSIVE")
    if place.section.format == "csv":
        # The header was read already: names that are empty or repeated have become others.
        reader = reader.option("enforceSchema", "true")
    try:
        with lenient_analysis(spark, place.time_zone):
            rows = reader.schema(schema).load(paths_of(spark, uris))
        rows = without_head(rows, heads)
        if place.section.format == "csv":
            rows = mark_swallowed_lines(rows, place.section.options, layout.schema.names)
            rows = with_nulls_of_databases(rows, place.section, layout.schema)
        return with_stamps(rows, layout.nanoseconds)
    except (AnalysisException, PySparkException) as error:
        if broken_file(error):
            raise
        message = f"source {place.description} cannot be read: {first_line(error)}"
        raise DataError(message) from error


def read_above(source: Source, df: DataFrame, *, after: str | None, up_to: str) -> DataFrame:
    """Keep the rows whose watermark lies above `after` (None: all, those without one, too)."""
    assert source.section.watermark is not None
    with lenient_analysis(df.sparkSession, source.time_zone):
        mark = F.expr(source.section.watermark)
        kind = df.select(mark.alias("mark")).schema["mark"].dataType
        is_due = mark <= F.lit(up_to).cast(kind)
        if after is None:
            return df.where(is_due | mark.isNull())
        return df.where(is_due & (mark > F.lit(after).cast(kind)))


def read_whole(spark: SparkSession, section: PlaceSection) -> DataFrame:
    """Give the rows of a table, a query or a Delta table, as it is now.

    Raises DataError for a table that is missing, EnvironmentFault for a database that does not
    answer.
    """
    options = {key: str(value) for key, value in section.options.items()}
    try:
        if section.table:
            return spark.read.options(**options).table(section.table)
        if section.jdbc:
            jdbc = {key: str(value) for key, value in section.jdbc.items()}
            # Stamps without a zone stay so, to be read in the source's time zone like any others.
            reader: Any = spark.read.format("jdbc").option("preferTimestampNTZ", "true")
            return reader.options(**jdbc).options(**options).load()
        return spark.read.format("delta").options(**options).load(section.paths)
    except AnalysisException as error:
        raise DataError(f"source {section.description}: {first_line(error)}") from error
    except Exception as error:
        why = first_line(error)
        if "SQLSyntaxErrorException" in str(error):
            raise DataError(f"source {section.description}: the database says: {why}") from error
        raise EnvironmentFault(f"source {section.description} cannot be reached: {why}") from error


def read_text(spark: SparkSession, path: str) -> str:
    """Read a small text file from any Hadoop filesystem. Raises ConfigError where it is missing."""
    try:
        return HadoopFile(spark, path).text()
    except Exception as error:
        raise ConfigError(f"configuration file {path}: {first_line(error)}") from error
