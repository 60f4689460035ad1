"""On which days each customer ordered, as it was known on each of several dates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.orders import (
    STANDS_AFTER,
    STANDS_UNTIL,
    count_changes,
    orders_known,
)

Ints = NDArray[np.int64]
EVENTS = "events"

# An event is one number: the day since 1970 and the moments it is known on, so that events sort by
# day.
_MOMENTS = 2**15
# So far before 1970 days reach, as numbers that are not below 0.
_FIRST_DAY = 2**19


def order_days(orders: DataFrame, lines: DataFrame, moments: Sequence[date]) -> DataFrame:
    """Give the days of each customer's counted orders, as they were known before each moment.

    Grain: customer_id. Reads features.customer_orders and core.transactions. Adds `events`, sorted
    numbers that unpacked() parts again. `moments` are in order; an order that was cancelled later
    counts on those before.
    """
    assert len(moments) < _MOMENTS, "the section allows fewer cut-offs"
    known = orders_known(
        orders, lines, dates=moments, changes=count_changes(orders, dates=moments)
    ).where("is_counted")
    n = len(moments)
    stood_to = F.when(F.col(STANDS_UNTIL).isNull(), n).otherwise(_begun(STANDS_UNTIL, moments))
    days = known.select(
        "customer_id",
        (F.unix_date("order_date") + _FIRST_DAY).cast(T.LongType()).alias("_day"),
        _begun(STANDS_AFTER, moments).alias("_from"),
        stood_to.alias("_to"),
    ).where("_from < _to")
    event = (F.col("_day") * _MOMENTS + F.col("_from")) * _MOMENTS + F.col("_to")
    return days.groupBy("customer_id").agg(F.sort_array(F.collect_set(event)).alias(EVENTS))


def _begun(day: str, moments: Sequence[date]) -> Column:
    """Give how many moments are no later than a day."""
    total = F.lit(0)
    for moment in moments:
        total = total + F.when(F.lit(moment) <= F.col(day), 1).otherwise(0)
    return total.cast(T.LongType())


def count_customers(rows: DataFrame, moments: Sequence[date], day: date) -> int:
    """Give how many customers of order_days() had ordered before one of the moments."""
    place = moments.index(day)

    def was_before(event: Column) -> Column:
        known_to = event % _MOMENTS
        known_from = F.floor(event / _MOMENTS) % _MOMENTS
        number = F.floor(event / _MOMENTS**2) - _FIRST_DAY
        is_known = (known_from <= place) & (known_to > place)
        return is_known & (number < F.unix_date(F.lit(day)))

    return rows.where(F.exists(EVENTS, was_before)).count()


def unpacked(events: Ints) -> tuple[Ints, Ints, Ints]:
    """Give the day since 1970, and the places of the moments it is known from and no longer at."""
    rest, known_to = np.divmod(events, _MOMENTS)
    day, known_from = np.divmod(rest, _MOMENTS)
    return day - _FIRST_DAY, known_from, known_to
