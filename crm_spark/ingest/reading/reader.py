"""Spark's reader for the files of a source, by the options that the user gives."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import SparkSession
from pyspark.sql.readwriter import DataFrameReader

from crm_spark.ingest.reading.csv_options import is_read_as_a_whole
from crm_spark.ingest.reading.place import Place
from crm_spark.lake.hadoop import HadoopFile


def file_reader(spark: SparkSession, place: Place) -> DataFrameReader:
    """Give a reader for files that are named one by one; no name is taken for a pattern."""
    section = place.section
    assert section.format is not None
    options = {key: str(value) for key, value in section.options.items()}
    options.pop("basePath", None)
    if section.format == "csv" and is_read_as_a_whole(section.options):
        options["multiLine"] = "true"
    reader = spark.read.format(section.format).options(**options).option("__globPaths__", "false")
    if section.format in ("csv", "json"):
        reader = reader.option("timeZone", options.get("timeZone", place.time_zone))
    return reader


def paths_of(spark: SparkSession, uris: Iterable[str]) -> list[str]:
    """Give files as Spark wants their names."""
    return [HadoopFile(spark, uri, is_uri=True).path for uri in uris]
