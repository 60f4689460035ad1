"""What the report shows of propensity, read from the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Row
from pyspark.sql import functions as F

from crm_spark.features.product_names import name_with_id, with_product_names
from crm_spark.models.candidate_report import decision_of, metrics_of, quoted
from crm_spark.models.decisions import Decision
from crm_spark.models.propensity.tables import PROPENSITY_AUDIENCES, REACHES, audience
from crm_spark.models.propensity.targets import DEPARTMENT
from crm_spark.models.records import MetricRow
from crm_spark.report.subject import ReportRequest


@dataclass(frozen=True)
class Audience:
    """How many customers to address for how many of the buyers of a target.

    `sizes` are customers by per cent of the buyers; the precisions are those of the test.
    """

    level: str
    name: str
    n_customers: int
    expected_buyers: float
    recent_buyers: int
    sizes: Mapping[int, int]
    average_precision: float | None = None
    of_rule: float | None = None


@dataclass(frozen=True)
class PropensityFacts:
    """What is known of a date: audiences, those first that most are expected to buy."""

    audiences: tuple[Audience, ...]
    metrics: tuple[MetricRow, ...] = ()
    decision: Decision | None = None


def read_propensity(
    request: ReportRequest, *, registered_name: str, train_job: str
) -> PropensityFacts | None:
    """Read audiences, and figures of the training that decided; None without audiences."""
    rows = request.of_date(PROPENSITY_AUDIENCES)
    if rows is None:
        return None
    named = with_product_names(request.lake, rows, request.mapped)
    named = named.withColumn("name", name_with_id())
    # bounded by the targets of the section
    found = named.orderBy(F.desc("expected_buyers"), "target_id").collect()
    if not found:
        return None
    decision = decision_of(request, registered_name)
    return PropensityFacts(
        tuple(map(_audience, found)), quoted(metrics_of(request, train_job, decision)), decision
    )


def _audience(row: Row) -> Audience:
    return Audience(
        row["level"],
        row["department"] if row["level"] == DEPARTMENT else row["name"],
        row["n_customers"],
        row["expected_buyers"],
        row["recent_buyers"],
        {reach: row[audience(reach)] for reach in REACHES},
        row["tested_average_precision"],
        row["rule_average_precision"],
    )
