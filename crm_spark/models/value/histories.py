"""One row a customer and cut-off: order days, net spend, and what came in the horizon after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import MINOR_UNITS
from crm_spark.features.orders import OrderChanges, orders_as_of

REPEATS, SPAN, TENURE = "n_repeat_days", "repeat_span_days", "tenure_days"
AMOUNT, REPEAT_AMOUNT, LOG_GAPS = "net_amount", "repeat_amount", "log_gap_sum"
ACTUAL_AMOUNT, ACTUAL_DAYS = "actual_amount", "actual_order_days"
DAYS_A_WEEK = 7.0


def recent_amount(horizon_days: int) -> str:
    """Give the column of the net spend in the last so many days before the cut-off."""
    return f"recent_amount_{horizon_days}d"


def later_amount(horizon_days: int) -> str:
    """Give the column of the net spend that came in a horizon other than the first."""
    return f"actual_amount_{horizon_days}d"


def value_histories(
    orders: DataFrame,
    lines: DataFrame,
    *,
    dates: Sequence[date],
    horizons_days: Sequence[int],
    changes: OrderChanges | None = None,
) -> DataFrame:
    """Give what was known of each customer's order days before each of `dates`.

    Grain: customer_id, as_of_date; customers with a counted order before it. Reads
    features.customer_orders and core.transactions. Adds n_repeat_days (days with an order after the
    first such day), repeat_span_days (days from the first to the last of them), tenure_days (days
    from the first to the day before the date), net_amount (spend less what had been taken back),
    repeat_amount (of it, that of the repeat days), recent_amount_<h>d for each horizon, and
    log_gap_sum (sum of the logarithms of the gaps between order days, in days; 0 without any).
    None is ever null; amounts are below zero where negative ones were kept.
    """
    known = orders_as_of(orders, lines, dates=dates, changes=changes).where("is_counted")
    is_recent = {
        days: F.datediff("as_of_date", "order_date") <= days for days in sorted(set(horizons_days))
    }
    first = F.min("order_date")
    by_day = known.groupBy("customer_id", "as_of_date", "order_date").agg(
        F.sum("kept_amount_minor").alias("_minor")
    )
    days = F.array_sort(F.collect_list("order_date"))
    found = by_day.groupBy("customer_id", "as_of_date").agg(
        days.alias("_days"),
        (F.count(F.lit(1)) - 1).cast(T.IntegerType()).alias(REPEATS),
        F.datediff(F.max("order_date"), first).alias(SPAN),
        (F.datediff("as_of_date", first) - 1).alias(TENURE),
        _money(F.sum("_minor")).alias(AMOUNT),
        _money(F.min_by("_minor", "order_date")).alias("_first_amount"),
        *[
            _money(F.sum(F.when(condition, F.col("_minor")))).alias(recent_amount(length))
            for length, condition in is_recent.items()
        ],
    )
    gaps = F.transform(
        F.sequence(F.lit(1), F.col(REPEATS)),
        lambda i: F.log(F.datediff(F.get("_days", i), F.get("_days", i - 1)).cast("double")),
    )
    total = F.aggregate(gaps, F.lit(0.0), lambda left, right: left + right)
    return found.select(
        "customer_id",
        "as_of_date",
        REPEATS,
        SPAN,
        TENURE,
        AMOUNT,
        (F.col(AMOUNT) - F.col("_first_amount")).alias(REPEAT_AMOUNT),
        *[recent_amount(length) for length in is_recent],
        F.when(F.col(REPEATS) > 0, total).otherwise(F.lit(0.0)).alias(LOG_GAPS),
    )


def with_outcomes(histories: DataFrame, ordered: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Add what customers spent and on how many days they ordered in the first horizon.

    Adds actual_amount and actual_order_days, 0 without an order, to the rows of `dates`; null for
    those of other dates. `ordered` holds the orders of the horizons, as orders_in_horizon() gives
    them.
    """
    came = {
        ACTUAL_AMOUNT: _money(F.sum("kept_amount_minor")),
        ACTUAL_DAYS: F.countDistinct("order_date").cast(T.IntegerType()),
    }
    return _with_what_came(histories, ordered, came, dates)


def with_later_amount(
    histories: DataFrame, ordered: DataFrame, *, dates: Sequence[date], horizon_days: int
) -> DataFrame:
    """Add actual_amount_<h>d: what customers spent in a horizon other than the first.

    0 without an order, to the rows of `dates`; null for those of other dates, on which it had not
    closed. `ordered` as in with_outcomes().
    """
    came = {later_amount(horizon_days): _money(F.sum("kept_amount_minor"))}
    return _with_what_came(histories, ordered, came, dates)


def _with_what_came(
    histories: DataFrame, ordered: DataFrame, came: Mapping[str, Column], dates: Sequence[date]
) -> DataFrame:
    """Add sums over the orders of a horizon: 0 without any, null on other dates than these."""
    keys = ["customer_id", "as_of_date"]
    sums = ordered.groupBy(*keys).agg(*[sum_.alias(f"_{name}") for name, sum_ in came.items()])
    is_closed = F.col("as_of_date").isin(sorted(set(dates)))
    return histories.join(sums, keys, "left").select(
        *histories.columns,
        *[F.when(is_closed, F.coalesce(f"_{name}", F.lit(0))).alias(name) for name in came],
    )


def _money(minor: Column) -> Column:
    return F.coalesce(minor / MINOR_UNITS, F.lit(0.0)).cast(T.DoubleType())
