"""What subjects would read for the report, built by hand: a lot of it, and as little as may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from crm_spark.features.base_report import BaseFacts, Month, show_base
from crm_spark.features.rfm_report import RfmCell, RfmFacts, RfmSegmentFacts, show_rfm
from crm_spark.models.churn.facts import (
    ChurnFacts,
    ChurnScores,
    FirstToCall,
    Reason,
    WalkedAuc,
)
from crm_spark.models.churn.report import show_churn
from crm_spark.models.decisions import Decision
from crm_spark.models.recommender.facts import (
    Bought,
    ExampleCustomer,
    Offered,
    OffersFacts,
    RecommendationsFacts,
)
from crm_spark.models.recommender.report import show_recommendations
from crm_spark.models.records import MetricRow
from crm_spark.models.registry import MODELS
from crm_spark.models.segments.facts import ApartFeature, SegmentFacts, SegmentsFacts
from crm_spark.models.segments.report import show_segments
from crm_spark.pipeline.cost_report import JobCost, show_costs
from crm_spark.pipeline.data_facts import (
    DataFacts,
    RejectedReason,
    SourceCounts,
    UnusualPrice,
)
from crm_spark.pipeline.data_report import show_data
from crm_spark.report.blocks import Page
from crm_spark.report.page import Heading, build_page
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject
from crm_spark.tables.checks import CheckRow

Row = dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """All that the report speaks of, as plain rows; what a run did not make is empty."""

    title: str
    currency: str
    as_of: date
    time_zone: str
    package_version: str
    base: Mapping[str, Any]
    months: Sequence[Row] = ()
    rfm_cells: Sequence[Row] = ()
    rfm_segments: Sequence[Row] = ()
    churn: Row | None = None
    churn_first: Sequence[Row] = ()
    churn_metrics: Sequence[Row] = ()
    walk_forward: Sequence[Row] = ()
    champions: Mapping[str, Row] = field(default_factory=dict)
    segments: Sequence[Row] = ()
    segment_metrics: Sequence[Row] = ()
    recommendations: Mapping[str, Any] | None = None
    recommendation_metrics: Sequence[Row] = ()
    examples: Sequence[Row] = ()
    sources: Sequence[Row] = ()
    rejected: Sequence[Row] = ()
    unusual_prices: Sequence[Row] = ()
    checks: Sequence[Row] = ()
    ingest_checks: Sequence[Row] = ()
    runs: Sequence[Row] = ()


def subjects_of(inputs: Inputs) -> list[Subject | None]:
    """Give what each subject shows, in the order of the page."""
    style = ReportSection(currency=inputs.currency)
    base = BaseFacts(**inputs.base, months=tuple(Month(**row) for row in inputs.months))
    rfm = RfmFacts(
        tuple(RfmCell(**row) for row in inputs.rfm_cells),
        tuple(
            RfmSegmentFacts(row["rfm_segment"], row["n"], row["spend"])
            for row in inputs.rfm_segments
        ),
    )
    return [
        show_base(base, style),
        show_rfm(rfm, style),
        show_churn(_churn(inputs), inputs.as_of, style),
        show_segments(_segments(inputs), style),
        show_recommendations(_recommendations(inputs), style),
        show_data(_data(inputs), style),
        show_costs(tuple(JobCost(**row) for row in inputs.runs)),
    ]


def page_of(inputs: Inputs) -> Page:
    """Lay out the report of these inputs."""
    heading = Heading(inputs.title, inputs.as_of, inputs.time_zone, inputs.package_version)
    return build_page(
        heading, subjects_of(inputs), [pair for model in MODELS for pair in model.glossary]
    )


def _metrics(rows: Sequence[Row]) -> tuple[MetricRow, ...]:
    return tuple(
        MetricRow(
            row["model_name"],
            row["cutoff_date"],
            row["metric"],
            row["value"],
            row["n"],
            row["low"],
            row["high"],
        )
        for row in rows
    )


def _decision(inputs: Inputs, model: str) -> Decision | None:
    row = inputs.champions.get(model)
    if row is None:
        return None
    return Decision(
        model_name=model,
        version=row["version"],
        kind=row["kind"],
        as_of=inputs.as_of,
        is_champion=True,
        why=row["why"],
        chose_itself=row.get("chose_itself", False),
        training_key="key",
        training_run_id="run",
        decided_at=datetime(2017, 12, 1, tzinfo=UTC),
        run_id="run",
    )


def _churn(inputs: Inputs) -> ChurnFacts:
    scores = inputs.churn
    return ChurnFacts(
        scores=ChurnScores(**{**scores, "histogram": tuple(scores["histogram"])})
        if scores
        else None,
        first=tuple(
            FirstToCall(**{**row, "reasons": tuple(Reason(**reason) for reason in row["reasons"])})
            for row in inputs.churn_first
        ),
        metrics=_metrics(inputs.churn_metrics),
        walked=tuple(
            WalkedAuc(row["model_name"], row["cutoff_date"], row["value"])
            for row in inputs.walk_forward
        ),
        decision=_decision(inputs, "crm_spark_churn"),
    )


def _segments(inputs: Inputs) -> SegmentsFacts:
    return SegmentsFacts(
        tuple(
            SegmentFacts(
                **{
                    **row,
                    "apart": tuple(
                        ApartFeature(one["feature"], one["mean"], one["base_mean"])
                        for one in row["apart"]
                    ),
                }
            )
            for row in inputs.segments
        ),
        _metrics(inputs.segment_metrics),
        _decision(inputs, "crm_spark_segments"),
    )


def _recommendations(inputs: Inputs) -> RecommendationsFacts:
    return RecommendationsFacts(
        OffersFacts(**inputs.recommendations) if inputs.recommendations else None,
        _metrics(inputs.recommendation_metrics),
        tuple(
            ExampleCustomer(
                **{
                    **row,
                    "bought": tuple(Bought(*one) for one in row["bought"]),
                    "offered": tuple(Offered(*one) for one in row["offered"]),
                }
            )
            for row in inputs.examples
        ),
        _decision(inputs, "crm_spark_recommender"),
    )


def _data(inputs: Inputs) -> DataFacts:
    return DataFacts(
        tuple(
            SourceCounts(
                **{
                    **row,
                    "cleaned": {one["effect"]: one["n_rows"] for one in row.get("cleaned") or ()},
                }
            )
            for row in inputs.sources
        ),
        tuple(RejectedReason(**row) for row in inputs.rejected),
        tuple(UnusualPrice(**row) for row in inputs.unusual_prices),
        tuple(CheckRow(subject="a subject", **row) for row in inputs.checks),
        tuple(CheckRow(subject="a subject", **row) for row in inputs.ingest_checks),
    )


AS_OF = date(2017, 12, 1)
CUTOFF = date(2017, 11, 3)
RULE = "recency_frequency_tenure"

BASE: Mapping[str, Any] = {
    "n_customers": 2_463,
    "n_active": 2_309,
    "active_days": 84,
    "n_orders": 142_751,
    "spend": 4_174_319.4,
    "returned": 1_234.0,
    "first_day": date(2017, 1, 1),
    "last_day": date(2017, 11, 30),
}


def metric(
    model: str,
    name: str,
    value: float | None,
    *,
    around: float | None = None,
    n: int = 2_293,
    cutoff: date = CUTOFF,
) -> Row:
    """Give a row of ops.metrics; its interval reaches `around` the value to either side."""
    known = value is not None and around is not None
    return {
        "model_name": model,
        "metric": name,
        "value": value,
        "low": value - around if known else None,
        "high": value + around if known else None,
        "n": n,
        "cutoff_date": cutoff,
    }


def churn_metrics(model: str, auc: float | None) -> list[Row]:
    """Give the metrics of one model, with ten bins of which every second customer of 100 left."""
    rows = [
        metric(model, "auc", auc, around=0.02),
        metric(model, "average_precision", 0.4387, around=0.05),
        metric(model, "brier", 0.0929, around=0.01),
        metric(model, "calibration_error", 0.0131),
        metric(model, "calibration_limit", 0.02),
        metric(model, "lift_at_10_percent", 3.5759),
    ]
    for place in range(1, 11):
        left = (11 - place) / 20
        rows += [
            metric(model, f"bin.{place:02d}.predicted", left + 0.01, n=100),
            metric(model, f"bin.{place:02d}.observed", left, n=100),
        ]
    return rows


def importances(values: Mapping[str, float]) -> list[Row]:
    return [metric("forest", f"importance.{name}", value) for name, value in values.items()]


def walked(aucs: Mapping[date, Mapping[str, float | None]]) -> list[Row]:
    """Give the AUC of each model on each cut-off."""
    return [
        {"model_name": model, "cutoff_date": day, "metric": "auc", "value": value}
        for day, of_model in aucs.items()
        for model, value in of_model.items()
    ]


def ranking_metrics(
    ndcg: Mapping[str, float],
    new_only: Mapping[str, float] | None = None,
    *,
    ladder: str = "buy_again",
    new_ladder: str = "popular",
    around: float | None = 0.01,
) -> list[Row]:
    """Give nDCG as given, and other metrics derived from it, for each policy.

    `ladder` and `new_ladder` recommend: their figures are those of what is recommended, too. Gains
    over the best rule reach `around` to either side.
    """
    rules = ("popular", "buy_again")
    policies = (("all", ladder, ndcg), ("new_only", new_ladder, new_only or {}))
    rows = []
    for policy, chosen, of_model in policies:
        best = max((of_model[rule] for rule in rules if rule in of_model), default=0.0)
        recommends = {"ladder": of_model[chosen]} if chosen in of_model else {}
        for model, value in {**recommends, **of_model}.items():
            if (chosen if model == "ladder" else model) not in rules:
                gain = f"ndcg_gain_at_10.{policy}"
                rows.append(metric(model, gain, value - best, around=around, n=2_222))
            rows += [
                metric(model, f"ndcg_at_10.{policy}", value, around=0.01, n=2_222),
                metric(model, f"offered_hit_rate_at_10.{policy}", value, n=4_112),
                metric(model, f"hit_rate_at_10.{policy}", value * 2, n=2_222),
                metric(model, f"precision_at_10.{policy}", value / 2, n=2_222),
                metric(model, f"coverage_at_10.{policy}", value / 10, n=2_222),
            ]
    return rows


OFFERS: Mapping[str, Any] = {
    "n_customers": 2_463,
    "fewest": 10,
    "most": 10,
    "n_products": 3_021,
    "n_asked": 10,
    "n_without": 0,
    "sources": {"als": 6_000, "buy_again": 16_800, "popular": 1_200},
    "policy": "all",
}


def segment(place: int, name: str, *, of_customers: float = 0.25, of_spend: float = 0.25) -> Row:
    return {
        "segment_id": place,
        "segment_name": name,
        "n_customers": 600 + place,
        "customer_share": of_customers,
        "spend_share": of_spend,
        "mean_n_orders": 58.0,
        "mean_days_since_last_order": 12.4,
        "mean_spend_amount": 1_694.8,
        "mean_spend_per_order": 29.2,
        "apart": [
            {"feature": "n_orders", "mean": 12.5, "base_mean": 58.0, "deviation": -1.4},
            {"feature": "discount_share", "mean": 0.125, "base_mean": None, "deviation": 1.1},
            {"feature": "tenure_days", "mean": 120.0, "base_mean": 280.0, "deviation": -1.0},
            {"feature": "n_products", "mean": 7_777.0, "base_mean": 1.0, "deviation": 0.1},
        ],
    }


SILHOUETTE = [
    metric("kmeans", "silhouette.k4", 0.341),
    metric("kmeans", "silhouette.k10", 0.2),
    metric("kmeans", "silhouette.k5", 0.3),
    metric("kmeans", "stability.k4", 1.0),
    metric("kmeans", "silhouette", 0.341),
    metric("kmeans", "explained_share", 0.42),
    metric("spend_groups", "silhouette", -0.123),
    metric("spend_groups", "explained_share", 0.11),
]


def first_to_call(customer_id: str, reasons: Sequence[tuple[str, float]]) -> Row:
    """Give a customer with a probability of 40 % who bought for 500."""
    return {
        "customer_id": customer_id,
        "churn_probability": 0.4,
        "spend": 500.0,
        "reasons": [
            {"feature": "n_orders", "value": 1.0, "effect": effect, "theme": "orders", "text": text}
            for text, effect in reasons
        ],
    }


def example(customer_id: str, **changed: Any) -> Row:
    return {
        "customer_id": customer_id,
        "segment_name": "many orders",
        "n_orders": 1_100,
        "spend_amount": 3_210.5,
        "days_since_last_order": 4,
        "bought": [("White Bread, 20 oz", 12), ("Eggs", 3)],
        "offered": [("White Bread, 20 oz", "buy_again"), ("Salsa", "als"), ("Milk", "popular")],
        **changed,
    }


def job_row(job: str, **changed: Any) -> Row:
    return {
        "job": job,
        "seconds": 12.34,
        "core_seconds": 20.0,
        "peak_memory_bytes": 1_500_000_000,
        "shuffle_bytes": 2_500_000,
        "spill_bytes": 0,
        **changed,
    }


def source(name: str, *, rejected: int = 0) -> Row:
    return {
        "name": name,
        "rows_read": 10_000,
        "rows_written": 9_000 - rejected,
        "rows_rejected": rejected,
        "rows_filtered": 400,
        "rows_duplicate": 600,
    }


def poor(**changed: Any) -> Inputs:
    """Give inputs of which only the base is known."""
    inputs = Inputs(
        title="Customers",
        currency="CHF ",
        as_of=AS_OF,
        time_zone="Europe/Zurich",
        package_version="1.2.3",
        base=BASE,
    )
    return replace(inputs, **changed)


def rich(**changed: Any) -> Inputs:
    """Give inputs of which everything is known."""
    inputs = poor(
        months=[
            {
                "month": f"2017-{month:02d}",
                "n_customers": 1_000 + month,
                "spend": month * 1e4,
            }
            for month in range(1, 12)
        ],
        rfm_cells=[
            {
                "recency_score": recency,
                "frequency_score": frequency,
                "n": 10 * recency + frequency,
                "spend": 100.0 * frequency,
            }
            for recency in range(1, 6)
            for frequency in range(1, 6)
            if (recency, frequency) != (5, 1)
        ],
        rfm_segments=[
            {"rfm_segment": "champions", "n": 30, "spend": 7_500.0},
            {"rfm_segment": "cannot_lose_them", "n": 70, "spend": 2_500.0},
        ],
        churn={
            "n": 2_309,
            "expected": 308.4,
            "horizon_days": 28,
            "top": 0.5,
            "n_top": 231,
            "histogram": [1_379, 400, 200, 130, 92, 50, 30, 15, 8, 5],
        },
        churn_first=[
            first_to_call(
                "C1701",
                [("no orders in the last 28 days", 0.03), ("has returned 37% of it", 0.012)],
            ),
            first_to_call("C2042", []),
        ],
        churn_metrics=[
            *churn_metrics("forest", 0.8522),
            *churn_metrics("recency", 0.7701),
            *churn_metrics(RULE, 0.8256),
            *importances(
                {
                    "n_orders_28d": 0.01,
                    "days_since_last_order": 0.03,
                    "tenure_days": 0.0,
                    "n_items_7d": -0.002,
                }
            ),
        ],
        walk_forward=walked(
            {
                date(2017, 9, 8): {"forest": 0.83, "recency": 0.75, RULE: 0.8},
                date(2017, 10, 6): {"forest": 0.87, "recency": 0.76, RULE: 0.81},
                CUTOFF: {"forest": 0.8522, "recency": 0.7701, RULE: 0.8256},
            }
        ),
        champions={
            "crm_spark_churn": {
                "kind": "forest",
                "version": "2",
                "why": f"the forest beats the best rule: forest AUC 0.8522; {RULE} AUC 0.8256",
            },
            "crm_spark_segments": {"kind": "kmeans", "version": "1", "why": "4 segments, so told"},
        },
        segments=[
            segment(1, "many orders, long a customer", of_spend=0.5),
            segment(2, "few orders", of_customers=0.75, of_spend=0.5),
        ],
        segment_metrics=SILHOUETTE,
        recommendations=OFFERS,
        recommendation_metrics=ranking_metrics(
            {"popular": 0.186, "buy_again": 0.409, "als": 0.207, "buy_again_als": 0.41},
            {"popular": 0.039, "als": 0.042},
        ),
        examples=[example("C1"), example("C2", segment_name=None, n_orders=1)],
        sources=[source("core.transactions", rejected=70), source("core.products")],
        unusual_prices=[
            {
                "name": "Picnic Basket",
                "usual_from_price": 2.98,
                "usual_to_price": 11.9,
                "lowest_price": 4.25,
                "highest_price": 649.5,
                "n_unusual_lines": 1,
                "unusual_amount": 38_970.0,
            },
        ],
        checks=[
            {
                "job": "train_churn",
                "level": "warning",
                "check": "customers",
                "message": "with 80 customers the share that leaves is known to within 11 points",
            },
        ],
        rejected=[
            {
                "table": "core.transactions",
                "reason": "amount is no number",
                "n": 70,
                "n_taken_back": 3,
                "newest": date(2024, 5, 1),
            }
        ],
        runs=[
            job_row("ingest_sources"),
            job_row("score_rfm", core_seconds=None, peak_memory_bytes=None, shuffle_bytes=999),
        ],
    )
    return replace(inputs, **changed)
