"""The last weeks beside as many before them."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Family, Feature, within

TREND_DAYS = (28, 84)


def _features() -> list[Feature]:
    features: list[Feature] = []
    for days in TREND_DAYS:
        formula = f"(last - before) / (last + before), last: {{}} of ages 1 to {days}, " + (
            f"before: of ages {days + 1} to {2 * days}"
        )
        both_zero = "null when last + before is 0"
        features += [
            Feature(
                f"n_orders_trend_{days}d", formula.format("orders"), "-1 to 1", both_zero, fill=-2.0
            ),
            Feature(
                f"spend_trend_{days}d", formula.format("spend"), "-1 to 1", both_zero, fill=-2.0
            ),
        ]
    return features


def _sums() -> Mapping[str, Column]:
    values = {"n_orders": F.lit(1), "spend": F.col("spend_amount_minor")}
    return {
        f"_{name}_{span}d": within(span, value)
        for days in TREND_DAYS
        for span in (days, 2 * days)
        for name, value in values.items()
    }


def _derived(horizon_days: int) -> Mapping[str, Column]:
    features = {}
    for days in TREND_DAYS:
        for name in ("n_orders", "spend"):
            last, both = F.col(f"_{name}_{days}d"), F.col(f"_{name}_{2 * days}d")
            share = (last - (both - last)) / F.nullif(both, F.lit(0)).cast(T.DoubleType())
            features[f"{name}_trend_{days}d"] = share
    return features


TRENDS = Family(tuple(_features()), _sums, _derived)
