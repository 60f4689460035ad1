"""Prices of products, as of a date, and the lines whose price does not fit their product."""

from __future__ import annotations

import math
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.unusual import LEAST_FOR_Z, MOST_Z, Z_SCALE
from crm_spark.features.lines import (
    ITEM_FRACTIONS,
    MINOR_UNITS,
    is_visible,
    midnight,
    minor_units,
)
from crm_spark.features.tables import LEAST_FACTOR


def product_prices(lines: DataFrame, *, day: date) -> DataFrame:
    """Give the usual price of each product, and how much was sold at prices far from it.

    Grain: product_id, as_of_date. Reads core.transactions (lines that are no returns, with amount
    and quantity above 0, as they were known before the midnight of `day`; an unknown quantity is
    1). Gives the columns of features.product_prices but for provenance. A price is unusual beyond a
    modified z of 3.5 of its logarithm among its product's lines (Iglewicz and Hoaglin, 1993), and
    beyond twice or half of the median: many products have one price, and no spread at all.
    """
    items = (F.coalesce(F.col("quantity"), F.lit(1)) * ITEM_FRACTIONS).cast(T.LongType())
    minor = minor_units(F.col("amount"))
    sold = lines.where(
        ~F.col("is_return") & F.col("product_id").isNotNull() & is_visible(midnight(F.lit(day)))
    ).select("product_id", items.alias("_items"), minor.alias("_minor"))
    # Nine decimals: no machine's last bit shows.
    price = F.col("_minor") / F.lit(float(MINOR_UNITS)) / F.col("_items") * float(ITEM_FRACTIONS)
    by_price = (
        sold.where((F.col("_items") > 0) & (F.col("_minor") > 0))
        .withColumn("_log", F.round(F.log(price), 9))
        .groupBy("product_id", "_log")
        .agg(F.count(F.lit(1)).alias("_n"), F.sum("_minor").alias("_minor"))
    )
    fence = F.greatest(F.col("_spread") * (MOST_Z / Z_SCALE), F.lit(math.log(LEAST_FACTOR)))
    # Windows, not joins: the lines are read once, and moved once for all that follows.
    of_product = Window.partitionBy("product_id")
    judged = (
        by_price.withColumn("_centre", _median("_log").over(of_product))
        .withColumn("_distance", F.abs(F.col("_log") - F.col("_centre")))
        .withColumn("_spread", _median("_distance").over(of_product))
        .withColumn("_lines", F.sum("_n").over(of_product))
        .withColumn("_fence", F.when(F.col("_lines") >= LEAST_FOR_Z, fence))
    )
    # Eight decimals of logarithms with nine: half of a price is no more than half of it.
    is_outside = F.round("_distance", 8) > F.round("_fence", 8)
    is_judged = F.col("_fence").isNotNull()
    found = judged.groupBy("product_id").agg(
        F.first("_centre").alias("_centre"),
        F.first("_fence").alias("_fence"),
        F.sum("_n").alias("n_lines"),
        F.sum("_minor").alias("_sold"),
        F.min("_log").alias("_lowest"),
        F.max("_log").alias("_highest"),
        F.sum(F.when(is_outside, F.col("_n")).when(is_judged, F.lit(0))).alias("_n_unusual"),
        F.sum(F.when(is_outside, F.col("_minor")).when(is_judged, F.lit(0))).alias("_unusual"),
    )
    return found.select(
        "product_id",
        F.lit(day).alias("as_of_date"),
        "n_lines",
        (F.col("_sold") / float(MINOR_UNITS)).alias("sold_amount"),
        _price(F.col("_centre")).alias("median_price"),
        _price(F.col("_lowest")).alias("lowest_price"),
        _price(F.col("_highest")).alias("highest_price"),
        _price(F.col("_centre") - F.col("_fence")).alias("usual_from_price"),
        _price(F.col("_centre") + F.col("_fence")).alias("usual_to_price"),
        F.col("_n_unusual").alias("n_unusual_lines"),
        (F.col("_unusual") / float(MINOR_UNITS)).alias("unusual_amount"),
    )


def _median(value: str) -> Column:
    """Give the exact median over lines of rows that stand for `_n` lines each."""
    return F.percentile(value, F.lit(0.5), F.col("_n"))


def _price(log: Column) -> Column:
    return F.round(F.exp(log), 6)
