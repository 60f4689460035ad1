"""Amounts of orders that stand out among those of their customer."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Family, Feature, money
from crm_spark.features.order_histories import middle, unpacked

# The modified z-score of Iglewicz and Hoaglin (1993) and its limit; fewer amounts tell no outlier.
Z_SCALE, MOST_Z, LEAST_FOR_Z = 0.6745, 3.5, 5

_AMOUNTS = "amounts above 0 of orders"
_FENCE = f"exp(median + {MOST_Z} MAD / {Z_SCALE}) of the logarithms"

FEATURES = (
    Feature("median_order_amount", f"median of {_AMOUNTS}", "money", "null without any"),
    Feature(
        "unusual_orders_share",
        f"of {_AMOUNTS}: share whose modified z, "
        f"{Z_SCALE} (ln amount - median) / MAD, lies outside -{MOST_Z} to {MOST_Z} "
        "(Iglewicz and Hoaglin 1993)",
        "share",
        f"null with fewer than {LEAST_FOR_Z}, or when half of them are equal",
    ),
    Feature(
        "capped_spend_amount",
        f"sum of {_AMOUNTS}, each counted up to {_FENCE} (in "
        "minor units, rounded); whole where unusual_orders_share is null",
        "money",
        "null without any",
    ),
)


def _derived(horizon_days: int) -> Mapping[str, Column]:
    n = F.size("_amounts")
    fence = F.when(n >= LEAST_FOR_Z, F.col("_log_spread") * (MOST_Z / Z_SCALE))
    n_outside = F.size(F.filter(unpacked("_log_distances"), lambda distance: distance > fence))
    most = F.round(F.exp(F.col("_log_centre") + fence)).cast(T.LongType())
    zero = F.lit(0).cast(T.LongType())
    capped = F.aggregate(
        unpacked("_amounts"), zero, lambda subtotal, amount: subtotal + F.least(amount, most)
    )
    return {
        "median_order_amount": money(middle("_amounts")),
        "unusual_orders_share": F.when(fence.isNotNull(), n_outside / n.cast(T.DoubleType())),
        "capped_spend_amount": F.when(n > 0, money(capped)),
    }


UNUSUAL = Family(FEATURES, derived=_derived)
