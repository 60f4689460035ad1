"""score_segments: the segment of every customer of one date, and what sets each segment apart."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs.model_runs import champion_of
from crm_spark.jobs.train_segments import MODEL_NAME
from crm_spark.models.segments.model import assign_segments, load_segment_model
from crm_spark.models.segments.profiles import segment_profiles
from crm_spark.models.tracking import Tracker
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.runtime.progress import stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.scores import CUSTOMER_SEGMENTS, SEGMENT_PROFILES

DESCRIPTION = "Put every customer of the date into a segment, and profile the segments."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write scores.customer_segments and scores.segment_profiles of the date."""
    with job_run(spark, config, "score_segments", as_of) as job:
        day = job.day()
        job.require_dates(CUSTOMER_SNAPSHOT, "build_features", [day])
        tracker = Tracker(config.tracking, lake_root=job.lake.root)
        champion = champion_of(job, tracker, MODEL_NAME, day, trained_by="train_segments")
        with stage(spark, f"load {MODEL_NAME} version {champion.version}"):
            model = load_segment_model(*tracker.load(MODEL_NAME, champion.version))
        snapshot = job.lake.read_date(CUSTOMER_SNAPSHOT, day)
        assigned = assign_segments(model, snapshot, keep=["customer_id", "as_of_date"])
        assigned = assigned.persist()  # written, then profiled
        provenance = champion.provenance(job)
        with stage(spark, "segments of customers"):
            job.replace_dates(CUSTOMER_SEGMENTS, assigned.withColumns(provenance), [day])
        profiles = segment_profiles(assigned.drop("as_of_date"), snapshot)
        with stage(spark, "segment profiles"):
            job.replace_dates(
                SEGMENT_PROFILES,
                profiles.withColumns({"as_of_date": F.lit(day), **provenance}),
                [day],
            )
        assigned.unpersist()
        return job.summary
