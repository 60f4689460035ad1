"""Fetch the Delta Lake jar as every session of ours does, and write the paths of its files.

    python scripts/fetch_delta.py jars.txt
    python scripts/fetch_delta.py jars.txt org.apache.hadoop:hadoop-aws:3.5.0

Further packages, as of a storage, come along with it.

Spark fetches through Ivy, into the user's cache, so that later sessions find it there. The
session also proves that this Java, Spark and Delta work together. The jar's name follows
from the installed versions, so that they are pinned in one place.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlparse

from pyspark.sql import SparkSession


def main(mark: Path, *others: str) -> None:
    """Write the jar files of a Spark session with Delta into ``mark``, one a line."""
    spark_minor = version("pyspark").rsplit(".", 1)[0]
    package = f"io.delta:delta-spark_{spark_minor}_2.13:{version('delta-spark')}"
    packages = ",".join([package, *others])
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.jars.packages", packages)
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    jars = spark.sparkContext.getConf().get("spark.jars", "").split(",")
    spark.stop()
    paths = [unquote(urlparse(jar).path) for jar in jars if jar]
    if not paths:
        sys.exit(f"Spark started without {packages}")
    unfinished = mark.with_suffix(".part")
    unfinished.write_text("".join(f"{path}\n" for path in paths))
    unfinished.replace(mark)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
