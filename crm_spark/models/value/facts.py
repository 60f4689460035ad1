"""What the report shows of value, read from the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.features.ranks import add_ranks
from crm_spark.models.candidate_report import decision_of, metrics_of, quoted
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.models.value.score import PARTS, part_score
from crm_spark.models.value.scoring import REST, TIERS
from crm_spark.models.value.section import ScoreWeights
from crm_spark.models.value.tables import CUSTOMER_VALUE
from crm_spark.report.subject import ReportRequest

N_FIRST = 10
AT_RISK = "value_at_risk_amount"
# The concentration curve has so many points.
N_STEPS = 20


@dataclass(frozen=True)
class Tier:
    """Customers of a tier, the spend expected of them in the horizon, and the least of one."""

    name: str
    n: int
    expected: float
    least: float


@dataclass(frozen=True)
class Worth:
    """One of the customers of whom most is expected."""

    customer_id: str
    expected: float
    low: float | None
    high: float | None
    order_days: float | None
    alive_probability: float | None


@dataclass(frozen=True)
class AtRisk:
    """A customer whose leaving would cost most: what is expected, and of it what is at risk."""

    customer_id: str
    expected: float
    at_risk: float


@dataclass(frozen=True)
class Scored:
    """One of the customers with the highest value score, with its parts; None: all are alike."""

    customer_id: str
    score: float
    parts: Mapping[str, float | None]


@dataclass(frozen=True)
class ValueFacts:
    """What is known of value on a date.

    `concentration` is the expected spend of each twentieth of the customers, the best first;
    `at_risk` the sum of what is at risk, of whom churn knows a score (None: of nobody), and
    `first_at_risk` those with most of it. `first_by_score` have the highest value score, by
    `weights`; `same_top_tenth` says of each part which share of the tenth with the highest score
    would be in it by that part alone.
    """

    horizon_days: int
    tiers: tuple[Tier, ...]
    concentration: tuple[float, ...]
    first: tuple[Worth, ...]
    by_horizon: tuple[tuple[int, float], ...]
    metrics: tuple[MetricRow, ...] = ()
    decision: Decision | None = None
    at_risk: float | None = None
    first_at_risk: tuple[AtRisk, ...] = ()
    weights: ScoreWeights = field(default_factory=ScoreWeights)
    first_by_score: tuple[Scored, ...] = ()
    same_top_tenth: Mapping[str, float] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many customers."""
        return sum(tier.n for tier in self.tiers)

    @property
    def expected(self) -> float:
        """The spend expected of all of them."""
        return sum(tier.expected for tier in self.tiers)


def read_value(
    request: ReportRequest, *, registered_name: str, train_job: str, weights: ScoreWeights
) -> ValueFacts | None:
    """Read scores, and figures of the training that decided; None without scores."""
    rows = request.of_date(CUSTOMER_VALUE)
    if rows is None:
        return None
    decision = decision_of(request, registered_name)
    tiers = _tiers(rows)
    if not tiers:
        return None
    horizons = (
        rows.select(F.explode("by_horizon").alias("one"))
        .groupBy("one.horizon_days")
        .agg(F.sum("one.expected_amount").alias("amount"))
        .orderBy("horizon_days")
        .collect()
    )
    horizon, at_risk = rows.agg(F.max("horizon_days"), F.sum(AT_RISK)).collect()[0]
    return ValueFacts(
        horizon,
        tiers,
        _concentration(rows),
        _first(rows),
        tuple((row["horizon_days"], row["amount"]) for row in horizons),
        quoted(metrics_of(request, train_job, decision)),
        decision,
        at_risk,
        _first_at_risk(rows),
        weights,
        _first_by_score(rows),
        _same_top_tenth(rows),
    )


def _tiers(rows: DataFrame) -> tuple[Tier, ...]:
    found = {
        row["value_tier"]: row
        for row in rows.groupBy("value_tier")
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.sum("expected_amount").alias("expected"),
            F.min("expected_amount").alias("least"),
        )
        .collect()
    }
    return tuple(
        Tier(name, found[name]["n"], found[name]["expected"], found[name]["least"])
        for name in (*TIERS, REST)
        if name in found
    )


def _concentration(rows: DataFrame) -> tuple[float, ...]:
    order = [F.desc("expected_amount"), F.asc("customer_id")]
    ranked = add_ranks(rows.select("customer_id", "expected_amount"), order=order, rank="r", n="n")
    step = F.ceil(F.col("r") * N_STEPS / F.col("n"))
    found = {
        row["step"]: row["amount"]
        for row in ranked.groupBy(step.alias("step"))
        .agg(F.sum("expected_amount").alias("amount"))
        .collect()
    }
    return tuple(found.get(place, 0.0) for place in range(1, N_STEPS + 1))


def _first_at_risk(rows: DataFrame) -> tuple[AtRisk, ...]:
    found = (
        rows.where(F.col(AT_RISK) > 0).orderBy(F.desc(AT_RISK), "customer_id").limit(N_FIRST)
    ).collect()
    return tuple(AtRisk(row["customer_id"], row["expected_amount"], row[AT_RISK]) for row in found)


def _first_by_score(rows: DataFrame) -> tuple[Scored, ...]:
    known = rows.where("value_score IS NOT NULL")
    best = known.orderBy(F.desc("value_score"), "customer_id").limit(N_FIRST).collect()
    return tuple(
        Scored(
            row["customer_id"],
            row["value_score"],
            {part: row[part_score(part)] for part in PARTS},
        )
        for row in best
    )


def _same_top_tenth(rows: DataFrame) -> dict[str, float]:
    """Give by part how many of the tenth with the highest score are in the tenth by it alone.

    Whoever has nothing of a part is in no tenth of it, however few have anything.
    """
    names = ["value_score", *map(part_score, PARTS)]
    tenths = [F.percentile_approx(name, 0.9, 10_000).alias(name) for name in names]
    ends = rows.agg(*tenths).collect()[0]
    if not ends["value_score"]:
        return {}

    def is_top(name: str) -> Column:
        return (F.col(name) >= ends[name]) & (F.col(name) > 0)

    counts = rows.where(is_top("value_score")).agg(
        F.count(F.lit(1)).alias("n"),
        *[
            F.count_if(is_top(part_score(part))).alias(part)
            for part in PARTS
            if ends[part_score(part)] is not None
        ],
    )
    found = counts.collect()[0].asDict()
    n = found.pop("n")
    return {part: n_same / n for part, n_same in found.items()}


def _first(rows: DataFrame) -> tuple[Worth, ...]:
    best = rows.orderBy(F.desc("expected_amount"), "customer_id").limit(N_FIRST).collect()
    return tuple(
        Worth(
            row["customer_id"],
            row["expected_amount"],
            row["expected_amount_low"],
            row["expected_amount_high"],
            row["expected_order_days"],
            row["alive_probability"],
        )
        for row in best
    )
