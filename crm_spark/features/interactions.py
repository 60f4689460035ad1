"""What customers bought of products: before a date, and in a window after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.decay import DECAY_STEPS, decayed_steps
from crm_spark.features.lines import is_visible, midnight
from crm_spark.features.order_parts import counts_as_of, lines_of_orders
from crm_spark.features.tables import PRODUCT_HALF_LIFE_DAYS


def product_interactions(
    lines: DataFrame, *, dates: Sequence[date], reused: DataFrame | None = None
) -> DataFrame:
    """Give what each customer bought of each product before each date.

    Grain: customer_id, product_id, as_of_date. Reads core.transactions, lines that are no returns
    and whose product is known; gives the columns of features.product_interactions but for
    provenance. An order counts once for a product, on the local day of its first line of it. Lines
    shrink to orders, then to products, with a column a date; only then does each date get rows.
    `reused` are the order numbers that may have several orders.
    """
    days = dict(enumerate(sorted(set(dates))))
    first_line = [
        F.min(
            F.when(is_visible(midnight(F.lit(day))) & counts_as_of(day), F.col("ordered_at"))
        ).alias(f"_at_{index}")
        for index, day in days.items()
    ]
    orders = (
        lines_of_orders(lines, reused, dates=dates)
        .where(~F.col("is_return") & F.col("product_id").isNotNull())
        .groupBy("customer_id", "product_id", "order_id")
        .agg(*first_line)
    )
    of_dates = []
    sums = []
    for index, day in days.items():
        age = F.datediff(F.lit(day), F.to_date(f"_at_{index}"))
        sums.append(F.count(f"_at_{index}").alias(f"_n_{index}"))
        sums.append((F.min(age) - 1).cast(T.LongType()).alias(f"_silence_{index}"))
        for half_life in PRODUCT_HALF_LIFE_DAYS:
            steps = F.sum(decayed_steps(age, half_life)) / float(DECAY_STEPS)
            sums.append(steps.alias(f"_decayed_{half_life}_{index}"))
        of_dates.append(
            F.struct(
                F.lit(day).alias("as_of_date"),
                F.col(f"_n_{index}").alias("n_orders"),
                *[
                    F.col(f"_decayed_{half_life}_{index}").alias(f"n_orders_half_life_{half_life}d")
                    for half_life in PRODUCT_HALF_LIFE_DAYS
                ],
                F.col(f"_silence_{index}").alias("days_since_last_order"),
            )
        )
    products = orders.groupBy("customer_id", "product_id").agg(*sums)
    exploded = products.select("customer_id", "product_id", F.inline(F.array(*of_dates)))
    return exploded.where(F.col("n_orders") > 0)


def bought_between(lines: DataFrame, *, start: date, end: date, known_before: date) -> DataFrame:
    """Give the products that each customer bought from `start` to before `end`.

    Grain: customer_id, product_id. Reads core.transactions, as they were known before the midnight
    of `known_before`; lines that are no returns and whose product is known.
    """
    is_within = (F.col("ordered_at") >= midnight(F.lit(start))) & (
        F.col("ordered_at") < midnight(F.lit(end))
    )
    return (
        lines.where(~F.col("is_return") & F.col("product_id").isNotNull() & is_within)
        .where(is_visible(midnight(F.lit(known_before))))
        .select("customer_id", "product_id")
        .distinct()
    )
