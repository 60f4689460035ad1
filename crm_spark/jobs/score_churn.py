"""score_churn: the champion's probability for every active customer of one date."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.config import Config
from crm_spark.features.ranks import add_groups
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs.model_runs import champion_of
from crm_spark.models.churn.inputs import MODEL_NAME
from crm_spark.models.churn.labels import is_active
from crm_spark.models.churn.model import PROBABILITY, add_reasons, load_model
from crm_spark.models.tracking import Tracker
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.runtime.progress import stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.scores import CUSTOMER_CHURN

DESCRIPTION = "Score every active customer of the date with the champion of that date."
NEEDS_AS_OF = True

DECILES = 10


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write scores.customer_churn of the date; lapsed customers get no row."""
    with job_run(spark, config, "score_churn", as_of) as job:
        day = job.day()
        job.require_dates(CUSTOMER_SNAPSHOT, "build_features", [day])
        tracker = Tracker(config.tracking, lake_root=job.lake.root)
        champion = champion_of(job, tracker, MODEL_NAME, day, trained_by="train_churn")
        with stage(spark, f"load {MODEL_NAME} version {champion.version}"):
            model = load_model(*tracker.load(MODEL_NAME, champion.version))
        active = job.lake.read_date(CUSTOMER_SNAPSHOT, day).where(is_active(model.active_days))
        scored = add_reasons(
            model, active, keep=["customer_id", "as_of_date"], n=config.churn.n_reasons
        )
        scored = scored.persist()  # read three times: counted, sorted, written
        rows = _with_deciles(scored).withColumns(
            {"horizon_days": F.lit(model.horizon_days), **champion.provenance(job)}
        )
        with stage(spark, "churn scores"):
            job.replace_dates(CUSTOMER_CHURN, rows, [day])
        scored.unpersist()
        return job.summary


def _with_deciles(scored: DataFrame) -> DataFrame:
    """Add churn_decile, 1 the most likely to leave; ties fall by customer_id."""
    order = [F.desc(PROBABILITY), F.asc("customer_id")]
    grouped = add_groups(scored, order=order, n_groups=DECILES, name="churn_decile")
    return grouped.withColumn("churn_decile", F.col("churn_decile").cast(T.IntegerType()))
