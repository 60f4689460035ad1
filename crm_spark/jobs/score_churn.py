"""score_churn: the champion's probability for every active customer of one date."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.jobs.churn_inputs import MODEL_NAME
from crm_spark.jobs.lifecycle import Run, job_run
from crm_spark.models.churn.labels import is_active
from crm_spark.models.churn.model import PROBABILITY, add_reasons, load_model
from crm_spark.progress import log, stage
from crm_spark.run import RunSummary
from crm_spark.tables.features import CUSTOMER_SNAPSHOT
from crm_spark.tables.ops import MODEL_DECISIONS
from crm_spark.tables.scores import CUSTOMER_CHURN
from crm_spark.tracking import CHAMPION, Tracker
from crm_spark.transforms.ranks import add_groups

DESCRIPTION = "Score every active customer of the date with the champion of that date."
NEEDS_AS_OF = True

DECILES = 10


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write scores.customer_churn of the date; lapsed customers get no row."""
    with job_run(spark, config, "score_churn", as_of) as job:
        day = job.day()
        job.require_dates(CUSTOMER_SNAPSHOT, "build_features", [day])
        tracker = Tracker(config.tracking, lake_root=job.lake.root)
        version, is_backfilled = _champion(job, tracker, day)
        with stage(spark, f"load {MODEL_NAME} version {version}"):
            model = load_model(*tracker.load(MODEL_NAME, version))
        job.summary.models[MODEL_NAME] = version
        active = job.lake.read_date(CUSTOMER_SNAPSHOT, day).where(is_active(model.active_days))
        scored = add_reasons(
            model, active, keep=["customer_id", "as_of_date"], n=config.churn.n_reasons
        )
        scored = scored.persist()  # read three times: counted, sorted, written
        rows = _with_deciles(scored).withColumns(
            {
                "horizon_days": F.lit(model.horizon_days),
                "is_backfilled": F.lit(is_backfilled),
                "model_name": F.lit(MODEL_NAME),
                "model_version": F.lit(version),
                "scored_at": F.lit(job.summary.started_at),
            }
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


def _champion(job: Run, tracker: Tracker, day: date) -> tuple[str, bool]:
    """Give the version that was champion on the date, else today's, and whether it is today's."""
    decided = []
    if job.lake.exists(MODEL_DECISIONS):
        decided = (
            job.lake.read(MODEL_DECISIONS)
            .where(F.col("is_champion") & (F.col("model_name") == MODEL_NAME))
            .where(F.col("as_of_date") <= F.lit(day))
            .orderBy(F.desc("as_of_date"), F.desc(F.col("model_version").cast("int")))
            .limit(1)
            .collect()
        )
    if decided:
        return decided[0]["model_version"], False
    current = tracker.alias(MODEL_NAME, CHAMPION)
    if current is None:
        raise DataError(f"no champion of {MODEL_NAME} as of {day}: run train_churn first")
    log.warning(
        "no model was champion on %s: scoring with today's champion, marked as back-filled", day
    )
    return current, True
