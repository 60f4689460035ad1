"""What an order of a customer holds, on average."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Family, Feature, money, of_counted
from crm_spark.features.lines import ITEM_FRACTIONS

FEATURES = (
    Feature("items_per_order", "items bought / n_orders", "items"),
    Feature("lines_per_order", "lines bought / n_orders", "lines"),
    Feature(
        "products_per_order",
        "mean of distinct products, over orders with a known one",
        "products",
        "null when no product is known",
    ),
    Feature("spend_per_order", "spend_amount / n_orders", "money"),
)


def _sums() -> Mapping[str, Column]:
    return {
        "_n_lines": of_counted("n_lines"),
        "_items_milli": of_counted("items_milli"),
        "_n_order_products": of_counted("n_products"),
        "_n_product_orders": F.count_if(F.col("is_counted") & F.col("n_products").isNotNull()),
    }


def _derived(horizon_days: int) -> Mapping[str, Column]:
    n_orders = F.col("n_orders").cast(T.DoubleType())
    n_of_products = F.col("_n_product_orders").cast(T.DoubleType())
    return {
        "items_per_order": F.col("_items_milli") / float(ITEM_FRACTIONS) / n_orders,
        "lines_per_order": F.col("_n_lines") / n_orders,
        "products_per_order": F.when(n_of_products > 0, F.col("_n_order_products") / n_of_products),
        "spend_per_order": money(F.col("_spend_amount_minor")) / n_orders,
    }


BASKETS = Family(FEATURES, _sums, _derived)
