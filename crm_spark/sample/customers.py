"""Customers with their true rates: rhythm, lapse and its cause, taste, discounts and returns."""

from __future__ import annotations

import math

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.sample import products
from crm_spark.sample.draws import by_value, chosen, erlang, exponential, log_normal, uniform
from crm_spark.sample.expected import heavy_lines, return_rates
from crm_spark.sample.rhythm import calendar_time, flowing_time, instant
from crm_spark.sample.settings import (
    CAUSE_FACTOR,
    CAUSE_SHARES,
    DISCOUNT_DAYS,
    DISCOUNT_RATE,
    DISCOUNT_SHARE,
    DISCOUNT_STOPPED,
    EXISTING_SHARE,
    GAP_DEVIATION,
    GAP_SHAPES,
    HEAVY_LINES_PER_ORDER,
    JOINING_PART,
    LIFETIME_DAYS,
    LINES_DEVIATION,
    MANY_RETURNS,
    MEDIAN_GAP_DAYS,
    MEDIAN_LINES_PER_ORDER,
    MORE_ITEMS,
    REGULAR_SHARE,
    SampleSettings,
)

HEAVY = "heavy"
# Number 0 is the heavy customer.
_FIRST_ORDINARY = 1


def ordinary_customers(
    spark: SparkSession, settings: SampleSettings, *, partitions: int
) -> DataFrame:
    """Give all customers but the heavy one with what is drawn for them, a row each.

    Columns: customer (bigint); rhythm; gap_shape; mean_gap_days; first_flowing, the flowing time of
    the first order; joined_day (null: was there before the first day); lapse_rate_per_day, at last;
    lapsed_day; lapse_cause (null: nothing raised the rate); discount_stopped_day (null: does not
    stop before the lapse); taste_group; mean_lines_per_order; return_rate. Days are on the local
    clock since 1970.
    """
    customers = spark.range(_FIRST_ORDINARY, settings.n_customers, numPartitions=partitions)
    return customers.transform(_with_rhythm, settings).transform(_with_lapse, settings)


def _with_rhythm(customers: DataFrame, settings: SampleSettings) -> DataFrame:
    seed, customer = settings.seed, F.col("id")
    is_regular = uniform(seed, "rhythm", customer) < REGULAR_SHARE
    lines = log_normal(MEDIAN_LINES_PER_ORDER, LINES_DEVIATION, seed, "lines mean", customer)
    is_existing = uniform(seed, "existing", customer) < EXISTING_SHARE
    joined_after = uniform(seed, "joined", customer) * JOINING_PART * settings.n_days
    drawn = customers.select(
        customer.alias("customer"),
        F.when(is_regular, "regular").otherwise("irregular").alias("rhythm"),
        F.when(is_regular, GAP_SHAPES["regular"]).otherwise(1).alias("gap_shape"),
        log_normal(MEDIAN_GAP_DAYS, GAP_DEVIATION, seed, "gap mean", customer).alias(
            "mean_gap_days"
        ),
        F.when(~is_existing, settings.first_day + joined_after).alias("joined_day"),
        products.taste_group(uniform(seed, "taste", customer)).alias("taste_group"),
        # Geometric from 1 on, so that the mean lies above 1.
        F.greatest(lines, F.lit(1.05)).alias("mean_lines_per_order"),
    )
    began = flowing_time(F.coalesce("joined_day", F.lit(float(settings.first_day))))
    drawn = drawn.withColumn(
        "first_flowing",
        began + F.when(F.col("joined_day").isNull(), _residual_gap(seed)).otherwise(0.0),
    )
    # With weekday and hour, as its first order has them.
    joined = F.when(F.col("joined_day").isNotNull(), calendar_time(F.col("first_flowing")))
    return drawn.withColumn("joined_day", joined)


def _residual_gap(seed: int) -> Column:
    """Give the days to the next order from any moment (Cox 1962, Renewal Theory, chapter 5).

    That moment lies in a gap in proportion to its length, and anywhere in it: a uniform part of a
    gap whose gamma shape is one more.
    """
    customer, mean = F.col("customer"), F.col("mean_gap_days")
    longer = {
        shape: erlang(mean * (shape + 1) / shape, shape + 1, seed, f"open gap {shape}", customer)
        for shape in GAP_SHAPES.values()
    }
    return by_value(F.col("gap_shape"), longer) * uniform(seed, "part of open gap", customer)


def _with_lapse(customers: DataFrame, settings: SampleSettings) -> DataFrame:
    seed, customer = settings.seed, F.col("customer")
    # Two risks compete: where the discount stops first, the rest of life is drawn anew, which an
    # exponential one allows.
    cause = chosen(
        uniform(seed, "cause", customer), [*CAUSE_SHARES.values(), 1 - sum(CAUSE_SHARES.values())]
    )
    names = list(CAUSE_SHARES)
    many, may_stop = (cause == names.index(one) for one in (MANY_RETURNS, DISCOUNT_STOPPED))
    life = exponential(LIFETIME_DAYS, seed, "life", customer)
    life_after = exponential(LIFETIME_DAYS / CAUSE_FACTOR, seed, "life after the cause", customer)
    stop = F.when(may_stop, exponential(DISCOUNT_DAYS, seed, "discount", customer))
    has_stopped = F.coalesce(stop < life, F.lit(False))
    began = F.coalesce("joined_day", F.lit(float(settings.first_day)))
    usual, raised = return_rates(settings.n_days)
    has_cause = many | has_stopped
    return customers.select(
        "*",
        F.when(many, began + life_after)
        .when(has_stopped, began + stop + life_after)
        .otherwise(began + life)
        .alias("lapsed_day"),
        F.when(has_stopped, began + stop).alias("discount_stopped_day"),
        F.when(many, MANY_RETURNS).when(has_stopped, DISCOUNT_STOPPED).alias("lapse_cause"),
        F.when(has_cause, CAUSE_FACTOR / LIFETIME_DAYS)
        .otherwise(1 / LIFETIME_DAYS)
        .alias("lapse_rate_per_day"),
        F.when(many, raised).otherwise(usual).alias("return_rate"),
    )


def heavy_customer(spark: SparkSession, settings: SampleSettings) -> DataFrame:
    """Give the one customer with about a hundredth of all lines, in the columns of the others.

    It is there throughout, never lapses, and orders at evenly spread moments (gap_shape null).
    """
    mean_gap = settings.n_days / heavy_orders(settings)
    lines = heavy_lines(settings) / heavy_orders(settings)
    usual, _ = return_rates(settings.n_days)
    return spark.range(0, _FIRST_ORDINARY, numPartitions=1).select(
        F.col("id").alias("customer"),
        F.lit(HEAVY).alias("rhythm"),
        F.lit(None).cast("int").alias("gap_shape"),
        F.lit(mean_gap).alias("mean_gap_days"),
        F.lit(None).cast("double").alias("joined_day"),
        products.taste_group(uniform(settings.seed, "taste", F.col("id"))).alias("taste_group"),
        F.lit(lines).alias("mean_lines_per_order"),
        F.lit(None).cast("double").alias("first_flowing"),
        F.lit(None).cast("double").alias("lapsed_day"),
        F.lit(None).cast("double").alias("discount_stopped_day"),
        F.lit(None).cast("string").alias("lapse_cause"),
        F.lit(0.0).alias("lapse_rate_per_day"),
        F.lit(usual).alias("return_rate"),
    )


def heavy_orders(settings: SampleSettings) -> int:
    """Give how many orders the heavy customer places."""
    return math.ceil(heavy_lines(settings) / HEAVY_LINES_PER_ORDER)


def customer_id(number: Column) -> Column:
    """Give a customer's id."""
    return F.concat(F.lit("C"), F.lpad(number.cast("string"), 9, "0"))


def truth(spark: SparkSession, settings: SampleSettings, *, partitions: int) -> DataFrame:
    """Give what is true of each customer, a row each, those without an order included.

    Columns: customer_id; rhythm (regular, irregular, heavy); gap_shape (null: heavy);
    mean_gap_days; joined_at (null: was there before the first day); lapsed_at (null: never; may lie
    after the last day); lapse_rate_per_day, as it was at last; lapse_cause (null: nothing raised
    the rate); discount_stopped_at (null: does not stop); taste_group; preferred_departments;
    mean_lines_per_order; mean_order_value, of what is paid with discounts as long as there are any,
    in currency units; return_rate, the chance that a line is returned.
    """
    customers = ordinary_customers(spark, settings, partitions=partitions)
    everyone = customers.unionByName(heavy_customer(spark, settings))
    priced = everyone.join(F.broadcast(products.mean_prices(spark, settings)), "taste_group")
    group = F.col("taste_group")
    mean_price = products.mean_price_of_customer(settings, F.col("customer"), group)
    paid = mean_price / (1 - MORE_ITEMS) * (1 - DISCOUNT_SHARE * DISCOUNT_RATE)
    return priced.select(
        customer_id(F.col("customer")).alias("customer_id"),
        "rhythm",
        "gap_shape",
        "mean_gap_days",
        instant(F.col("joined_day")).alias("joined_at"),
        instant(F.col("lapsed_day")).alias("lapsed_at"),
        "lapse_rate_per_day",
        "lapse_cause",
        instant(F.col("discount_stopped_day")).alias("discount_stopped_at"),
        "taste_group",
        products.preferred_departments(group).alias("preferred_departments"),
        "mean_lines_per_order",
        (F.col("mean_lines_per_order") * paid).alias("mean_order_value"),
        "return_rate",
    )
