"""What train_churn, score_churn and backtest_churn have in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.features.orders import changed_later
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.jobs.model_runs import MetricRow, metric_row
from crm_spark.models.binary_metrics import calibration_bins, wilson_interval
from crm_spark.models.churn.labels import LABEL, churn_labels, label_closings
from crm_spark.models.churn.train import Fitted
from crm_spark.models.usability.churn import FEWEST_OF_A_CLASS
from crm_spark.pipeline.lifecycle import Run
from crm_spark.tables.core import TRANSACTIONS

MODEL_NAME = "crm_spark_churn"


def labelled(job: Run, snapshot: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Give the active customers of these cut-offs with their labels."""
    params = job.config.churn
    orders = job.lake.read(CUSTOMER_ORDERS)
    closings = label_closings(dates, horizon_days=params.horizon_days, grace_days=params.grace_days)
    return churn_labels(
        snapshot,
        orders,
        job.lake.read(TRANSACTIONS),
        n_changed=changed_later(orders, dates=closings).count(),
        dates=dates,
        horizon_days=params.horizon_days,
        grace_days=params.grace_days,
        active_days=params.active_days,
    )


def require_both_classes(frame: DataFrame, dates: Sequence[date]) -> None:
    """Refuse labels with next to none of one class."""
    counted = {row[LABEL]: row["count"] for row in frame.groupBy(LABEL).count().collect()}
    churned, stayed = counted.get(1.0, 0), counted.get(0.0, 0)
    if min(churned, stayed) < FEWEST_OF_A_CLASS:
        days = f"{min(dates)} to {max(dates)}"
        raise DataError(
            f"churn cannot be trained: of the active customers at the cut-offs from {days}, "
            f"{churned} churned, {stayed} did not; at least {FEWEST_OF_A_CLASS} of each are needed"
        )


def candidate_metrics(
    job: Run, as_of: date, cutoff: date, candidates: Sequence[Fitted]
) -> list[MetricRow]:
    """Give rows of ops.metrics for the candidates tested on one cut-off.

    Besides the metrics, for each of ten groups of equal size, 1 the most at risk: bin.01.predicted
    (mean probability) and bin.01.observed (share that churned, with its Wilson interval).
    """
    rows: list[MetricRow] = []
    for fitted in candidates:
        rows += [
            metric_row(
                job,
                as_of,
                cutoff,
                fitted.name,
                held.name,
                held.value,
                low=held.low,
                high=held.high,
                n=fitted.counts.rows,
            )
            for held in fitted.metrics
        ]
        for place, (predicted, observed, n) in enumerate(calibration_bins(fitted.counts), start=1):
            low, high = wilson_interval(observed, n)
            name = f"bin.{place:02d}"
            rows.append(
                metric_row(job, as_of, cutoff, fitted.name, f"{name}.predicted", predicted, n=n)
            )
            rows.append(
                metric_row(
                    job,
                    as_of,
                    cutoff,
                    fitted.name,
                    f"{name}.observed",
                    observed,
                    low=low,
                    high=high,
                    n=n,
                )
            )
    return rows
