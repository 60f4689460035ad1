"""On which days of the week and at which hours a customer orders."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Family, Feature

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Part of the day -> first hour and hour after the last, on the local clock.
DAY_PARTS = {"night": (0, 6), "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}

FEATURES = (
    *[
        Feature(
            f"{day}_orders_share", f"share of orders whose day is a {day.capitalize()}", "share"
        )
        for day in WEEKDAYS
    ],
    *[
        Feature(
            f"{part}_orders_share", f"share of orders from {start}:00 to before {end}:00", "share"
        )
        for part, (start, end) in DAY_PARTS.items()
    ],
)


def _sums() -> Mapping[str, Column]:
    is_counted, hour = F.col("is_counted"), F.col("order_hour")
    on_days = {
        f"_{day}_orders": F.count_if(is_counted & (F.weekday("order_date") == index))
        for index, day in enumerate(WEEKDAYS)
    }
    in_parts = {
        f"_{part}_orders": F.count_if(is_counted & (hour >= start) & (hour < end))
        for part, (start, end) in DAY_PARTS.items()
    }
    return on_days | in_parts


def _derived(horizon_days: int) -> Mapping[str, Column]:
    n_orders = F.col("n_orders").cast(T.DoubleType())
    return {
        f"{name}_orders_share": F.col(f"_{name}_orders") / n_orders
        for name in (*WEEKDAYS, *DAY_PARTS)
    }


CALENDAR = Family(FEATURES, _sums, _derived)
