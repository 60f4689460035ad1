"""What a family of features is: its features, the sums they need, and how they come of them.

Notation: D is the as-of date. An *order* is one that counts (it has a line that is no
return, and was not taken back as a whole before D) and was known before D. Its *day* is the local
date of its first line, its *age* is D minus that day in days, so 1 means yesterday. A window of w
days holds ages 1 to w. *Silence* is the age of the newest order minus 1. *Gaps* are the days
between neighbouring distinct order days. h is the churn horizon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import MINOR_UNITS

Unit = Literal[
    "orders",
    "days",
    "items",
    "lines",
    "products",
    "departments",
    "money",
    "share",
    "ratio",
    "-1 to 1",
    "nats",
    "channels",
    "visits",
    "seconds",
    "contacts",
    "feedback",
    "complaints",
    "score",
]

NEVER_NULL = "never null"


@dataclass(frozen=True)
class Feature:
    """One feature of features.customer_snapshot.

    `fill` is what models put in place of a null; it lies outside the feature's range, so that trees
    can tell "unknown" from any value. `of_none` is what a customer has who has no row in the
    family's table, where that table is there.
    """

    name: str
    formula: str
    unit: Unit | str  # families of users may measure in others
    null_rule: str = NEVER_NULL
    is_count: bool = False
    fill: float = -1.0
    of_none: int | None = None

    @property
    def type(self) -> T.DataType:
        """The type of its column."""
        return T.LongType() if self.is_count else T.DoubleType()


def count_feature(
    name: str,
    formula: str,
    unit: Unit | str,
    null_rule: str = NEVER_NULL,
    *,
    of_none: int | None = None,
) -> Feature:
    """Give a feature that is a whole number."""
    return Feature(name, formula, unit, null_rule, is_count=True, of_none=of_none)


@dataclass(frozen=True)
class Inputs:
    """What tables of families are made of: core tables, and orders as of the dates.

    None: the source is not mapped. `departments` has product_id, department and as_of_date.
    """

    dates: tuple[date, ...]
    orders: DataFrame
    lines: DataFrame
    departments: DataFrame | None = None
    events: DataFrame | None = None
    feedback: DataFrame | None = None
    contacts: DataFrame | None = None
    with_channels: bool = False


TableOf = Callable[[Inputs], DataFrame | None]


@dataclass(frozen=True)
class Family:
    """Features that belong together; the engine refuses one that nothing computes.

    `sums` are aggregates, by name, over the orders of a customer as of a date: rows of
    orders_as_of(). `derived` are columns made of all families' sums, of the columns of
    order_histories.py, and of what families before this one derived; it gets h. `table` gives
    features by customer_id and as_of_date that come of other grains; families may share one.
    """

    features: tuple[Feature, ...]
    sums: Callable[[], Mapping[str, Column]] = dict
    derived: Callable[[int], Mapping[str, Column]] = lambda horizon_days: {}
    table: TableOf | None = None


def money(minor: Column) -> Column:
    """Turn minor units into currency units."""
    return minor / F.lit(float(MINOR_UNITS))


def age() -> Column:
    """Days from an order's day to the as-of date: 1 is the day before it."""
    return F.datediff("as_of_date", "order_date")


def within(days: int, value: Column) -> Column:
    """Sum a value of counted orders over the last so many days; a null counts as 0."""
    is_in = F.col("is_counted") & (age() <= days)
    return F.sum(F.when(is_in, F.coalesce(value, F.lit(0))).otherwise(F.lit(0).cast("bigint")))


def of_counted(name: str) -> Column:
    """Sum a column over counted orders; null where all of them are."""
    return F.sum(F.when(F.col("is_counted"), F.col(name)))
