"""check_config: read the sources' schemas and check every expression, without running anything."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.ingest.planning.check import check_sources
from crm_spark.pipeline.settings import ingest_settings
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Check a configuration against its sources: keys, paths, columns, expressions."
NEEDS_AS_OF = False


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Raise ConfigError or DataError with every fault; touch nothing."""
    summary = RunSummary("check_config")
    for checked in check_sources(spark, ingest_settings(config).given()):
        section = checked.source.section
        n_columns, place = len(section.columns), section.description
        log.info("sources.%s: %s columns of %s fit", checked.source.name, n_columns, place)
    return summary.finish("succeeded")
