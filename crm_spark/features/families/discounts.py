"""What was taken off the prices that a customer paid."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Family, Feature, money, of_counted

_NO_DISCOUNT = "null when no discount of the customer is known"

FEATURES = (
    Feature("discount_amount", "sum of discounts on bought lines", "money", _NO_DISCOUNT),
    Feature(
        "discount_share",
        "discount_amount / (discount_amount + spend_amount)",
        "share",
        _NO_DISCOUNT + ", or the sum is 0",
    ),
    Feature(
        "discounted_orders_share",
        "orders with a discount above 0 / n_orders",
        "share",
        _NO_DISCOUNT,
    ),
)


def _sums() -> Mapping[str, Column]:
    return {
        "_discount_amount_minor": of_counted("discount_amount_minor"),
        "_n_discounted_orders": F.count_if(
            F.col("is_counted") & (F.col("discount_amount_minor") > 0)
        ),
    }


def _derived(horizon_days: int) -> Mapping[str, Column]:
    discount, spend = F.col("_discount_amount_minor"), F.col("_spend_amount_minor")
    share = discount / F.nullif(discount + spend, F.lit(0)).cast(T.DoubleType())
    orders_share = F.col("_n_discounted_orders") / F.col("n_orders").cast(T.DoubleType())
    return {
        "discount_amount": money(discount),
        "discount_share": share,
        "discounted_orders_share": F.when(discount.isNotNull(), orders_share),
    }


DISCOUNTS = Family(FEATURES, _sums, _derived)
