"""What the report shows of segments, read from the lake."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Row

from crm_spark.models.candidate_report import decision_of, metrics_of
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.models.segments.tables import SEGMENT_PROFILES
from crm_spark.report.subject import ReportRequest

MODEL, TRAINED = "crm_spark_segments", "train_segments"


@dataclass(frozen=True)
class ApartFeature:
    """A feature that sets a segment apart: its mean there, and of all customers."""

    feature: str
    mean: float | None
    base_mean: float | None


@dataclass(frozen=True)
class SegmentFacts:
    """One segment: its customers, its shares, its means, and what sets it apart, most first."""

    segment_id: int
    segment_name: str
    n_customers: int
    customer_share: float
    spend_share: float | None
    mean_n_orders: float
    mean_days_since_last_order: float
    mean_spend_amount: float
    mean_spend_per_order: float
    apart: tuple[ApartFeature, ...]


@dataclass(frozen=True)
class SegmentsFacts:
    """What is known of the segments of a date; what a run did not make is empty."""

    segments: tuple[SegmentFacts, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    decision: Decision | None = None


def read_segments(request: ReportRequest) -> SegmentsFacts:
    """Read the profiles, and the figures of the training that decided."""
    decision = decision_of(request, MODEL)
    profiles = request.of_date(SEGMENT_PROFILES)
    rows = profiles.orderBy("segment_id").collect() if profiles else []  # a row a segment
    return SegmentsFacts(
        tuple(_segment(row) for row in rows),
        tuple(metrics_of(request, TRAINED, decision)),
        decision,
    )


def _segment(row: Row) -> SegmentFacts:
    apart = [ApartFeature(one["feature"], one["mean"], one["base_mean"]) for one in row["apart"]]
    return SegmentFacts(
        segment_id=row["segment_id"],
        segment_name=row["segment_name"],
        n_customers=row["n_customers"],
        customer_share=row["customer_share"],
        spend_share=row["spend_share"],
        mean_n_orders=row["mean_n_orders"],
        mean_days_since_last_order=row["mean_days_since_last_order"],
        mean_spend_amount=row["mean_spend_amount"],
        mean_spend_per_order=row["mean_spend_per_order"],
        apart=tuple(apart),
    )
