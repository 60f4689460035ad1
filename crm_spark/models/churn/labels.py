"""Who churned: no order in the horizon, among customers who were active at the cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.transforms.orders import midnight

LABEL = "label"


def is_active(active_days: int) -> Column:
    """Whether a customer ordered in the last `active_days` days before the as-of date."""
    return F.col("days_since_last_order") < active_days


def churn_labels(
    snapshot: DataFrame,
    orders: DataFrame,
    *,
    dates: Sequence[date],
    horizon_days: int,
    grace_days: int,
    active_days: int,
) -> DataFrame:
    """Give the active customers of each cut-off with their label: 1.0 churned, 0.0 ordered again.

    Grain: customer_id, as_of_date. Reads features.customer_snapshot and features.customer_orders;
    adds label, keeps the snapshot's columns. An order counts for the label when its day lies in
    [T, T + horizon) and it was known before T + horizon + grace.
    """
    cutoffs = F.explode(F.array(*[F.lit(day) for day in sorted(set(dates))]))
    end = F.date_add("as_of_date", horizon_days)
    closed = midnight(F.date_add("as_of_date", horizon_days + grace_days))
    ordered_again = (
        orders.where("is_counted")
        .select("customer_id", "order_date", "first_known_at", cutoffs.alias("as_of_date"))
        .where((F.col("order_date") >= F.col("as_of_date")) & (F.col("order_date") < end))
        .where(F.col("first_known_at") < closed)
        .groupBy("customer_id", "as_of_date")
        .agg(F.lit(0.0).alias("_ordered"))
    )
    return (
        snapshot.where(F.col("as_of_date").isin(list(dates)) & is_active(active_days))
        .join(ordered_again, ["customer_id", "as_of_date"], "left")
        .withColumn(LABEL, F.coalesce("_ordered", F.lit(1.0)).cast(T.DoubleType()))
        .drop("_ordered")
    )
