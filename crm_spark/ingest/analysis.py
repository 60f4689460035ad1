"""How the user's expressions are analysed: leniently, and on the clocks of their source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from crm_spark.runtime.session import session_settings


@contextmanager
def lenient_analysis(spark: SparkSession, time_zone: str) -> Iterator[None]:
    """Analyse the mapping expressions of one source: ANSI off, zoneless stamps in its time zone.

    Spark binds both settings into an expression when it is analysed, which select() does at once,
    so nothing outside this block is touched.
    """
    settings = {"spark.sql.ansi.enabled": "false", "spark.sql.session.timeZone": time_zone}
    with session_settings(spark, settings):
        yield
