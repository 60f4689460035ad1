"""check_config: read the sources' columns, check every expression and run it on first rows."""

from __future__ import annotations

from datetime import date
from functools import partial

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.ingest.check import check_sources, look_at_all, require_runs
from crm_spark.ingest.verdicts import file_verdicts, log_verdicts
from crm_spark.pipeline.settings import ingest_settings
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import RunSummary
from crm_spark.words import counted, verb

DESCRIPTION = "Check a configuration against its sources: keys, paths, columns, expressions."
NEEDS_AS_OF = False


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Raise ConfigError or DataError with every fault; touch nothing."""
    summary = RunSummary("check_config")
    checked = check_sources(ingest_settings(config).given(), partial(look_at_all, spark))
    require_runs(spark, checked)
    for found in checked:
        section = found.source.section
        columns = counted(len(section.columns), "column")
        fit = verb(len(section.columns), "fits", "fit")
        log.info("sources.%s: %s of %s %s", found.source.name, columns, section.description, fit)
        log_verdicts(file_verdicts(found))
    return summary.finish("succeeded")
