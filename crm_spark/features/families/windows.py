"""Orders, order days, spend and items of the last days, weeks and months."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import (
    Family,
    Feature,
    count_feature,
    money,
    within,
)
from crm_spark.features.lines import ITEM_FRACTIONS
from crm_spark.features.order_histories import unpacked
from crm_spark.words import counted

WINDOW_DAYS = (7, 14, 28, 56, 84, 180, 365)


def _features() -> list[Feature]:
    features: list[Feature] = []
    for days in WINDOW_DAYS:
        window = f"in the last {counted(days, 'day')}"
        features += [
            count_feature(f"n_orders_{days}d", f"orders {window}", "orders"),
            count_feature(f"n_order_days_{days}d", f"distinct order days {window}", "days"),
            Feature(f"spend_amount_{days}d", f"spend of orders {window}", "money"),
            Feature(f"n_items_{days}d", f"items bought in orders {window}", "items"),
        ]
    return features


def _sums() -> Mapping[str, Column]:
    sums: dict[str, Column] = {}
    for days in WINDOW_DAYS:
        sums[f"n_orders_{days}d"] = within(days, F.lit(1))
        sums[f"spend_amount_{days}d"] = money(within(days, F.col("spend_amount_minor")))
        items = within(days, F.col("items_milli"))
        sums[f"n_items_{days}d"] = items / float(ITEM_FRACTIONS)
    return sums


def _derived(horizon_days: int) -> Mapping[str, Column]:
    # From the longest window down: each looks at the days of the one before only.
    found, recent = {}, unpacked("_days")
    for days in reversed(WINDOW_DAYS):
        recent = _from(recent, F.date_sub("as_of_date", days))
        found[f"n_order_days_{days}d"] = F.size(recent).cast(T.LongType())
    return found


def _from(days: Column, first: Column) -> Column:
    return F.filter(days, lambda day: day >= first)


WINDOWS = Family(tuple(_features()), _sums, _derived)
