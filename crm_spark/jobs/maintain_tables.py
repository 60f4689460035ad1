"""maintain_tables: drop old as-of dates, put small files together, remove what nobody needs."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.pipeline.tables import tables_with
from crm_spark.pipeline.upkeep import dates_to_keep, maintain
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Drop as-of dates beyond storage.keep_dates, compact all tables, remove old files."
NEEDS_AS_OF = False


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Maintain every table of the lake; no row of a date that is kept changes.

    Those who read meanwhile are not disturbed: a replaced file stays for
    storage.keep_versions_days.
    """
    with job_run(spark, config, "maintain_tables", None) as job:
        kept = dates_to_keep(job)
        for table in tables_with(config.known_models):
            if job.lake.exists(table):
                maintain(job, table, kept)
        return job.summary
