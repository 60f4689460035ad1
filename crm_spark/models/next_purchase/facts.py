"""What the report shows of next purchase, read from the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import DECIMALS
from crm_spark.models.candidate_report import decision_of, metrics_of
from crm_spark.models.decisions import Decision
from crm_spark.models.next_purchase.tables import CUSTOMER_NEXT_PURCHASE
from crm_spark.models.records import MetricRow
from crm_spark.report.subject import ReportRequest

# A customer is overdue who has been silent for more than so many own gaps, and has so many days
# with an order: of fewer the gap says little.
OVERDUE_GAPS, FEWEST_ORDER_DAYS = 2, 3
# Of those overdue the ones with a lower chance to order are named.
LOST_BELOW = 0.5
N_SHOWN = 10


@dataclass(frozen=True)
class Due:
    """Customers whose next order is due within a horizon and no shorter one; None: later.

    `n_expected` are those of them who are expected to order in the first horizon.
    """

    within_days: int | None
    n: int
    n_expected: float


@dataclass(frozen=True)
class Overdue:
    """An overdue customer: order days, mean gap, days of silence, and the chance to order."""

    customer_id: str
    n_order_days: int
    mean_gap_days: float
    days_since_order: int
    order_probability: float


@dataclass(frozen=True)
class NextPurchaseFacts:
    """What is known of a date: customers to expect by horizon (None: not learnt), and when.

    Of the `n_overdue` customers `n_overdue_expected` are expected to order in the first horizon all
    the same; `overdue` are those of the others with most order days, whose chance is below a half.
    """

    n: int
    horizon_days: int
    by_horizon: tuple[tuple[int, float | None], ...]
    due: tuple[Due, ...]
    n_overdue: int
    n_overdue_expected: float
    overdue: tuple[Overdue, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    decision: Decision | None = None


def read_next_purchase(
    request: ReportRequest, *, registered_name: str, train_job: str
) -> NextPurchaseFacts | None:
    """Read sums of the scores, and figures of the training that decided; None without scores."""
    rows = request.of_date(CUSTOMER_NEXT_PURCHASE)
    if rows is None:
        return None
    horizons = (
        rows.select(F.explode("by_horizon").alias("one"))
        .groupBy("one.horizon_days")
        .agg(_sum("one.order_probability").alias("n"))
        .orderBy("horizon_days")
        .collect()  # at most six
    )
    if not horizons:
        return None
    by_horizon = tuple((row["horizon_days"], row["n"]) for row in horizons)
    due, totals = _due(rows, [days for days, n in by_horizon if n is not None])
    decision = decision_of(request, registered_name)
    return NextPurchaseFacts(
        n=sum(one.n for one in due),
        horizon_days=totals["horizon_days"],
        by_horizon=by_horizon,
        due=due,
        n_overdue=totals["n_overdue"],
        n_overdue_expected=totals["n_overdue_expected"],
        overdue=_first_overdue(rows),
        metrics=tuple(metrics_of(request, train_job, decision)),
        decision=decision,
    )


def _due(rows: DataFrame, horizons_days: Sequence[int]) -> tuple[tuple[Due, ...], dict[str, int]]:
    day = F.datediff("expected_date", "as_of_date") + 1
    within = F.lit(None).cast("int")
    for horizon in sorted(horizons_days, reverse=True):
        within = F.when(day <= horizon, F.lit(horizon)).otherwise(within)
    is_overdue = _is_overdue()
    found = (
        rows.groupBy(within.alias("within_days"))
        .agg(
            F.count(F.lit(1)).alias("n"),
            _sum("order_probability").alias("n_expected"),
            F.first("horizon_days").alias("horizon_days"),
            F.count_if(is_overdue).alias("n_overdue"),
            _sum(F.when(is_overdue, F.col("order_probability")).otherwise(0.0)).alias(
                "n_overdue_expected"
            ),
        )
        .orderBy(F.asc_nulls_last("within_days"))
        .collect()  # a row a horizon, and one
    )
    due = tuple(Due(row["within_days"], row["n"], row["n_expected"]) for row in found)
    totals = {
        "horizon_days": found[0]["horizon_days"],
        "n_overdue": sum(row["n_overdue"] for row in found),
        "n_overdue_expected": sum(row["n_overdue_expected"] for row in found),
    }
    return due, totals


def _first_overdue(rows: DataFrame) -> tuple[Overdue, ...]:
    is_lost = _is_overdue() & (F.col("order_probability") < LOST_BELOW)
    first = rows.where(is_lost).orderBy(F.desc("n_order_days"), "customer_id").limit(N_SHOWN)
    return tuple(
        Overdue(
            row["customer_id"],
            row["n_order_days"],
            row["mean_gap_days"],
            row["days_since_order"],
            row["order_probability"],
        )
        for row in first.collect()
    )


def _is_overdue() -> Column:
    return (F.col("n_order_days") >= FEWEST_ORDER_DAYS) & (
        F.col("days_since_order") > OVERDUE_GAPS * F.col("mean_gap_days")
    )


def _sum(probability: str | Column) -> Column:
    """Give the sum of probabilities in their last decimal: exact in any order; null: of none."""
    column = F.col(probability) if isinstance(probability, str) else probability
    return F.sum(F.round(column * 10**DECIMALS).cast("long")) / 10**DECIMALS
