"""RFM scores and named segments of one date, with the cut points behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

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
from crm_spark.lake.run import Finished, LakeRun
from crm_spark.lake.state import Output, Target
from crm_spark.runtime.progress import stage

# Raise it with every change that can change a score, or a segment.
GENERATION = 3


def rfm_targets(section: RfmSection, day: date) -> Sequence[Target]:
    """Give the cut points of the date, where it has its own, and its scores."""
    snapshot = Output(CUSTOMER_SNAPSHOT.name, day)
    settings = section.model_dump(mode="json", exclude_defaults=True)
    scores = Output(CUSTOMER_RFM.name, day)
    if section.method == "thresholds":
        return [Target(scores, (snapshot,), settings, GENERATION)]
    cuts = Output(RFM_CUT_POINTS.name, _cut_points_date(section, day))
    own_cuts = Output(RFM_CUT_POINTS.name, day)
    return [
        Target(own_cuts, (snapshot,), generation=GENERATION),
        Target(scores, (snapshot, cuts), settings, GENERATION),
    ]


def _cut_points_date(section: RfmSection, day: date) -> date:
    given = section.cut_points_as_of
    return date.fromisoformat(given) if given else day


def score_rfm(run: LakeRun, section: RfmSection, day: date) -> None:
    """Write scores.rfm_cut_points and scores.customer_rfm of the date."""
    run.settle(CUSTOMER_RFM, RFM_CUT_POINTS)
    *before, target = rfm_targets(section, day)
    if section.method != "thresholds" and _cut_points_date(section, day) > day:
        raise DataError(
            f"rfm.cut_points_as_of {section.cut_points_as_of} is after {day}: cut points may not "
            "see the future"
        )
    run.require(Target(target.output, (Output(CUSTOMER_SNAPSHOT.name, day),)))
    snapshot = run.lake.read_date(CUSTOMER_SNAPSHOT, day)
    for cuts in before:
        _write_cut_points(run, cuts, snapshot, day)
    cut_points, taken_from = _cut_points(run, section, day)
    scored = add_rfm_scores(snapshot, cut_points=cut_points).withColumns(
        {
            "rfm_segment": rfm_segment(section.segments),
            "cut_points_as_of": F.lit(taken_from).cast(T.DateType()),
            "scored_at": F.lit(run.summary.started_at),
        }
    )
    with stage(run.spark, "RFM scores"):
        written = run.replace_dates(CUSTOMER_RFM, scored, [day])
    run.finish(Finished(target, written.version, written.content_checksum))


def _write_cut_points(run: LakeRun, target: Target, snapshot: DataFrame, day: date) -> None:
    """Store the cut points of the date, to be applied to later ones."""
    own = rfm_cut_points(snapshot, n_customers=snapshot.count()).withColumns(
        {"as_of_date": F.lit(day), "value": F.col("value").cast(T.DoubleType())}
    )
    with stage(run.spark, "RFM cut points"):
        written = run.replace_dates(RFM_CUT_POINTS, own, [day])
    run.finish(Finished(target, written.version, written.content_checksum))


def _cut_points(run: LakeRun, section: RfmSection, day: date) -> tuple[CutPoints, date | None]:
    """Give the cut points to use and the date they are of, None for fixed ones."""
    if section.method == "thresholds":
        assert section.thresholds is not None
        return section.thresholds, None
    taken_from = _cut_points_date(section, day)
    if not run.state.is_whole(Output(RFM_CUT_POINTS.name, taken_from)):
        raise DataError(
            f"no RFM cut points of {taken_from} are stored: run score_rfm --as-of {taken_from} "
            "first"
        )
    rows = run.lake.read_date(RFM_CUT_POINTS, taken_from).orderBy("position").collect()  # 12 rows
    cuts = {
        measure: [row["value"] for row in rows if row["measure"] == measure] for measure in MEASURES
    }
    return cuts, taken_from
