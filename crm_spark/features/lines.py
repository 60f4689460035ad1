"""Order lines: when they were known, whether they were visible at an instant, their money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

MINOR_UNITS = 100
ITEM_FRACTIONS = 1000


def known_at() -> Column:
    """When a line had both happened and arrived."""
    return F.greatest("ordered_at", "arrived_at")


def is_visible(at: Column) -> Column:
    """Whether a line was known before `at` and not yet superseded then."""
    is_current = F.col("superseded_at").isNull() | (F.col("superseded_at") >= at)
    return (known_at() < at) & is_current


def midnight(day: Column) -> Column:
    """The instant at which a local day begins."""
    return day.cast(T.TimestampType())


def day_begun(at: Column) -> Column:
    """The newest local day that has begun at an instant.

    It is the local date, but for the hour that comes twice where clocks go back over midnight.
    """
    day = F.to_date(at)
    following = F.date_add(day, 1)
    return F.when(at >= midnight(following), following).otherwise(day)


def minor_units(amount: Column) -> Column:
    """Money as a count of minor units: exact in any order of summation."""
    return (amount * MINOR_UNITS).cast(T.LongType())


def first_midnight_after(at: Column, days: Sequence[date]) -> Column:
    """Give the place of the first of some days, in order, whose midnight is later than an instant.

    From it on a line is known that came at the instant; as many as there are days if none is later.
    """
    passed = [F.when(midnight(F.lit(day)) <= at, 1).otherwise(0) for day in days]
    total = passed[0]
    for one in passed[1:]:
        total = total + one
    return total.cast(T.IntegerType())
