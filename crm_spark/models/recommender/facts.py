"""What the report shows of recommendations, read from the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from crm_spark.features.product_names import with_product_names
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
from crm_spark.lake.state import Output
from crm_spark.models.candidate_report import decision_of, metrics_of, quoted
from crm_spark.models.decisions import Decision
from crm_spark.models.recommender.section import Policy, RecommendationsSection
from crm_spark.models.recommender.tables import PRODUCT_RECOMMENDATIONS
from crm_spark.models.records import MetricRow
from crm_spark.report.subject import ReportRequest

MODEL, TRAINED = "crm_spark_recommender", "train_recommender"


N_LISTED = 5


@dataclass(frozen=True)
class OffersFacts:
    """How many customers are offered how many products, and from which rungs these come.

    `fewest` and `most` are the products offered to one of them, `n_products` the different ones
    offered to anybody, `n_asked` those that the configuration asks for. `n_without` customers are
    offered nothing.
    """

    n_customers: int
    fewest: int
    most: int
    n_products: int
    n_asked: int
    n_without: int
    sources: Mapping[str, int]
    policy: Policy

    @property
    def n_offers(self) -> int:
        """The offers to all of them."""
        return sum(self.sources.values())

    @property
    def n_on_sale(self) -> int | None:
        """How many products there are to offer; None where there are at least as many as asked for.

        Whoever may be offered everything is offered all of them, if they are fewer.
        """
        return self.most if self.policy == "all" and self.most < self.n_asked else None


@dataclass(frozen=True)
class Bought:
    """A product that a customer bought, and in how many orders."""

    name: str
    n_orders: int


@dataclass(frozen=True)
class Offered:
    """A product that a customer is offered, and the rung it comes from."""

    name: str
    source: str


@dataclass(frozen=True)
class ExampleCustomer:
    """A customer with what they bought most and what they are offered."""

    customer_id: str
    segment_name: str | None
    n_orders: int
    spend_amount: float
    days_since_last_order: int
    bought: tuple[Bought, ...] = ()
    offered: tuple[Offered, ...] = ()


@dataclass(frozen=True)
class RecommendationsFacts:
    """What is known of the recommendations of a date; what a run did not make is empty."""

    offers: OffersFacts | None = None
    metrics: tuple[MetricRow, ...] = ()
    examples: tuple[ExampleCustomer, ...] = ()
    decision: Decision | None = None


def read_recommendations(
    request: ReportRequest, params: RecommendationsSection
) -> RecommendationsFacts:
    """Read the offers, the figures of the training that decided, and a few customers."""
    decision = decision_of(request, MODEL)
    return RecommendationsFacts(
        _offers(request, params),
        quoted(metrics_of(request, TRAINED, decision)),
        _examples(request),
        decision,
    )


def _offers(request: ReportRequest, params: RecommendationsSection) -> OffersFacts | None:
    """Sum the offers of the date up; None where there are none because nobody asked for them."""
    customers = request.lake.read_date(CUSTOMER_SNAPSHOT, request.day).select("customer_id")
    rows = request.of_date(PRODUCT_RECOMMENDATIONS)
    if rows is None:
        output = Output(PRODUCT_RECOMMENDATIONS.name, request.day)
        row = request.run.state.newest(output)
        if row is None or row.status != "written" or not request.run.state.is_whole(output):
            return None
        return OffersFacts(0, 0, 0, 0, params.n, customers.count(), {}, params.policy)
    of_customer = rows.groupBy("customer_id").agg(F.count(F.lit(1)).alias("n"))
    offered = of_customer.agg(
        F.count(F.lit(1)).alias("n_customers"), F.min("n").alias("fewest"), F.max("n").alias("most")
    ).collect()[0]
    by_source = rows.groupBy("source").agg(F.count(F.lit(1)).alias("n")).collect()
    return OffersFacts(
        **offered.asDict(),
        n_products=rows.select("product_id").distinct().count(),
        n_asked=params.n,
        n_without=customers.join(of_customer, "customer_id", "left_anti").count(),
        sources={row["source"]: row["n"] for row in by_source},
        policy=params.policy,
    )


def _examples(request: ReportRequest) -> tuple[ExampleCustomer, ...]:
    """Give a few customers with what they bought and what they are offered.

    Of each segment the customer nearest its centre, the segments that spend most first; without
    segments customers drawn by hash.
    """
    offers = request.of_date(PRODUCT_RECOMMENDATIONS)
    interactions = request.of_date(PRODUCT_INTERACTIONS)
    if offers is None or interactions is None or request.style.example_customers == 0:
        return ()
    rows = _chosen(request).collect()  # example_customers
    ids = [row["customer_id"] for row in rows]
    of_examples = F.col("customer_id").isin(ids)
    most = [F.desc("n_orders"), F.asc("days_since_last_order"), F.asc("product_id")]
    bought = _listed(request, interactions.where(of_examples), most)
    offered = _listed(request, offers.where(of_examples), [F.asc("rank")])
    return tuple(
        ExampleCustomer(
            customer_id=row["customer_id"],
            segment_name=row["segment_name"],
            n_orders=row["n_orders"],
            spend_amount=row["spend_amount"],
            days_since_last_order=row["days_since_last_order"],
            bought=tuple(
                Bought(one["name"], one["n_orders"]) for one in bought.get(row["customer_id"], [])
            ),
            offered=tuple(
                Offered(one["name"], one["source"]) for one in offered.get(row["customer_id"], [])
            ),
        )
        for row in rows
    )


def _chosen(request: ReportRequest) -> DataFrame:
    n = request.style.example_customers
    segments = request.of_date(request.tables.get("scores.customer_segments"))
    snapshot = request.lake.read_date(CUSTOMER_SNAPSHOT, request.day).select(
        "customer_id", "n_orders", "spend_amount", "days_since_last_order"
    )
    if segments is None:
        drawn = snapshot.orderBy(F.xxhash64("customer_id"), "customer_id").limit(n)
        return drawn.withColumn("segment_name", F.lit(None).cast("string"))
    nearest = segments.groupBy("segment_id", "segment_name").agg(
        F.min_by("customer_id", F.struct("distance_to_center", "customer_id")).alias("customer_id")
    )
    return nearest.join(snapshot, "customer_id").orderBy("segment_id").limit(n)


def _listed(
    request: ReportRequest, rows: DataFrame, order: Sequence[Column]
) -> dict[str, list[Row]]:
    """Give the first few products of each customer, by name where one is known."""
    found: dict[str, list[Row]] = {}
    named = with_product_names(request.lake, rows, request.mapped)
    for row in named.orderBy(*order).collect():
        of_customer = found.setdefault(row["customer_id"], [])
        if len(of_customer) < N_LISTED:
            of_customer.append(row)
    return found
