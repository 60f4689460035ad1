"""What the report shows of contract churn, read from the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pyspark.sql import functions as F

from crm_spark.models.candidate_report import decision_of, metrics_of
from crm_spark.models.classifiers.report import sums_of_scores
from crm_spark.models.contract_churn.section import ContractChurnSection
from crm_spark.models.contract_churn.tables import CONTRACT_CHURN
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.report.subject import ReportRequest

MODEL, TRAINED = "crm_spark_contract_churn", "train_contract_churn"
# What ops.metrics calls the attributes: they are no model.
ATTRIBUTES_MODEL: Final = "attributes"
TRAINING_AUC: Final = ".training_auc"

N_FIRST = 10


@dataclass(frozen=True)
class ContractScores:
    """The scores of a date: how many customers, how many of them are likely to leave.

    `top` is the mean probability of the first decile, `n_top` its customers.
    """

    n: int
    expected: float
    top: float
    n_top: int
    version: str = ""


@dataclass(frozen=True)
class FirstToCall:
    """A customer most at risk, with reasons as sentences and how many points each adds.

    `is_explained` where reasons were looked for.
    """

    customer_id: str
    churn_probability: float
    reasons: tuple[tuple[str, float], ...]
    is_explained: bool = True


@dataclass(frozen=True)
class AttributeAuc:
    """What an attribute tells by itself: its AUC on the customers learnt from."""

    name: str
    figure: MetricRow


@dataclass(frozen=True)
class ContractFacts:
    """What is known of contract churn on a date; what a run did not make is empty."""

    scores: ContractScores | None = None
    first: tuple[FirstToCall, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    attributes: tuple[AttributeAuc, ...] = ()
    decision: Decision | None = None


def metric_of(kind: str, name: str) -> str:
    """Name the figure of an attribute: numbers.tenure.training_auc."""
    return f"{kind}.{name}{TRAINING_AUC}"


def read_contract_churn(request: ReportRequest, params: ContractChurnSection) -> ContractFacts:
    """Read scores and the figures of the training that decided."""
    decision = decision_of(request, MODEL)
    metrics = metrics_of(request, TRAINED, decision)
    return ContractFacts(
        _scores(request),
        _first_to_call(request, params),
        tuple(row for row in metrics if row.model_name != ATTRIBUTES_MODEL),
        _attributes([row for row in metrics if row.model_name == ATTRIBUTES_MODEL]),
        decision,
    )


def _attributes(rows: list[MetricRow]) -> tuple[AttributeAuc, ...]:
    """Give the attributes, the most telling first."""
    rows = sorted(rows, key=lambda row: (-(row.value or 0.0), row.metric))
    return tuple(
        AttributeAuc(row.metric.removesuffix(TRAINING_AUC).partition(".")[2], row) for row in rows
    )


def _scores(request: ReportRequest) -> ContractScores | None:
    rows = request.of_date(CONTRACT_CHURN)
    if rows is None:
        return None
    (row,) = rows.agg(*sums_of_scores()).collect()
    return ContractScores(**row.asDict())


def _first_to_call(request: ReportRequest, params: ContractChurnSection) -> tuple[FirstToCall, ...]:
    rows = request.of_date(CONTRACT_CHURN)
    if rows is None:
        return ()
    first = rows.orderBy(F.desc("churn_probability"), "customer_id").limit(N_FIRST)
    return tuple(
        FirstToCall(
            row["customer_id"],
            row["churn_probability"],
            tuple((reason["text"], reason["effect"]) for reason in row["reasons"]),
            bool(params.n_reasons) and row["churn_decile"] <= params.explained_deciles,
        )
        for row in first.select(
            "customer_id", "churn_probability", "churn_decile", "reasons"
        ).collect()
    )
