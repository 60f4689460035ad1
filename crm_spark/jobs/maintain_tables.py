"""maintain_tables: drop old as-of dates, put small files together, remove what nobody needs."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
from crm_spark.jobs.build_features import feature_dates
from crm_spark.lake.contract import Table
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.pipeline.tables import tables_with
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.ops import JOB_RUNS

DESCRIPTION = "Drop as-of dates beyond storage.keep_dates, compact all tables, remove old files."
NEEDS_AS_OF = False


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Maintain every table of the lake; no row of a date that is kept changes.

    Those who read meanwhile are not disturbed: a replaced file stays for
    storage.keep_versions_days.
    """
    with job_run(spark, config, "maintain_tables", None) as job:
        kept = _dates_to_keep(job)
        for table in tables_with(config.known_models):
            if not job.lake.exists(table):
                continue
            with stage(spark, f"maintain {table.name}"):
                removed = _drop_dates(job, table, kept)
                done = job.lake.maintain(table)
            dropped = f", {removed} as-of dates dropped" if removed else ""
            log.info(
                "%s: %d files, now %d of %.1f MB%s",
                table.name,
                done.files_before,
                done.files_after,
                done.bytes_after / 1e6,
                dropped,
            )
        return job.summary


def _dates_to_keep(job: Run) -> dict[str, set[date]] | None:
    """Give the as-of dates to keep, by layer; None keeps all.

    Features are kept for the cut-offs, too, that training as of the newest date reads.
    """
    n = job.config.storage.keep_dates
    if n is None or not job.lake.exists(JOB_RUNS):
        return None
    built = job.succeeded_runs("build_features").select("as_of_date").distinct().collect()
    newest = sorted((row["as_of_date"] for row in built), reverse=True)[:n]
    if not newest:
        return None
    first, _ = job.order_dates()
    cutoffs = [
        day
        for table in (CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS)
        for day in feature_dates(job.config, table, newest[0], first)
    ]
    return {"scores": set(newest), "features": {*newest, *cutoffs}}


def _drop_dates(job: Run, table: Table, kept: dict[str, set[date]] | None) -> int:
    """Drop the other dates of a feature or score table; give their number."""
    if kept is None or table.layer not in kept or "as_of_date" not in table.partition_by:
        return 0
    old = [day for day in job.lake.dates(table) if day not in kept[table.layer]]
    if old:
        job.lake.delete_dates(table, old)
        log.info("%s: dropping %s", table.name, ", ".join(map(str, sorted(old))))
    return len(old)
