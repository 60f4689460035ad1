"""score_rfm: RFM scores and named segments of one date, with the cut points behind them."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.features.rfm import (
    MEASURES,
    CutPoints,
    RfmSection,
    add_rfm_scores,
    rfm_cut_points,
    rfm_segment,
)
from crm_spark.features.rfm_tables import CUSTOMER_RFM, RFM_CUT_POINTS
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.progress import stage
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Score recency, frequency and monetary value from 1 to 5 and name the RFM segments."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write scores.rfm_cut_points and scores.customer_rfm of the date."""
    with job_run(spark, config, "score_rfm", as_of) as job:
        day = job.day()
        job.require_dates(CUSTOMER_SNAPSHOT, "build_features", [day])
        snapshot = job.lake.read_date(CUSTOMER_SNAPSHOT, day)
        cut_points, taken_from = _cut_points(job, snapshot, config.rfm, day)
        scored = add_rfm_scores(snapshot, cut_points=cut_points).withColumns(
            {
                "rfm_segment": rfm_segment(config.rfm.segments),
                "cut_points_as_of": F.lit(taken_from).cast(T.DateType()),
                "scored_at": F.lit(job.summary.started_at),
            }
        )
        with stage(spark, "RFM scores"):
            job.replace_dates(CUSTOMER_RFM, scored, [day])
        return job.summary


def _cut_points(
    job: Run, snapshot: DataFrame, section: RfmSection, day: date
) -> tuple[CutPoints, date | None]:
    """Give the cut points to use and the date they are of; store those of the date itself."""
    if section.method == "thresholds":
        assert section.thresholds is not None
        return section.thresholds, None
    n_customers = snapshot.count()
    own = rfm_cut_points(snapshot, n_customers=n_customers).withColumns(
        {"as_of_date": F.lit(day), "value": F.col("value").cast(T.DoubleType())}
    )
    with stage(job.spark, "RFM cut points"):
        job.replace_dates(RFM_CUT_POINTS, own, [day])
    taken_from = date.fromisoformat(section.cut_points_as_of) if section.cut_points_as_of else day
    if taken_from > day:
        raise DataError(
            f"rfm.cut_points_as_of {taken_from} is after {day}: cut points may not see the future"
        )
    rows = job.lake.read_date(RFM_CUT_POINTS, taken_from).orderBy("position").collect()
    cuts = {
        measure: [row["value"] for row in rows if row["measure"] == measure] for measure in MEASURES
    }
    if not rows:
        raise DataError(
            f"no RFM cut points of {taken_from} are stored: "
            f"run score_rfm --as-of {taken_from} first"
        )
    return cuts, taken_from
