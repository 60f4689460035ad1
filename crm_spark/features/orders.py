"""Orders from order lines: as they are now, and as they were known on any date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
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
    sides of the date, or with returns after it, is put together again from the lines its customer
    had then. `n_changed` is the number of rows of changed_later() where it is known: with none the
    lines are not read at all, with few they are not shuffled.
    """
    cut = midnight(F.col("as_of_date"))
    unchanged = _known(orders, dates).where(F.col("last_change_at") < cut)
    if n_changed == 0:
        return unchanged
    keys = changed_later(orders, dates=dates)
    customers = keys.select("customer_id", "as_of_date").distinct()
    if n_changed is not None and n_changed <= FEW_ORDERS:
        keys, customers = F.broadcast(keys), F.broadcast(customers)
    lines_then = lines.join(customers, "customer_id").where(is_visible(cut))
    grain = ("customer_id", "order_id", "as_of_date")
    rebuilt = _aggregate_orders(lines_then, grain, F.lit(True)).join(keys, list(grain), "left_semi")
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
    netted = net_returns(lines.withColumn("is_current", is_current), by=("customer_id", *grain[2:]))
    by_product = netted.groupBy(*grain, "product_id").agg(
        F.min(F.when(F.col("is_current"), F.col("ordered_at"))).alias("ordered_at"),
        F.min(known_at()).alias("first_known_at"),
        F.max(F.greatest(known_at(), F.col("superseded_at"), F.col("netting_changed_at"))).alias(
            "last_change_at"
        ),
        F.min(F.when(is_bought, F.col("channel"))).alias("channel"),
        F.count_if(is_bought).alias("n_lines"),
        F.count_if(is_returned).alias("n_return_lines"),
        _sum_when(is_bought, items.cast(T.LongType())).alias("items_milli"),
        _sum_when(is_bought, minor_units(F.col("amount"))).alias("spend_amount_minor"),
        F.sum("kept_minor").alias("kept_amount_minor"),
        _sum_when(is_returned, minor_units(F.abs("amount"))).alias("returned_amount_minor"),
        F.sum("orphan_minor").alias("orphan_returned_amount_minor"),
        F.sum(F.when(is_bought, minor_units(F.col("discount_amount")))).alias(
            "discount_amount_minor"
        ),
    )
    is_product_bought = F.col("product_id").isNotNull() & (F.col("n_lines") > 0)
    totals = (
        "n_lines",
        "n_return_lines",
        "items_milli",
        "spend_amount_minor",
        "kept_amount_minor",
        "returned_amount_minor",
        "orphan_returned_amount_minor",
        "discount_amount_minor",
    )
    by_order = by_product.groupBy(*grain).agg(
        F.min("ordered_at").alias("ordered_at"),
        F.min("first_known_at").alias("first_known_at"),
        F.max("last_change_at").alias("last_change_at"),
        F.min("channel").alias("channel"),
        *[F.sum(name).alias(name) for name in totals],
        F.count_if(is_product_bought).alias("n_products"),
    )
    is_taken_back = (F.col("kept_amount_minor") == 0) & (F.col("spend_amount_minor") > 0)
    return by_order.withColumns(
        {
            "order_date": F.to_date("ordered_at"),
            "order_hour": F.hour("ordered_at"),
            "is_counted": (F.col("n_lines") > 0) & ~is_taken_back,
            "n_products": F.when(F.col("n_products") > 0, F.col("n_products")),
        }
    )


def _sum_when(condition: Column, value: Column) -> Column:
    return F.sum(F.when(condition, value).otherwise(F.lit(0).cast(T.LongType())))


def net_returns(lines: DataFrame, *, by: tuple[str, ...]) -> DataFrame:
    """Net each return against what the customer had bought of the product before, newest first.

    Reads order lines with is_current (lines that are not are passed through) and the columns `by`,
    of which each group is netted by itself; lines without a product are netted among themselves.
    Adds, in minor units of money: kept_minor, the part of a bought line that no return took back;
    orphan_minor, the part of a returned line that nothing bought before explains; and
    netting_changed_at, when a line of the group last came or was replaced, null where nothing of
    the product was ever returned.

    Lines of a group in order of time are a walk: bought goes up, returned goes down, never below
    the ground. What falls below it is orphaned; of a bought line the part below the lowest later
    level is kept. So the newest purchase is taken back first, and money is never counted twice.
    """
    product = F.coalesce("product_id", F.lit(""))
    with_product = lines.withColumn("_product", product)
    group = [*by, "_product"]
    returned = with_product.where("is_return").select(*group).distinct()
    amount = minor_units(F.abs("amount"))
    zero = F.lit(0).cast(T.LongType())
    is_bought = F.col("is_current") & ~F.col("is_return")
    others = with_product.join(returned, group, "left_anti").withColumns(
        {
            "kept_minor": F.when(is_bought, minor_units(F.col("amount"))).otherwise(zero),
            "orphan_minor": zero,
            "netting_changed_at": F.lit(None).cast(T.TimestampType()),
        }
    )
    step = F.when(is_bought, F.greatest(minor_units(F.col("amount")), zero)).when(
        F.col("is_current"), -amount
    )
    time = (F.col("ordered_at"), F.col("is_return"), F.col("line_id"), F.col("arrived_at"))
    forward = Window.partitionBy(*group).orderBy(*time)
    so_far = forward.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    backward = Window.partitionBy(*group).orderBy(*[held.desc() for held in time])
    after = backward.rowsBetween(Window.unboundedPreceding, -1)
    lowest = F.least(F.min("_sum").over(so_far), zero)
    kept = F.least(F.col("_level"), F.coalesce(F.min("_level").over(after), F.col("_level")))
    netted = (
        with_product.join(returned, group, "left_semi")
        .withColumn("_step", F.coalesce(step, zero))
        .withColumn("_sum", F.sum("_step").over(so_far))
        .withColumn("_lowest", lowest)
        .withColumn("_level", F.col("_sum") - F.col("_lowest"))
        .withColumns(
            {
                "orphan_minor": F.coalesce(F.lag("_lowest").over(forward), zero) - F.col("_lowest"),
                "kept_minor": F.when(~is_bought, zero)
                # A bought line below zero is an adjustment: it is no purchase to take back.
                .when(F.col("amount") < 0, minor_units(F.col("amount")))
                .otherwise(F.greatest(kept - (F.col("_level") - F.col("_step")), zero)),
                "netting_changed_at": F.max(F.greatest(known_at(), F.col("superseded_at"))).over(
                    Window.partitionBy(*group)
                ),
            }
        )
        .drop("_step", "_sum", "_lowest", "_level")
    )
    return others.unionByName(netted).drop("_product")
