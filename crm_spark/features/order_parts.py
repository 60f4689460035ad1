"""Order numbers that were used again: lines far apart in time are orders of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import is_visible, midnight

# The date for which alone a line is of an order; null: for every date.
ONLY_AS_OF = "only_as_of"
NUMBER = ("customer_id", "order_id")
PART, SPLIT_AFTER = "order_part", "split_after_days"


def reused_numbers(orders: DataFrame) -> DataFrame:
    """Give the order numbers whose bought lines may lie too far apart for one order.

    Grain: customer_id, order_id. Reads features.customer_orders; adds split_after_days.
    """
    return orders.where(F.col(SPLIT_AFTER).isNotNull()).select(*NUMBER, SPLIT_AFTER).distinct()


def with_order_parts(
    lines: DataFrame, reused: DataFrame | None, *, within: Sequence[str] = ()
) -> DataFrame:
    """Add to each line which order of its number it belongs to: order_part, from 1 on.

    Reads order lines with is_current and the columns `within`, whose groups stand by themselves;
    `reused` are the numbers that may have several orders, None where no number has. An order begins
    with the first bought line of its number, and with the first that lies more than
    split_after_days local days after its begin. A return opens none: it belongs to the order before
    it.
    """
    if reused is None:
        return lines.withColumn(PART, F.lit(1))
    day = F.to_date("ordered_at")
    is_bought = F.col("is_current") & ~F.col("is_return")
    # A window, not a join with what the lines give: the plan does not grow.
    of_number = Window.partitionBy(*NUMBER, *within)
    bought_on = F.when(is_bought & F.col(SPLIT_AFTER).isNotNull(), day)
    begins = _begins(F.col("_days"), F.col(SPLIT_AFTER))
    n_begun = F.size(F.filter("_begins", lambda begin: begin <= day))
    return (
        lines.join(reused, list(NUMBER), "left")
        .withColumn("_days", F.array_sort(F.collect_set(bought_on).over(of_number)))
        .withColumn("_begins", begins)
        .withColumn(PART, F.greatest(F.lit(1), n_begun))
        .drop("_days", "_begins", SPLIT_AFTER)
    )


def lines_of_orders(
    lines: DataFrame, reused: DataFrame | None, *, dates: Sequence[date]
) -> DataFrame:
    """Give order lines with an order_id that no other order of the customer has.

    Reads core.transactions. Lines of used-again numbers come once for each of `dates`, as they were
    visible then, and say which in only_as_of; all other lines come once, for every date.
    """
    every = F.lit(None).cast(T.DateType())
    if reused is None:
        return lines.withColumn(ONLY_AS_OF, every)
    numbers = reused.select(*NUMBER)
    plain = lines.join(numbers, list(NUMBER), "left_anti").withColumn(ONLY_AS_OF, every)
    days = F.explode(F.array(*[F.lit(day) for day in sorted(set(dates))]))
    visible = (
        lines.join(numbers, list(NUMBER), "left_semi")
        .withColumn(ONLY_AS_OF, days)
        .where(is_visible(midnight(F.col(ONLY_AS_OF))))
        .withColumn("is_current", F.lit(True))
    )
    parts = with_order_parts(visible, reused, within=(ONLY_AS_OF,))
    order_id = F.concat_ws("\n", "order_id", F.col(PART).cast("string"))
    return plain.unionByName(parts.withColumn("order_id", order_id).drop("is_current", PART))


def counts_as_of(day: date) -> Column:
    """Whether a line of lines_of_orders() is of an order as of the date, where it is visible."""
    return F.col(ONLY_AS_OF).isNull() | (F.col(ONLY_AS_OF) == F.lit(day))


def _begins(days: Column, split_after: Column) -> Column:
    """Give the days, of days in order, on which an order begins."""

    def add(begins: Column, day: Column) -> Column:
        is_far = F.datediff(day, F.element_at(begins, -1)) > split_after
        return F.when(is_far, F.concat(begins, F.array(day))).otherwise(begins)

    return F.aggregate(F.slice(days, 2, F.size(days)), F.slice(days, 1, 1), add)
