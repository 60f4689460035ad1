"""train_segments: find segments of alike customers, choose how many, and name them."""

from __future__ import annotations

from datetime import date
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from crm_spark.config import Config, fingerprint
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs.model_runs import (
    conclude_training,
    input_versions,
    metric_row,
    reuse,
    rows_hash,
    write_metrics,
)
from crm_spark.jobs.verdicts import require_usable
from crm_spark.models.segments.model import CLUSTER, standardised
from crm_spark.models.segments.train import KMEANS, SPEND, FittedSegments, fit_segments
from crm_spark.models.tracking import LoggedPipeline, Tracker
from crm_spark.models.usability.segments import SEGMENTS, segments_verdicts
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Find segments of alike customers by k-means, choose how many, and name them."
NEEDS_AS_OF = True

MODEL_NAME = "crm_spark_segments"

# Raise it with every change of training that can change a model: it is part of the version's key.
TRAINING_VERSION = 1


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Fit on the snapshot of the date; write ops.metrics and ops.model_decisions."""
    with job_run(spark, config, "train_segments", as_of) as job:
        day = job.day()
        require_usable(job, SEGMENTS, day, partial(segments_verdicts, params=config.segments))
        job.require_dates(CUSTOMER_SNAPSHOT, "build_features", [day])
        snapshot = job.lake.read_date(CUSTOMER_SNAPSHOT, day)
        key = _version_key(config, snapshot)
        tracker = Tracker(config.tracking, lake_root=job.lake.root)
        if not reuse(job, tracker, key, day):
            with stage(spark, "fit segments"):
                fitted = fit_segments(snapshot, config.segments)
            _register(job, tracker, key, day, fitted, snapshot)
        return job.summary


def _version_key(config: Config, snapshot: DataFrame) -> str:
    """Hash all that the model depends on: the customers' features, the section, our version."""
    columns = dict.fromkeys(["customer_id", SPEND, *config.segments.features])
    section = config.segments.model_dump(mode="json")
    return fingerprint([TRAINING_VERSION, snapshot.count(), rows_hash(snapshot, *columns), section])


def _register(
    job: Run, tracker: Tracker, key: str, day: date, fitted: FittedSegments, snapshot: DataFrame
) -> None:
    log.info("%s", fitted.why)
    for held in fitted.model.segments:
        log.info("  %d %s", held.segment_id, held.name)
    rows = [
        metric_row(job, day, day, held.model_name, held.metric, held.value, n=fitted.n_sample)
        for held in fitted.measured
    ]
    write_metrics(job, day, rows)
    with stage(job.spark, f"register {MODEL_NAME}"):
        params = job.config.segments.model_dump(mode="json")
        version = tracker.register(
            MODEL_NAME,
            kind=KMEANS,
            fingerprint=key,
            spec_json=fitted.model.spec_json(),
            pipeline=LoggedPipeline(
                fitted.model.pipeline,
                standardised(snapshot, fitted.model.inputs, keep=[]),
                (CLUSTER,),
            ),
            params={**params, "features": ",".join(params["features"])},
            metrics={f"{held.model_name}.{held.metric}": held.value for held in fitted.measured},
            inputs=input_versions(job, CUSTOMER_SNAPSHOT),
        )
    conclude_training(
        job, tracker, key, day, versions={KMEANS: version}, champion=KMEANS, why=fitted.why
    )
