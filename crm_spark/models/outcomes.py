"""What came after a cut-off: the orders of its horizon, as they were known when it closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.orders import OrderChanges, orders_as_of


def closings(dates: Sequence[date], *, horizon_days: int, grace_days: int) -> list[date]:
    """Give the dates from which the outcomes of these cut-offs stand."""
    return [day + timedelta(days=horizon_days + grace_days) for day in sorted(set(dates))]


def orders_in_horizon(
    orders: DataFrame,
    lines: DataFrame,
    *,
    dates: Sequence[date],
    horizon_days: int,
    grace_days: int,
    changes: OrderChanges | None = None,
) -> DataFrame:
    """Give the counted orders whose day lies in [T, T + horizon) of each cut-off T of `dates`.

    Grain: customer_id, order_id, order_part, as_of_date, which is the cut-off. Reads
    features.customer_orders and core.transactions. Orders are as they were known before
    T + horizon + grace: what is learnt of them later, such as a cancellation, changes no outcome.
    `changes` as in orders_as_of(), of the closings.
    """
    closed = closings(dates, horizon_days=horizon_days, grace_days=grace_days)
    return (
        orders_as_of(orders, lines, dates=closed, changes=changes)
        .where("is_counted")
        .withColumn("as_of_date", F.date_sub("as_of_date", horizon_days + grace_days))
        .where(F.col("order_date") >= F.col("as_of_date"))
        .where(F.col("order_date") < F.date_add("as_of_date", horizon_days))
    )
