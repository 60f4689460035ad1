"""Small aggregates of the orders and of what was rejected, for the verdict on the data."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import MINOR_UNITS

# How a reason of rejection begins, as ingest_sources words it.
MISSING_CUSTOMER = "customer_id is missing"


def orders_per_day(orders: DataFrame) -> DataFrame:
    """Give the orders of each local day that has any.

    Grain: order_date. Reads orders as of one date (orders_as_of); orders of returns alone do not
    count. Adds n_orders.
    """
    counted = orders.where("is_counted")
    return counted.groupBy("order_date").agg(F.count(F.lit(1)).alias("n_orders"))


def customer_shares(orders: DataFrame) -> DataFrame:
    """Give, in one row, n_customers, n_lines, and the lines of the customer with the most.

    Reads orders as of one date (orders_as_of); returned lines do not count. Zeros without orders.
    """
    by_customer = (
        orders.where("is_counted").groupBy("customer_id").agg(F.sum("n_lines").alias("n_lines"))
    )
    return by_customer.agg(
        F.count(F.lit(1)).alias("n_customers"),
        F.coalesce(F.sum("n_lines"), F.lit(0)).alias("n_lines"),
        F.coalesce(F.max("n_lines"), F.lit(0)).alias("n_lines_of_biggest"),
    )


def rejected_by_kind(rejected: DataFrame) -> DataFrame:
    """Give, in one row, how many rejected rows name no customer, and how many have another fault.

    Reads core.transactions_rejected; adds n_without_customer, n_rejected (any other reason; a row
    may count as both) and n_lost_files, whose rows were never read. Zeros without rows.
    """
    is_file = F.col("row").isNull()
    is_without_customer = F.exists("reasons", lambda reason: reason.startswith(MISSING_CUSTOMER))
    has_other = F.exists("reasons", lambda reason: ~reason.startswith(MISSING_CUSTOMER))
    return rejected.agg(
        F.count_if(is_without_customer).alias("n_without_customer"),
        F.count_if(has_other & ~is_file).alias("n_rejected"),
        F.count_if(is_file).alias("n_lost_files"),
    )


def unusual_prices(prices: DataFrame) -> DataFrame:
    """Give, in one row, what was sold and how much of it at unusual prices, in minor units.

    Reads features.product_prices of one date; gives sold_minor, unusual_minor, n_unusual_lines and
    n_unusual_products. Zeros without rows.
    """

    def total(value: Column) -> Column:
        return F.coalesce(F.sum(value.cast(T.LongType())), F.lit(0).cast(T.LongType()))

    return prices.agg(
        total(F.round(F.col("sold_amount") * MINOR_UNITS)).alias("sold_minor"),
        total(F.round(F.col("unusual_amount") * MINOR_UNITS)).alias("unusual_minor"),
        total(F.col("n_unusual_lines")).alias("n_unusual_lines"),
        F.count_if(F.col("n_unusual_lines") > 0).alias("n_unusual_products"),
    )


def customers_by_class(labelled: DataFrame, *, label: str, test: date) -> DataFrame:
    """Give how many different customers have each label: n_customers, and n_at_test at `test`.

    Grain: the label. Reads customer_id, as_of_date and the label.
    """
    return labelled.groupBy(label).agg(
        F.countDistinct("customer_id").alias("n_customers"),
        F.count_if(F.col("as_of_date") == F.lit(test)).alias("n_at_test"),
    )
