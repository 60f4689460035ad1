"""What customers bought of departments, as of a date."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import MINOR_UNITS, is_visible, midnight, minor_units
from crm_spark.features.order_parts import lines_of_orders


def customer_departments(
    lines: DataFrame, departments: DataFrame, *, day: date, reused: DataFrame | None = None
) -> DataFrame:
    """Give recency, frequency and monetary value of each customer in each department.

    Grain: customer_id, department, as_of_date. Reads core.transactions (lines that are no returns,
    as they were known before the midnight of `day`) and `departments` (product_id, department, as
    of the day); products of no known department are left out. Gives the columns of
    features.customer_departments but for provenance. RFM as in Hughes (1994), per department.
    `reused` are the order numbers that may have several orders.
    """
    numbered = lines_of_orders(lines, reused, dates=[day])
    bought = numbered.where(~F.col("is_return") & is_visible(midnight(F.lit(day))))
    named = (
        bought.join(departments.where(F.col("department").isNotNull()), "product_id")
        .select(
            "customer_id",
            "department",
            "order_id",
            "product_id",
            F.col("ordered_at").alias("_at"),
            minor_units(F.col("amount")).alias("_minor"),
        )
        .repartition("customer_id")  # what is grouped from here on lies together
    )
    # An order counts once for a department, a product once: two grains instead of two distincts.
    of_orders = named.groupBy("customer_id", "department", "order_id").agg(
        F.max("_at").alias("_at"), F.sum("_minor").alias("_minor")
    )
    of_products = named.groupBy("customer_id", "department", "product_id").agg(F.lit(1))
    n_products = of_products.groupBy("customer_id", "department").agg(
        F.count(F.lit(1)).alias("n_products")
    )
    summed = of_orders.groupBy("customer_id", "department").agg(
        F.max("_at").alias("_at"), F.count(F.lit(1)).alias("n_orders"), F.sum("_minor").alias("_m")
    )
    total = F.sum("_m").over(Window.partitionBy("customer_id"))
    silence = F.datediff(F.lit(day), F.to_date("_at")) - 1
    return summed.join(n_products, ["customer_id", "department"]).select(
        "customer_id",
        "department",
        F.lit(day).alias("as_of_date"),
        silence.cast(T.LongType()).alias("days_since_last_order"),
        "n_orders",
        "n_products",
        (F.col("_m") / float(MINOR_UNITS)).alias("spend_amount"),
        F.when(total > 0, F.col("_m") / total.cast(T.DoubleType())).alias("spend_share"),
    )
