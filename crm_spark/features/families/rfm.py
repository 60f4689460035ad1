"""How often, how lately and for how much a customer buys, and what came back."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Family, Feature, count_feature, money, of_counted

FEATURES = (
    count_feature("n_orders", "orders", "orders"),
    count_feature("n_order_days", "distinct order days", "days"),
    Feature("spend_amount", "sum of amounts bought in orders", "money"),
    Feature("returned_amount", "sum of absolute amounts of returned lines", "money"),
    Feature(
        "net_spend_amount",
        "sum of amounts bought in orders and not taken back before D: "
        "a return takes back the newest purchase of its customer and product",
        "money",
    ),
    Feature(
        "orphan_returned_amount",
        "the part of returned_amount that no purchase before the return explains",
        "money",
    ),
    Feature(
        "returned_share",
        "(returned_amount - orphan_returned_amount) / amounts bought, "
        "orders taken back as a whole included",
        "share",
        "null when nothing was paid",
    ),
    count_feature("days_since_last_order", "silence; 0: ordered on the day before D", "days"),
    count_feature("tenure_days", "age of the first order", "days"),
)


def _sums() -> Mapping[str, Column]:
    return {
        "n_orders": F.count_if("is_counted"),
        "_spend_amount_minor": of_counted("spend_amount_minor"),
        "_kept_amount_minor": of_counted("kept_amount_minor"),
        # Of all orders: what came back of those that are nothing but a return counts, too.
        "_bought_amount_minor": F.sum("spend_amount_minor"),
        "_returned_amount_minor": F.sum("returned_amount_minor"),
        "_orphan_returned_amount_minor": F.sum("orphan_returned_amount_minor"),
    }


def _derived(horizon_days: int) -> Mapping[str, Column]:
    orphan = F.col("_orphan_returned_amount_minor")
    bought = F.nullif(F.col("_bought_amount_minor"), F.lit(0)).cast(T.DoubleType())
    silence = F.datediff("as_of_date", F.element_at("_days", -1)) - 1
    return {
        "n_order_days": F.size("_days").cast(T.LongType()),
        "spend_amount": money(F.col("_spend_amount_minor")),
        "returned_amount": money(F.col("_returned_amount_minor")),
        "net_spend_amount": money(F.col("_kept_amount_minor")),
        "orphan_returned_amount": money(orphan),
        "returned_share": (F.col("_returned_amount_minor") - orphan) / bought,
        "days_since_last_order": silence.cast(T.LongType()),
        "tenure_days": F.datediff("as_of_date", F.get("_days", F.lit(0))).cast(T.LongType()),
    }


RFM = Family(FEATURES, _sums, _derived)
