"""The rows of a source as it has them: files, tables, queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import ConfigError, DataError, EnvironmentFault
from crm_spark.ingest.mapping.expressions import CORRUPT_RECORD, lenient_analysis
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.files import broken_file
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import SourceSection
from crm_spark.lake.hadoop import HadoopFile


def read_files(
    spark: SparkSession, source: Source, uris: Sequence[str], *, is_all: bool = False
) -> DataFrame:
    """Give the rows of these files of a source; with `is_all` they are all that it has.

    Raises DataError for an unreadable schema.
    """
    section = source.section
    paths = [HadoopFile(spark, uri, is_uri=True).path for uri in uris]
    if len(section.paths) == 1 and is_all:
        paths = section.paths
    with lenient_analysis(spark, source.time_zone):
        df = _load_files(spark, section, paths, source.time_zone)
    if not [name for name in df.columns if name != CORRUPT_RECORD]:
        raise DataError(f"source {section.description} is empty: it has no column")
    return df


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


def read_whole(spark: SparkSession, section: SourceSection) -> DataFrame:
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
            reader = spark.read.format("jdbc").option("preferTimestampNTZ", "true")
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


def _load_files(
    spark: SparkSession, section: SourceSection, paths: Sequence[str], time_zone: str
) -> DataFrame:
    assert section.format is not None
    options = {key: str(value) for key, value in section.options.items()}
    reader = spark.read.format(section.format).options(**options)
    if len(section.paths) == 1 and list(paths) != section.paths and "basePath" not in options:
        base = section.paths[0]
        if HadoopFile(spark, base).is_directory():
            reader = reader.option("basePath", base)
    try:
        if section.format in ("csv", "json"):
            reader = reader.option("timeZone", options.get("timeZone", time_zone))
        if section.format == "csv":
            return _load_csv(reader, list(paths))
        if section.format == "json":
            reader = reader.option("columnNameOfCorruptRecord", CORRUPT_RECORD)
        return reader.load(list(paths))
    except (AnalysisException, PySparkException) as error:
        if broken_file(error):
            raise
        message = f"source {section.description} cannot be read: {first_line(error)}"
        raise DataError(message) from error


def _load_csv(reader: Any, paths: list[str]) -> DataFrame:
    """Read CSV so that a line with too few or too many columns is seen, not silently bent."""
    schema = reader.load(paths).schema
    with_corrupt = schema.add(CORRUPT_RECORD, "string")
    return (
        reader.option("mode", "PERMISSIVE")
        # A file whose header names other columns, or the same in another order, breaks when read.
        .option("enforceSchema", "false")
        .option("columnNameOfCorruptRecord", CORRUPT_RECORD)
        .schema(with_corrupt)
        .load(paths)
    )
