"""How the user's expressions are analysed: leniently, and on the clocks of their source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession


@contextmanager
def lenient_analysis(spark: SparkSession, time_zone: str) -> Iterator[None]:
    """Analyse the mapping expressions of one source: ANSI off, zoneless stamps in its time zone.

    Spark binds both settings into an expression when it is analysed, which select() does at once,
    so nothing outside this block is touched.
    """
    settings = {"spark.sql.ansi.enabled": "false", "spark.sql.session.timeZone": time_zone}
    before = {key: spark.conf.get(key) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, former in before.items():
            if former is not None:
                spark.conf.set(key, former)
