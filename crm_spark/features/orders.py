"""Orders from order lines: as they are now, and as they were known on any date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import (
    ITEM_FRACTIONS,
    day_begun,
    is_visible,
    known_at,
    midnight,
    minor_units,
)
from crm_spark.features.order_parts import (
    NUMBER,
    PART,
    SPLIT_AFTER,
    reused_numbers,
    with_order_parts,
)
from crm_spark.features.returns import is_refund_of_order, net_returns

# Bought lines of one number that lie further apart are different orders.
ORDER_SPAN_DAYS = 31
# Of the bought lines of an order the cheapest and the dearest, in minor units.
SMALLEST_LINE, LARGEST_LINE = "_smallest_line_minor", "_largest_line_minor"
# The dates that a row of an order stands for: those after the one day, up to the other (null: all).
STANDS_AFTER, STANDS_UNTIL = "stands_after", "stands_until"
# When what of an order was known and changed: asked of features.customer_orders, not of a date.
_MOMENTS = ("first_known_at", "last_change_at", "lines_changed_at", "first_returned_at")
# So many order keys fit into a broadcast.
FEW_ORDERS = 500_000


def customer_orders(
    lines: DataFrame, *, span_days: int = ORDER_SPAN_DAYS, has_refunds: bool = False
) -> DataFrame:
    """Give each order as it is known now, of each number one.

    Grain: customer_id, order_id. Reads core.transactions; gives the columns of
    features.customer_orders but for run_id. See measured_orders().
    """
    orders = measured_orders(lines, span_days=span_days, has_refunds=has_refunds)
    return orders.drop(SMALLEST_LINE, LARGEST_LINE)


def measured_orders(
    lines: DataFrame, *, span_days: int = ORDER_SPAN_DAYS, has_refunds: bool = False
) -> DataFrame:
    """Give each order as it is known now, of each number one, with its smallest and largest line.

    Grain: customer_id, order_id. Reads core.transactions; adds _smallest_line_minor and
    _largest_line_minor, which no table keeps, to what customer_orders() gives. Superseded lines
    count for first_known_at and last_change_at only. Numbers with bought lines more than
    `span_days` days apart have split_after_days, and are to be replaced by split_orders().
    `has_refunds`: whether refunds may name the order that they are of.
    """
    is_current = F.col("superseded_at").isNull()
    orders = _aggregate_orders(lines, (*NUMBER,), is_current, has_refunds=has_refunds)
    is_wide = F.datediff("_last_bought_at", "_first_bought_at") > span_days
    orders = orders.withColumn(SPLIT_AFTER, F.when(is_wide, F.lit(span_days)))
    return orders.drop("_first_bought_at", "_last_bought_at")


def split_orders(lines: DataFrame, reused: DataFrame, *, has_refunds: bool = False) -> DataFrame:
    """Give the orders of reused_numbers() as they are known now, as many as each number has.

    Grain: customer_id, order_id, order_part. Reads core.transactions; gives the columns of
    customer_orders(). What changes one order of a number may part its lines otherwise: they change
    together.
    """
    of_customers = lines.join(reused.select("customer_id").distinct(), "customer_id", "left_semi")
    is_current = F.col("superseded_at").isNull()
    orders = _aggregate_orders(
        of_customers, (*NUMBER,), is_current, reused=reused, has_refunds=has_refunds
    )
    together = F.max("last_change_at").over(Window.partitionBy(*NUMBER))
    orders = orders.join(reused, list(NUMBER)).withColumn("last_change_at", together)
    return orders.drop("_first_bought_at", "_last_bought_at", SMALLEST_LINE, LARGEST_LINE)


@dataclass(frozen=True)
class OrderChanges:
    """What orders_known() has to do: rows of orders and dates, but for the last.

    Rows of changed_later(), those of used-again numbers, rows of orders before any return of
    theirs; and all orders with refunds.
    """

    n_orders: int
    n_reused: int
    n_returned: int
    n_refunds: int


def changed_later(orders: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Give the orders that were known before a date, and not as they are or were before returns.

    Grain: customer_id, order_id, order_part, as_of_date. Reads features.customer_orders.
    """
    is_changed = _changed_since(midnight(F.col("as_of_date")))
    return orders.withColumn("as_of_date", _each_of(dates)).where(is_changed)


def _changed_since(cut: Column) -> Column:
    """Whether an order of an instant has to be put together from its lines."""
    is_other = (F.col("first_known_at") < cut) & (F.col("last_change_at") >= cut)
    return is_other & ~_returned_since(cut)


def _returned_since(cut: Column) -> Column:
    """Whether an order has all of its lines, unchanged, but no return of their products yet.

    Of used-again numbers the other orders may change, too: they never are.
    """
    had_none = (F.col("lines_changed_at") < cut) & (F.col("first_returned_at") >= cut)
    return F.col(SPLIT_AFTER).isNull() & F.coalesce(had_none, F.lit(False))


def _each_of(dates: Sequence[date]) -> Column:
    """Repeat a row for each date."""
    return F.explode(F.array(*[F.lit(day) for day in sorted(set(dates))]))


def count_changes(orders: DataFrame, *, dates: Sequence[date]) -> OrderChanges:
    """Count what orders_known() has to put together again. Reads features.customer_orders."""
    # A number for each date, and no row: orders times dates are many.
    changed, returned = F.lit(0), F.lit(0)
    for day in sorted(set(dates)):
        cut = midnight(F.lit(day))
        changed = changed + F.when(_changed_since(cut), 1).otherwise(0)
        returned = returned + F.when(_returned_since(cut), 1).otherwise(0)
    of_reused = F.when(F.col(SPLIT_AFTER).isNotNull(), changed)
    counts = orders.agg(
        F.coalesce(F.sum(changed), F.lit(0)).alias("n_orders"),
        F.coalesce(F.sum(of_reused), F.lit(0)).alias("n_reused"),
        F.coalesce(F.sum(returned), F.lit(0)).alias("n_returned"),
        F.count_if("has_refund").alias("n_refunds"),
    )
    return OrderChanges(**counts.collect()[0].asDict())


def orders_as_of(
    orders: DataFrame,
    lines: DataFrame,
    *,
    dates: Sequence[date],
    changes: OrderChanges | None = None,
) -> DataFrame:
    """Give each order as it was known before each of `dates`.

    Grain: customer_id, order_id, order_part, as_of_date. See orders_known().
    """
    return on_dates(orders_known(orders, lines, dates=dates, changes=changes), dates)


def on_dates(known: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Give each of orders_known() once for each date that it stands for; adds as_of_date."""
    stands = stands_on(F.col("as_of_date"), F.col(STANDS_AFTER), F.col(STANDS_UNTIL))
    of_dates = known.withColumn("as_of_date", _each_of(dates))
    return of_dates.where(stands).drop(STANDS_AFTER, STANDS_UNTIL)


def stands_on(day: Column, after: Column, until: Column) -> Column:
    """Whether a row of orders_known() is the order as it was known before a date."""
    return (after < day) & (until.isNull() | (until >= day))


def orders_known(
    orders: DataFrame,
    lines: DataFrame,
    *,
    dates: Sequence[date],
    changes: OrderChanges | None = None,
) -> DataFrame:
    """Give each order as it is known now, and as it was on dates since which it has changed.

    Grain: customer_id, order_id, order_part, stands_after. Reads features.customer_orders and
    core.transactions; gives the former's columns but for those of moments, and adds stands_after
    and stands_until, the days between which a row is the order as it was known. As it is it stands
    from its last change on; between the last change of its lines and the first return of their
    products it is that order with nothing taken back. For any other date it is put together again
    from the lines its customer had then. `changes` are those of count_changes() where they are
    known: with no order the lines are not read at all, with few they are not shuffled.
    """
    standing = {
        STANDS_AFTER: day_begun(F.col("last_change_at")),
        STANDS_UNTIL: F.lit(None).cast(T.DateType()),
    }
    known = orders.withColumns(standing)
    if changes is None or changes.n_returned:
        known = known.unionByName(_before_returns(orders, dates=dates))
    known = known.drop(*_MOMENTS)
    if changes is not None and changes.n_orders == 0:
        return known
    rebuilt = _put_together(orders, lines, dates=dates, changes=changes)
    columns = [name for name in known.columns if name in rebuilt.columns]
    return known.select(columns).unionByName(rebuilt.select(columns))


def _before_returns(orders: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Give orders as they were when all of their lines were there, and no return of any."""
    is_of_a_date = F.lit(False)
    for day in sorted(set(dates)):
        is_of_a_date = is_of_a_date | _returned_since(midnight(F.lit(day)))
    return orders.where(is_of_a_date).withColumns(
        {
            "kept_amount_minor": F.col("spend_amount_minor"),
            "is_counted": F.col("n_lines") > 0,
            STANDS_AFTER: day_begun(F.col("lines_changed_at")),
            STANDS_UNTIL: day_begun(F.col("first_returned_at")),
        }
    )


def _put_together(
    orders: DataFrame, lines: DataFrame, *, dates: Sequence[date], changes: OrderChanges | None
) -> DataFrame:
    """Give the orders of changed_later() from the lines that were visible on each date."""
    keys = changed_later(orders, dates=dates).select(*NUMBER, "as_of_date").distinct()
    customers = keys.select("customer_id", "as_of_date").distinct()
    if changes is not None and changes.n_orders <= FEW_ORDERS:
        keys, customers = F.broadcast(keys), F.broadcast(customers)
    cut = midnight(F.col("as_of_date"))
    lines_then = lines.join(customers, "customer_id").where(is_visible(cut))
    grain = (*NUMBER, "as_of_date")
    rebuilt = _aggregate_orders(
        lines_then,
        grain,
        F.lit(True),
        reused=reused_numbers(orders) if changes is None or changes.n_reused else None,
        has_refunds=changes is None or changes.n_refunds > 0,
    ).join(keys, list(grain), "left_semi")
    return rebuilt.withColumns(
        {STANDS_AFTER: F.date_sub("as_of_date", 1), STANDS_UNTIL: F.col("as_of_date")}
    )


def _aggregate_orders(
    lines: DataFrame,
    number: tuple[str, ...],
    is_current: Column,
    *,
    reused: DataFrame | None = None,
    has_refunds: bool = False,
) -> DataFrame:
    """Aggregate in two grains, product then order: counts distinct products without a distinct."""
    grain = (*number, PART)
    is_bought = F.col("is_current") & ~F.col("is_return")
    is_returned = F.col("is_current") & F.col("is_return")
    items = F.coalesce(F.col("quantity"), F.lit(1)) * ITEM_FRACTIONS
    within = number[len(NUMBER) :]
    parts = with_order_parts(lines.withColumn("is_current", is_current), reused, within=within)
    netted = net_returns(parts, by=("customer_id", *within), has_refunds=has_refunds)
    # Of all that was ever known: a number that may have had several orders on a date is among them.
    ever_bought = F.when(~F.col("is_return") & ~F.col("is_deleted"), F.col("ordered_at"))
    by_product = netted.groupBy(*grain, "product_id").agg(
        F.min(F.when(F.col("is_current"), F.col("ordered_at"))).alias("ordered_at"),
        F.min(ever_bought).alias("_first_bought_at"),
        F.max(ever_bought).alias("_last_bought_at"),
        F.max(_refunds_order(has_refunds)).alias("has_refund"),
        F.min(known_at()).alias("first_known_at"),
        F.max(F.greatest(known_at(), F.col("superseded_at"), F.col("netting_changed_at"))).alias(
            "last_change_at"
        ),
        F.max(F.greatest(known_at(), F.col("superseded_at"))).alias("lines_changed_at"),
        F.min("first_returned_at").alias("first_returned_at"),
        F.min(F.when(is_bought, F.col("channel"))).alias("channel"),
        F.count_if(is_bought).alias("n_lines"),
        F.count_if(is_returned).alias("n_return_lines"),
        F.min(F.when(is_bought, minor_units(F.col("amount")))).alias(SMALLEST_LINE),
        F.max(F.when(is_bought, minor_units(F.col("amount")))).alias(LARGEST_LINE),
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
        F.max("lines_changed_at").alias("lines_changed_at"),
        F.min("first_returned_at").alias("first_returned_at"),
        F.min("_first_bought_at").alias("_first_bought_at"),
        F.max("_last_bought_at").alias("_last_bought_at"),
        F.min(SMALLEST_LINE).alias(SMALLEST_LINE),
        F.max(LARGEST_LINE).alias(LARGEST_LINE),
        F.max("has_refund").alias("has_refund"),
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


def _refunds_order(has_refunds: bool) -> Column:
    return is_refund_of_order() if has_refunds else F.lit(False)


def _sum_when(condition: Column, value: Column) -> Column:
    return F.sum(F.when(condition, value).otherwise(F.lit(0).cast(T.LongType())))
