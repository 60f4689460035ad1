"""Orders that count the less the longer ago they are."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.features.decay import DECAY_STEPS, decayed_steps
from crm_spark.features.families.family import Family, Feature, age

HALF_LIFE_DAYS = (7, 21, 60)

FEATURES = tuple(
    Feature(
        f"n_orders_half_life_{days}d",
        f"sum over orders of 0.5 ^ (age / {days}), each term rounded to 9 decimals",
        "orders",
    )
    for days in HALF_LIFE_DAYS
)


def _sums() -> Mapping[str, Column]:
    sums = {}
    for days in HALF_LIFE_DAYS:
        steps = F.when(F.col("is_counted"), decayed_steps(age(), days)).otherwise(F.lit(0))
        sums[f"n_orders_half_life_{days}d"] = F.sum(steps) / float(DECAY_STEPS)
    return sums


DECAYED = Family(FEATURES, _sums)
