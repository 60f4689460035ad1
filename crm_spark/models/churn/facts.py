"""What the report shows of churn, read from the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc
from pyspark.sql import functions as F

from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.models.candidate_report import decision_of, metrics_of, quoted
from crm_spark.models.churn.alerts_report import AlertFacts, read_alerts
from crm_spark.models.churn.chosen_days import ChosenDays, standing_days
from crm_spark.models.churn.feature_checks import FEATURES_MODEL
from crm_spark.models.churn.outcomes_report import PastScores, read_outcomes
from crm_spark.models.churn.return_curve import RETURNS_MODEL, ReturnShare, shares_of_figures
from crm_spark.models.churn.season import SEASON_MODEL, shift_of_figures
from crm_spark.models.churn.section import ChurnSection, latest_closed
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.classifiers.report import sums_of_scores
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.report.subject import ReportRequest
from crm_spark.tables.columns import CHURN_PROBABILITY
from crm_spark.tables.ops import METRICS

MODEL, TRAINED, WALKED = "crm_spark_churn", "train_churn", "backtest_churn"


N_FIRST = 10
_NO_CANDIDATES = (FEATURES_MODEL, RETURNS_MODEL, SEASON_MODEL)


@dataclass(frozen=True)
class ChurnScores:
    """The scores of a date: how many customers, how many are expected to leave, how they spread.

    `histogram` counts customers by tenths of probability; `top` is the mean of the first decile.
    """

    n: int
    expected: float
    horizon_days: int
    top: float
    n_top: int
    histogram: tuple[int, ...]
    version: str = ""


@dataclass(frozen=True)
class Reason:
    """What raises a customer's probability, in a sentence, and by how much it does.

    `feature` is the one of its theme that adds most, with its value.
    """

    feature: str
    value: float | None
    effect: float
    theme: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class FirstToCall:
    """A customer with much at risk: probability times what was bought in the last 84 days.

    Who bought nothing then, or took more off than they bought, puts nothing at risk. `is_explained`
    where reasons were looked for.
    """

    customer_id: str
    churn_probability: float
    spend: float
    reasons: tuple[Reason, ...] = ()
    is_explained: bool = True


@dataclass(frozen=True)
class WalkedAuc:
    """The AUC of a candidate on one cut-off that was tested, by training or by the backtest."""

    model_name: str
    cutoff: date
    value: float | None


@dataclass(frozen=True)
class ChurnFacts:
    """What is known of churn on a date; what a run did not make is empty.

    `returns` say after how long a silence customers came back, `horizon_days` after how long who
    does not order has left; `chosen` where the data chose that. `shift` is what the season adds.
    """

    scores: ChurnScores | None = None
    first: tuple[FirstToCall, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    walked: tuple[WalkedAuc, ...] = ()
    decision: Decision | None = None
    returns: tuple[ReturnShare, ...] = ()
    horizon_days: int = 0
    outcomes: tuple[PastScores, ...] = ()
    alerts: AlertFacts | None = None
    chosen: ChosenDays | None = None
    shift: MetricRow | None = None


def read_churn(request: ReportRequest, params: ChurnSection) -> ChurnFacts:
    """Read scores, figures of the training that decided, and past tests."""
    decision = decision_of(request, MODEL)
    metrics = metrics_of(request, TRAINED, decision)
    return ChurnFacts(
        scores=_scores(request),
        first=_first_to_call(request, params),
        metrics=quoted(row for row in metrics if row.model_name not in _NO_CANDIDATES),
        walked=_walked(request, params),
        decision=decision,
        returns=tuple(shares_of_figures(metrics)),
        horizon_days=params.horizon_days,
        outcomes=read_outcomes(request, MODEL),
        chosen=standing_days(params, request.run.state),
        alerts=read_alerts(request, params),
        shift=shift_of_figures(metrics),
    )


def _scores(request: ReportRequest) -> ChurnScores | None:
    rows = request.of_date(CUSTOMER_CHURN)
    if rows is None:
        return None
    p = F.col(CHURN_PROBABILITY)
    row = rows.agg(
        *sums_of_scores(),
        F.max("horizon_days").alias("horizon_days"),
        *[
            F.count_if(F.least(F.floor(p * 10), F.lit(9)) == place).alias(f"bin_{place}")
            for place in range(10)
        ],
    ).collect()[0]
    return ChurnScores(
        row["n"],
        row["expected"],
        row["horizon_days"],
        row["top"],
        row["n_top"],
        tuple(row[f"bin_{place}"] for place in range(10)),
        row["version"],
    )


def _first_to_call(request: ReportRequest, params: ChurnSection) -> tuple[FirstToCall, ...]:
    rows = request.of_date(CUSTOMER_CHURN)
    if rows is None:
        return ()
    spend = request.lake.read_date(CUSTOMER_SNAPSHOT, request.day).select(
        "customer_id", F.col("spend_amount_84d").alias("spend")
    )
    at_risk = F.col("churn_probability") * F.col("spend")
    buying = spend.where("spend > 0")
    first = rows.join(buying, "customer_id").orderBy(F.desc(at_risk), "customer_id").limit(N_FIRST)
    return tuple(
        FirstToCall(
            row["customer_id"],
            row["churn_probability"],
            row["spend"],
            tuple(Reason(**reason.asDict()) for reason in row["reasons"]),
            bool(params.n_reasons) and row["churn_decile"] <= params.explained_deciles,
        )
        for row in first.select(
            "customer_id", "churn_probability", "churn_decile", "spend", "reasons"
        ).collect()
    )


def _walked(request: ReportRequest, params: ChurnSection) -> tuple[WalkedAuc, ...]:
    """Give the AUC of each candidate on every tested cut-off whose outcome was known on the date.

    A cut-off tested more than once counts with its newest test.
    """
    known = pc.field("cutoff_date") <= latest_closed(params, request.day)
    rows = request.lake.rows(
        METRICS, (pc.field("metric") == "auc") & pc.field("job").isin([TRAINED, WALKED]) & known
    )
    rows.sort(key=lambda row: (row["as_of_date"], row["job"], row["recorded_at"]))
    newest = {(row["cutoff_date"], row["model_name"]): row["value"] for row in rows}
    return tuple(WalkedAuc(name, cutoff, value) for (cutoff, name), value in sorted(newest.items()))
