"""A sample as files: where it may be written, and its tables in the format that is asked for."""

from __future__ import annotations

import math
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import ConfigError
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.runtime.observed import ObservedCounts
from crm_spark.sample.configuration import Format
from crm_spark.sample.expected import expected_lines
from crm_spark.sample.settings import SampleSettings

LINES_PER_PARTITION = 250_000
CUSTOMERS_PER_PARTITION = 500_000


def free_folder(spark: SparkSession, path: str) -> str:
    """Give the whole path of a folder that is empty or not there yet; a URI where it is elsewhere.

    Raises ConfigError where something is there already.
    """
    place = HadoopFile(spark, path)
    is_file = place.is_found() and not place.is_directory()
    if is_file or place.names():
        what = "is a file" if is_file else "is there already and not empty"
        raise ConfigError(f"{path} {what}: name another folder, or remove it first")
    whole = place.qualified()
    if place.is_local():
        return str(Path(path.removeprefix("file://")).resolve())
    return whole.rstrip("/")


def partitions_for(settings: SampleSettings) -> int:
    """Give how many parts, and so files, the transactions are made in."""
    by_lines = expected_lines(settings) / LINES_PER_PARTITION
    by_customers = settings.n_customers / CUSTOMERS_PER_PARTITION
    return max(2, math.ceil(max(by_lines, by_customers)))


def write_files(df: DataFrame, path: str, files: Format) -> int:
    """Write a table as parquet, CSV or JSON files, and give the number of rows."""
    counts = ObservedCounts(df, F.count(F.lit(1)).alias("n"))
    writer = counts.rows.write.mode("errorifexists")
    # Stamps in texts have their zone, so that they mean the same in any session.
    texts = writer.options(timeZone="UTC", timestampFormat="yyyy-MM-dd'T'HH:mm:ssXXX")
    if files == "csv":
        texts.option("header", True).csv(path)
    elif files == "json":
        texts.json(path)
    else:
        writer.parquet(path)
    return int(counts.exact()["n"])
