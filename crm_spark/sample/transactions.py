"""Order lines: what is bought, at what price and discount, what comes back, what arrives late."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.sample import products
from crm_spark.sample.customers import customer_id
from crm_spark.sample.draws import chosen, geometric, uniform, whole
from crm_spark.sample.orders import heavy_customer_lines, ordinary_lines
from crm_spark.sample.rhythm import hour_of_day, instant
from crm_spark.sample.settings import (
    DISCOUNT_RATE,
    DISCOUNT_SHARE,
    FAVOURITE_SHARE,
    LATE_DAYS,
    LATE_SHARE,
    MORE_ITEMS,
    RETURN_AFTER_DAYS,
    SampleSettings,
)
from crm_spark.tables.core import MONEY

_LINE = ("customer", "order", "line")


def transactions(spark: SparkSession, settings: SampleSettings, *, partitions: int) -> DataFrame:
    """Give the order lines of a sample, the same rows whatever the number of partitions.

    Grain: a line of an order or of a return. Columns: customer_id, order_id, product_id; ordered_at
    (UTC, to the second); quantity, whole, negative for what comes back; amount, what is paid,
    negative for what is paid back, and discount_amount, what was taken off the price, without a
    sign (both decimal(18,2), currency units); is_return; arrived_at (UTC). No column is null.
    """
    ordinary = ordinary_lines(spark, settings, partitions=partitions)
    heavy = heavy_customer_lines(spark, settings, partitions=partitions)
    bought = ordinary.unionByName(heavy).transform(_with_purchase, settings)
    return bought.transform(_with_returns, settings).select(
        customer_id(F.col("customer")).alias("customer_id"),
        _order_id(),
        products.product_id(F.col("product")).alias("product_id"),
        instant(F.col("moment")).alias("ordered_at"),
        _signed(F.col("moved")).cast("int").alias("quantity"),
        _signed(F.col("paid")).cast(MONEY).alias("amount"),
        F.col("taken_off").cast(MONEY).alias("discount_amount"),
        "is_return",
        _arrived_at(settings),
    )


def _with_purchase(lines: DataFrame, settings: SampleSettings) -> DataFrame:
    """Add product, bought (items), gross_amount and discount."""
    seed, ids = settings.seed, _ids()
    customer, group = F.col("customer"), F.col("taste_group")
    place = chosen(uniform(seed, "which favourite", *ids), products.favourite_chances())
    is_favourite = uniform(seed, "is favourite", *ids) < FAVOURITE_SHARE
    # One draw by what it is of: a favourite of the customer, or this line alone.
    subject = F.when(is_favourite, products.favourite_draw(customer, place))
    named = lines.withColumn("subject", subject.otherwise(F.xxhash64(F.lit("line"), *ids)))
    product = products.product_number(settings, group, F.col("subject"))
    priced = named.withColumn("product", product).withColumn(
        "price", products.price(settings, F.col("product"))
    )
    has_discount = (uniform(seed, "has discount", *ids) < DISCOUNT_SHARE) & F.coalesce(
        F.col("ordered_day") < F.col("discount_stopped_day"), F.lit(True)
    )
    bought = priced.withColumn("bought", geometric(MORE_ITEMS, seed, "items", *ids))
    gross = (F.col("price") * F.col("bought")).cast(MONEY)
    return bought.withColumn("gross", gross).withColumn(
        "discount", F.when(has_discount, F.round(F.col("gross") * DISCOUNT_RATE, 2)).otherwise(0)
    )


def _with_returns(bought: DataFrame, settings: SampleSettings) -> DataFrame:
    """Add a row for each line that comes back before the end: moved, paid, taken_off, moment."""
    seed, ids = settings.seed, _ids()
    comes_back = uniform(seed, "return", *ids) < F.col("return_rate")
    day = F.floor(F.col("ordered_day")) + whole(*RETURN_AFTER_DAYS, seed, "return day", *ids)
    moment = day + hour_of_day(uniform(seed, "return hour", *ids))
    known = comes_back & (moment < settings.end_day - 1e-6)
    # Both rows from one line in one pass: a union would make every purchase twice.
    rows = F.when(known, F.array(F.lit(False), F.lit(True))).otherwise(F.array(F.lit(False)))
    both = bought.withColumn("is_return", F.explode(rows))
    back = F.floor(uniform(seed, "items back", *ids) * F.col("bought")) + 1
    is_return = F.col("is_return")
    moved = both.withColumn("moved", F.when(is_return, back).otherwise(F.col("bought")))
    return moved.select(
        "*",
        F.when(is_return, moment).otherwise(F.col("ordered_day")).alias("moment"),
        _share_of(F.col("gross") - F.col("discount").cast(MONEY)).alias("paid"),
        _share_of(F.col("discount").cast(MONEY)).alias("taken_off"),
    )


def _share_of(amount: Column) -> Column:
    """Give the part of a line's amount that falls to the items that are moved."""
    return F.round(amount * F.col("moved") / F.col("bought"), 2).cast(MONEY)


def _arrived_at(settings: SampleSettings) -> Column:
    ids = _ids()
    bought = _arrival(F.col("ordered_day"), settings, "late", *ids)
    back = _arrival(F.col("moment"), settings, "late return", *ids)
    # Nobody hears of a return before the purchase.
    return (
        F.when(F.col("is_return"), F.greatest(back, bought)).otherwise(bought).alias("arrived_at")
    )


def _arrival(day: Column, settings: SampleSettings, purpose: str, *ids: Column) -> Column:
    is_late = uniform(settings.seed, purpose, *ids) < LATE_SHARE
    delay = whole(*LATE_DAYS, settings.seed, f"{purpose}: by how much", *ids)
    return instant(day + F.when(is_late, delay).otherwise(0))


def _order_id() -> Column:
    """Give the customer's id and the order's number; a return is an order of its own."""
    order = F.concat_ws("-", customer_id(F.col("customer")), F.col("order").cast("string"))
    back = F.concat_ws("-", order, F.lit("R"), F.col("line").cast("string"))
    return F.when(F.col("is_return"), back).otherwise(order).alias("order_id")


def _signed(value: Column) -> Column:
    return F.when(F.col("is_return"), -value).otherwise(value)


def _ids() -> tuple[Column, ...]:
    return tuple(F.col(name).cast("long") for name in _LINE)
