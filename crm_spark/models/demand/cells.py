"""What was sold by product, department and period, as it was known on each of several dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import (
    day_begun,
    first_midnight_after,
    known_at,
    midnight,
    minor_units,
)

# Items are summed as thousandths, exact in any order, like money as minor units.
MILLI_UNITS = 1000
PERIOD, KNOWN_FROM, KNOWN_TO = "periods_before", "known_from", "known_to"
AMOUNT, UNITS = "amount_minor", "milli_units"
# A product of no known department is of this one.
NO_DEPARTMENT = "(none)"


@dataclass(frozen=True)
class Cells:
    """Sums by product and by department; a row of either is one period as known on some dates.

    `chosen` are the products with series of their own on each date: its number as `place`, and
    product_id. The sums have periods_before (0: the last period before the newest date),
    known_from and known_to (the first date by number on which a row counts, and the first on which
    it no longer does), amount_minor and milli_units (null: unknown); `products` has those of
    products that are chosen on any date, by product_id and department, `departments` all that was
    sold.
    """

    products: pd.DataFrame
    departments: pd.DataFrame
    chosen: pd.DataFrame


def sales_cells(
    lines: DataFrame,
    departments: DataFrame | None,
    *,
    dates: Sequence[date],
    period_days: int,
    history_periods: int,
    most_products: int,
    ranked_periods: int,
    fewest_periods: int,
) -> Cells:
    """Sum what was sold, and give the cells of the products that sold most before any of `dates`.

    Reads core.transactions (lines that are no returns) and `departments` (product_id, department;
    None: there are none). `dates` are in order, whole periods apart. Of each date the
    `most_products` products count that sold for most in the `ranked_periods` before it, and first
    at least `fewest_periods` before it; all others are in their department's sums only. A line
    counts as it was known before a date's midnight.
    """
    newest = F.lit(dates[-1])
    periods = F.floor((F.datediff(newest, day_begun(F.col("ordered_at"))) - 1) / period_days)
    n_dates = len(dates)
    # One more than is learnt from: it says whether the one before it is whole.
    oldest = history_periods + 1 + (dates[-1] - dates[0]).days // period_days
    summed = (
        lines.where(~F.col("is_return") & (F.col("ordered_at") < midnight(newest)))
        .select(
            "product_id",
            periods.cast(T.IntegerType()).alias(PERIOD),
            first_midnight_after(known_at(), dates).alias(KNOWN_FROM),
            F.when(F.col("superseded_at").isNull(), n_dates)
            .otherwise(first_midnight_after(F.col("superseded_at"), dates))
            .alias(KNOWN_TO),
            minor_units(F.col("amount")).alias(AMOUNT),
            (F.col("quantity") * MILLI_UNITS).cast(T.LongType()).alias(UNITS),
        )
        .where((F.col(KNOWN_FROM) < F.col(KNOWN_TO)) & (F.col(PERIOD) < oldest))
        .groupBy("product_id", PERIOD, KNOWN_FROM, KNOWN_TO)
        .agg(F.sum(AMOUNT).alias(AMOUNT), F.sum(UNITS).alias(UNITS))
    )
    kept = _with_departments(summed, departments).persist()
    chosen = _best_sellers(
        kept,
        [(dates[-1] - day).days // period_days for day in dates],
        most_products=most_products,
        ranked_periods=ranked_periods,
        fewest_periods=fewest_periods,
        history_periods=history_periods,
    ).persist()
    try:
        ids = F.broadcast(chosen.select("product_id").distinct())
        of_products = kept.join(ids, "product_id").orderBy(
            "department", "product_id", PERIOD, KNOWN_FROM, KNOWN_TO
        )
        of_departments = (
            kept.groupBy("department", PERIOD, KNOWN_FROM, KNOWN_TO)
            .agg(
                F.sum(AMOUNT).alias(AMOUNT),
                F.sum(UNITS).alias(UNITS),
            )
            .orderBy("department", PERIOD, KNOWN_FROM, KNOWN_TO)
        )
        # bounded by most_products and by the departments, times periods
        return Cells(
            of_products.toPandas(),
            of_departments.toPandas(),
            chosen.orderBy("place", "product_id").toPandas(),
        )
    finally:
        kept.unpersist()
        chosen.unpersist()


def _with_departments(rows: DataFrame, departments: DataFrame | None) -> DataFrame:
    if departments is None:
        return rows.withColumn("department", F.lit(NO_DEPARTMENT))
    known = departments.where(F.col("department").isNotNull()).select("product_id", "department")
    return rows.join(known, "product_id", "left").fillna({"department": NO_DEPARTMENT})


def _best_sellers(
    rows: DataFrame,
    periods_before: Sequence[int],
    *,
    most_products: int,
    ranked_periods: int,
    fewest_periods: int,
    history_periods: int,
) -> DataFrame:
    """Give the products that sold for most before each date: `place` of the date, product_id.

    The dates are so many periods before the newest. What one chooses does not depend on the others.
    """
    found: DataFrame | None = None
    by_product = rows.where(F.col("product_id").isNotNull()).groupBy("product_id")
    columns = []
    for place, before in enumerate(periods_before):
        is_known = (F.col(KNOWN_FROM) <= place) & (F.col(KNOWN_TO) > place)
        is_known &= F.col(PERIOD).between(before, before + history_periods - 1)
        is_recent = is_known & (F.col(PERIOD) < before + ranked_periods)
        columns += [
            F.sum(F.when(is_recent, F.col(AMOUNT))).alias(f"_amount_{place}"),
            F.max(F.when(is_known, F.col(PERIOD) - before + 1)).alias(f"_age_{place}"),
        ]
    summed = by_product.agg(*columns)
    for place in range(len(periods_before)):
        amount, age = F.col(f"_amount_{place}"), F.col(f"_age_{place}")
        best = (
            summed.where((amount > 0) & (age >= fewest_periods))
            .orderBy(amount.desc(), "product_id")
            .limit(most_products)
            .select(F.lit(place).alias("place"), "product_id")
        )
        found = best if found is None else found.union(best)
    assert found is not None, "there is a date"
    return found
