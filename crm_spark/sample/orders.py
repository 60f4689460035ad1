"""Orders: when each customer orders, and how many lines an order has."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from crm_spark.sample.customers import heavy_customer, heavy_orders, ordinary_customers
from crm_spark.sample.draws import by_value, erlang, geometric, uniform
from crm_spark.sample.expected import heavy_lines
from crm_spark.sample.rhythm import calendar_time, flowing_time, instant
from crm_spark.sample.settings import GAP_SHAPES, HEAVY_LINES_PER_ORDER, SampleSettings

# What the lines need of an order's customer.
_OF_CUSTOMER = ("customer", "taste_group", "discount_stopped_day", "return_rate")


def ordinary_lines(spark: SparkSession, settings: SampleSettings, *, partitions: int) -> DataFrame:
    """Give the lines of all customers but the heavy one, without what is on them.

    Columns: customer, taste_group, discount_stopped_day, return_rate, order (bigint, from 1 on
    within the customer), line (bigint, from 1 on within the order), ordered_day. A renewal process
    in flowing time (Cox 1962), bent to the calendar, within the sample's days and up to the lapse.
    """
    customers = ordinary_customers(spark, settings, partitions=partitions)
    # Few narrow rows are moved here; the window over a customer's orders then moves none, and no
    # customer of these has many.
    placed = customers.repartition(partitions, "customer").transform(_orders, settings)
    kept = placed.where(_is_within(settings) & ~_is_after_lapse())
    n_lines = geometric(
        1 - 1 / F.col("mean_lines_per_order"),
        settings.seed,
        "lines",
        F.col("customer"),
        F.col("order"),
    )
    return kept.select(
        *_OF_CUSTOMER,
        "order",
        F.explode(F.sequence(F.lit(1), n_lines)).alias("line"),
        "ordered_day",
    )


def _orders(customers: DataFrame, settings: SampleSettings) -> DataFrame:
    """Give as many orders as could fit; the last ones mostly lie beyond the lapse or the end."""
    last = F.least(F.col("lapsed_day"), F.lit(float(settings.end_day)))
    # Bending moves a moment by a few days, at most a week.
    days = F.greatest(flowing_time(last + 7) - F.col("first_flowing"), F.lit(0.0))
    n = days / F.col("mean_gap_days")
    # Six deviations more than the mean number, of a Poisson count, are met once in 10^6 to 10^9.
    enough = F.ceil(n + 6 * F.sqrt(n)) + 8
    orders = customers.withColumn("order", F.explode(F.sequence(F.lit(1).cast("long"), enough)))
    in_order = Window.partitionBy("customer").orderBy("order")
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    gap = F.when(F.col("order") == 1, 0.0).otherwise(_gap(settings))
    flowing = F.col("first_flowing") + F.sum("gap").over(so_far)
    return orders.withColumn("gap", gap).withColumn("ordered_day", calendar_time(flowing))


def _gap(settings: SampleSettings) -> Column:
    """Give the days since the order before, in flowing time."""
    ids, mean = (F.col("customer"), F.col("order")), F.col("mean_gap_days")
    gaps = {
        shape: erlang(mean, shape, settings.seed, f"gap {shape}", *ids)
        for shape in GAP_SHAPES.values()
    }
    return by_value(F.col("gap_shape"), gaps)


def _is_after_lapse() -> Column:
    # Instants, since an hour that the clocks skip would put local times in another order.
    return instant(F.col("ordered_day")) > instant(F.col("lapsed_day"))


def _is_within(settings: SampleSettings) -> Column:
    return F.col("ordered_day").between(settings.first_day, settings.end_day - 1e-6)


def heavy_customer_lines(
    spark: SparkSession, settings: SampleSettings, *, partitions: int
) -> DataFrame:
    """Give the heavy customer's lines in the columns of ordinary_lines.

    They come from ranges over all partitions: each order's moment follows from its number alone, a
    uniform one within its even share of the days.
    """
    number = F.col("id")
    order = F.floor(number / HEAVY_LINES_PER_ORDER)
    lines = spark.range(0, heavy_lines(settings), numPartitions=partitions).select(
        (order + 1).alias("order"), (number % HEAVY_LINES_PER_ORDER + 1).alias("line")
    )
    first = flowing_time(F.lit(float(settings.first_day)))
    days = flowing_time(F.lit(float(settings.end_day))) - first
    part = F.col("order") - uniform(settings.seed, "heavy order", F.col("order"))
    flowing = first + part * days / heavy_orders(settings)
    customer = heavy_customer(spark, settings).select(*_OF_CUSTOMER)
    return (
        lines.withColumn("ordered_day", calendar_time(flowing))
        .where(_is_within(settings))
        .crossJoin(F.broadcast(customer))
        .select(*_OF_CUSTOMER, "order", "line", "ordered_day")
    )
