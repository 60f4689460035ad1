"""replay_rejected: rows that could not be used are taken back in, after a fix."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.ingest import replay
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.pipeline.settings import ingest_settings
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Take rejected rows back into core under the mapping as it is now."
NEEDS_AS_OF = False


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Replay the rejected rows of every source that has any."""
    with job_run(spark, config, "replay_rejected", None, is_load=True) as job:
        replay.replay_rejected(job, ingest_settings(config))
        return job.summary
