"""Who churned: no order in the horizon, among customers who were active at the cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.orders import OrderChanges
from crm_spark.models.classifiers.classifier import LABEL
from crm_spark.models.outcomes import orders_in_horizon


def is_active(active_days: int) -> Column:
    """Whether a customer ordered in the last `active_days` days before the as-of date."""
    return F.col("days_since_last_order") < active_days


def churn_labels(
    snapshot: DataFrame,
    orders: DataFrame,
    lines: DataFrame,
    *,
    dates: Sequence[date],
    horizon_days: int,
    grace_days: int,
    active_days: int,
    changes: OrderChanges | None = None,
) -> DataFrame:
    """Give the active customers of each cut-off with their label: 1.0 churned, 0.0 ordered again.

    Grain: customer_id, as_of_date. Reads features.customer_snapshot, features.customer_orders and
    core.transactions; adds label, keeps the snapshot's columns. Orders that count, and `changes`,
    as in orders_in_horizon().
    """
    ordered = orders_in_horizon(
        orders,
        lines,
        dates=dates,
        horizon_days=horizon_days,
        grace_days=grace_days,
        changes=changes,
    )
    active = snapshot.where(F.col("as_of_date").isin(list(dates)) & is_active(active_days))
    return with_label(active, ordered)


def with_label(customers: DataFrame, ordered: DataFrame) -> DataFrame:
    """Add label: 1.0 for a customer without an order in the horizon of a date, else 0.0.

    Grain: customer_id, as_of_date. `ordered` holds the orders of the horizons, as
    orders_in_horizon() gives them.
    """
    again = ordered.groupBy("customer_id", "as_of_date").agg(F.lit(0.0).alias("_ordered"))
    return (
        customers.join(again, ["customer_id", "as_of_date"], "left")
        .withColumn(LABEL, F.coalesce("_ordered", F.lit(1.0)).cast(T.DoubleType()))
        .drop("_ordered")
    )
