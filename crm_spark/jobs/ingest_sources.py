"""ingest_sources: what is new in the user's tables goes to core, every row accounted for."""

from __future__ import annotations

import argparse
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.ingest import ingest as sources
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.pipeline.settings import ingest_settings
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Load what is new in the configured sources into core; bad rows go to *_rejected."
NEEDS_AS_OF = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flag that only the ingest has."""
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="load the sources anew, as they are now; rows of what is there no more go",
    )


def run(
    spark: SparkSession, config: Config, as_of: date | None, *, rebuild: bool = False
) -> RunSummary:
    """Load every configured source.

    With `as_of` (the pipeline's first date) sources without an order before it are refused, too.
    """
    with job_run(spark, config, "ingest_sources", None, is_load=True) as job:
        sources.ingest_sources(job, ingest_settings(config), rebuild=rebuild, first_day=as_of)
        return job.summary
