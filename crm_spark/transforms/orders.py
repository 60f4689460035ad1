"""Orders from order lines: as they are now, and as they were known on any date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

MINOR_UNITS = 100
ITEM_FRACTIONS = 1000


def known_at() -> Column:
    """When a line had both happened and arrived."""
    return F.greatest("ordered_at", "arrived_at")


def is_visible(at: Column) -> Column:
    """Whether a line was known before `at` and not yet superseded then."""
    is_current = F.col("superseded_at").isNull() | (F.col("superseded_at") >= at)
    return (known_at() < at) & is_current


def midnight(day: Column) -> Column:
    """The instant at which a local day begins."""
    return day.cast(T.TimestampType())


def minor_units(amount: Column) -> Column:
    """Money as a count of minor units: exact in any order of summation."""
    return (amount * MINOR_UNITS).cast(T.LongType())


def customer_orders(lines: DataFrame) -> DataFrame:
    """Give each order as it is known now.

    Grain: customer_id, order_id. Reads core.transactions; gives the columns of
    features.customer_orders but for run_id. Superseded lines count for first_known_at and
    last_change_at only.
    """
    is_current = F.col("superseded_at").isNull()
    return _aggregate_orders(lines, ("customer_id", "order_id"), is_current)


# So many order keys fit into a broadcast.
FEW_ORDERS = 500_000


def changed_later(orders: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Give the orders that were known before a date and have changed since.

    Grain: customer_id, order_id, as_of_date. Reads features.customer_orders.
    """
    cut = midnight(F.col("as_of_date"))
    known = _known(orders, dates).where(F.col("last_change_at") >= cut)
    return known.select("customer_id", "order_id", "as_of_date")


def orders_as_of(
    orders: DataFrame, lines: DataFrame, *, dates: Sequence[date], n_changed: int | None = None
) -> DataFrame:
    """Give each order as it was known before each of `dates`.

    Grain: customer_id, order_id, as_of_date. Reads features.customer_orders and core.transactions.
    An order that has not changed since before the date is taken as it is; one with lines on both
    sides of the date is put together again from the lines known then, and nothing else is.
    `n_changed` is the number of rows of changed_later() where it is known: with none the lines are
    not read at all, with few they are not shuffled.
    """
    cut = midnight(F.col("as_of_date"))
    unchanged = _known(orders, dates).where(F.col("last_change_at") < cut)
    if n_changed == 0:
        return unchanged
    keys = changed_later(orders, dates=dates)
    if n_changed is not None and n_changed <= FEW_ORDERS:
        keys = F.broadcast(keys)
    lines_then = lines.join(keys, ["customer_id", "order_id"]).where(is_visible(cut))
    rebuilt = _aggregate_orders(lines_then, ("customer_id", "order_id", "as_of_date"), F.lit(True))
    columns = [name for name in unchanged.columns if name in rebuilt.columns]
    return unchanged.select(columns).unionByName(rebuilt.select(columns))


def _known(orders: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Give each order once for each date before which it was known."""
    days = F.explode(F.array(*[F.lit(day) for day in sorted(set(dates))]))
    cut = midnight(F.col("as_of_date"))
    return orders.withColumn("as_of_date", days).where(F.col("first_known_at") < cut)


def _aggregate_orders(lines: DataFrame, grain: tuple[str, ...], is_current: Column) -> DataFrame:
    """Aggregate in two grains, product then order: counts distinct products without a distinct."""
    is_bought = F.col("is_current") & ~F.col("is_return")
    is_returned = F.col("is_current") & F.col("is_return")
    items = F.coalesce(F.col("quantity"), F.lit(1)) * ITEM_FRACTIONS
    by_product = (
        lines.withColumn("is_current", is_current)
        .groupBy(*grain, "product_id")
        .agg(
            F.min(F.when(F.col("is_current"), F.col("ordered_at"))).alias("ordered_at"),
            F.min(known_at()).alias("first_known_at"),
            F.max(F.greatest(known_at(), F.col("superseded_at"))).alias("last_change_at"),
            F.count_if(is_bought).alias("n_lines"),
            F.count_if(is_returned).alias("n_return_lines"),
            _sum_when(is_bought, items.cast(T.LongType())).alias("items_milli"),
            _sum_when(is_bought, minor_units(F.col("amount"))).alias("spend_amount_minor"),
            _sum_when(is_returned, minor_units(F.abs("amount"))).alias("returned_amount_minor"),
            F.sum(F.when(is_bought, minor_units(F.col("discount_amount")))).alias(
                "discount_amount_minor"
            ),
        )
    )
    is_product_bought = F.col("product_id").isNotNull() & (F.col("n_lines") > 0)
    totals = ("n_lines", "n_return_lines", "items_milli", "spend_amount_minor",
              "returned_amount_minor", "discount_amount_minor")  # fmt: skip
    by_order = by_product.groupBy(*grain).agg(
        F.min("ordered_at").alias("ordered_at"),
        F.min("first_known_at").alias("first_known_at"),
        F.max("last_change_at").alias("last_change_at"),
        *[F.sum(name).alias(name) for name in totals],
        F.count_if(is_product_bought).alias("n_products"),
    )
    return by_order.withColumns(
        {
            "order_date": F.to_date("ordered_at"),
            "order_hour": F.hour("ordered_at"),
            "is_counted": F.col("n_lines") > 0,
            "n_products": F.when(F.col("n_products") > 0, F.col("n_products")),
        }
    )


def _sum_when(condition: Column, value: Column) -> Column:
    return F.sum(F.when(condition, value).otherwise(F.lit(0).cast(T.LongType())))
