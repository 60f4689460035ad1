"""Which products and departments a customer has bought, and how it spreads over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.decay import DECAY_STEPS
from crm_spark.features.families.family import Family, Feature, Inputs, count_feature
from crm_spark.features.lines import is_visible, midnight

VARIETY_DAYS = 84

_NO_PRODUCT = "null when no product of the customer is known"
_NO_DEPARTMENT = "null when no department of the customer's products is known"
_WINDOW = f"in the last {VARIETY_DAYS} days, by the line's own day"
_GRAIN = ("customer_id", "as_of_date")

VARIETY_FEATURES = (
    count_feature("n_products", "distinct products bought", "products", _NO_PRODUCT),
    count_feature(
        f"n_products_{VARIETY_DAYS}d",
        f"distinct products bought {_WINDOW}",
        "products",
        _NO_PRODUCT,
    ),
    count_feature(
        "n_departments", "distinct departments bought from", "departments", _NO_DEPARTMENT
    ),
    count_feature(
        f"n_departments_{VARIETY_DAYS}d",
        f"distinct departments bought from {_WINDOW}",
        "departments",
        _NO_DEPARTMENT,
    ),
)

HABIT_FEATURES = (
    Feature(
        "repeat_products_share",
        "products bought in two or more orders / n_products",
        "share",
        _NO_PRODUCT,
    ),
    Feature(
        "department_entropy",
        "-sum of p ln p, p: share of a department in the bought "
        "lines of known department (Shannon 1948, section 6)",
        "nats",
        _NO_DEPARTMENT,
    ),
)


def product_variety(
    lines: DataFrame, departments: DataFrame | None, *, dates: Sequence[date]
) -> DataFrame:
    """Count the different products and departments each customer had bought by each date.

    Grain: customer_id, as_of_date. Reads core.transactions (lines that are no returns) and
    `departments` (product_id, department, as_of_date). Lines shrink to orders of a product, to
    customer and product, then to customer and department, with a column a date; only then does each
    date get rows of its own.
    """
    days = dict(enumerate(sorted(set(dates))))
    by_order: list[Column] = []
    by_product: list[Column] = []
    by_department: list[Column] = []
    of_dates: list[Column] = []
    for index, day in days.items():
        at = F.when(is_visible(midnight(F.lit(day))), F.col("ordered_at"))
        by_order += [F.max(at).alias(f"_last_{index}"), F.count(at).alias(f"_lines_{index}")]
        by_product += [
            F.max(f"_last_{index}").alias(f"_last_{index}"),
            F.count(f"_last_{index}").alias(f"_orders_{index}"),
            F.sum(f"_lines_{index}").alias(f"_lines_{index}"),
        ]
        last = F.when(F.col(f"_is_of_{index}"), F.col(f"_last_{index}"))
        is_recent = F.to_date(last) >= F.date_sub(F.lit(day), VARIETY_DAYS)
        is_repeat = F.col(f"_is_of_{index}") & (F.col(f"_orders_{index}") > 1)
        lines_of = F.when(F.col(f"_is_of_{index}"), F.col(f"_lines_{index}"))
        by_department += [
            F.count(last).alias(f"_n_{index}"),
            F.count_if(is_recent).alias(f"_n_recent_{index}"),
            F.count_if(is_repeat).alias(f"_n_repeat_{index}"),
            F.sum(lines_of).alias(f"_n_lines_{index}"),
        ]
        names = ("n", "n_recent", "n_repeat", "n_lines")
        of_dates.append(
            F.struct(
                F.lit(day).alias("as_of_date"),
                *[F.col(f"_{name}_{index}").alias(name) for name in names],
            )
        )
    pairs = (
        lines.where(~F.col("is_return") & F.col("product_id").isNotNull())
        .repartition("customer_id")  # what is grouped from here on lies together
        .groupBy("customer_id", "product_id", "order_id")
        .agg(*by_order)
        .groupBy("customer_id", "product_id")
        .agg(*by_product)
    )
    pairs = _with_departments(pairs, departments, days)
    bought = (
        pairs.groupBy("customer_id", "department")
        .agg(*by_department)
        .select("customer_id", "department", F.inline(F.array(*of_dates)))
        .where(F.col("n") > 0)
    )
    is_department = F.col("department").isNotNull()
    n_departments = F.count_if(is_department)
    n_recent_departments = F.count_if(is_department & (F.col("n_recent") > 0))
    return bought.groupBy(*_GRAIN).agg(
        F.sum("n").alias("n_products"),
        F.sum("n_recent").alias(f"n_products_{VARIETY_DAYS}d"),
        (F.sum("n_repeat") / F.sum("n").cast(T.DoubleType())).alias("repeat_products_share"),
        F.when(n_departments > 0, n_departments).alias("n_departments"),
        F.when(n_departments > 0, n_recent_departments).alias(f"n_departments_{VARIETY_DAYS}d"),
        _entropy(F.when(is_department, F.col("n_lines"))).alias("department_entropy"),
    )


def _with_departments(
    pairs: DataFrame, departments: DataFrame | None, days: Mapping[int, date]
) -> DataFrame:
    """Add the department of each product, and for each date whether it was that one then.

    A product that changed its department has a row for each; at each date one of them counts.
    """
    if departments is None:
        none = {"department": F.lit(None).cast(T.StringType())}
        return pairs.withColumns(none | {f"_is_of_{index}": F.lit(True) for index in days})
    valid = [
        F.bool_or(F.col("as_of_date") == F.lit(day)).alias(f"_is_of_{index}")
        for index, day in days.items()
    ]
    by_department = departments.groupBy("product_id", "department").agg(*valid)
    known = {f"_is_of_{index}": F.coalesce(f"_is_of_{index}", F.lit(True)) for index in days}
    return pairs.join(by_department, "product_id", "left").withColumns(known)


def _entropy(n: Column) -> Column:
    """Give the entropy of counts, in nats: ln N - sum of n ln n / N, each term to 9 decimals."""
    term = F.round(n * F.log(n.cast(T.DoubleType())) * DECAY_STEPS).cast(T.LongType())
    total = F.sum(n).cast(T.DoubleType())
    entropy = F.log(total) - F.sum(term) / float(DECAY_STEPS) / total
    # Rounded terms can leave less than nothing; the greatest of null and 0 would be 0.
    return F.when(total.isNotNull(), F.greatest(entropy, F.lit(0.0)))


def _table(inputs: Inputs) -> DataFrame:
    return product_variety(inputs.lines, inputs.departments, dates=inputs.dates)


VARIETY = Family(VARIETY_FEATURES, table=_table)
HABITS = Family(HABIT_FEATURES, table=_table)
