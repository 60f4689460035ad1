"""Who bought what on which days, as it was known on each of several dates, and what came after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import day_begun, first_midnight_after, known_at
from crm_spark.lake.driver_rows import small_frame
from crm_spark.models.propensity.targets import (
    DEPARTMENT,
    LEVELS,
    PRODUCT,
    Target,
    Targets,
    target_id,
)

Ints = NDArray[np.int64]
ANYTHING = "any"

_KNOWN_FROM, _KNOWN_TO, _DAY = "_known_from", "_known_to", "_day"
# Whether a customer had bought anything before a date, by its place.
_IS_KNOWN = "is_known"
EVENTS = "events"

# An event is one number: place of the target, day since 1970, and the moments it is known on, so
# that events sort by target and day.
_DAYS, _MOMENTS = 2**20, 2**6
# So far before 1970 days reach, as numbers that are not below 0.
_FIRST_DAY = 2**19


def bought_lines(
    lines: DataFrame, departments: DataFrame | None, moments: Sequence[date]
) -> DataFrame:
    """Give what was bought: customer_id, product_id, department, its day and when it was known.

    Reads core.transactions (lines that are no returns: what is taken back was bought all the same)
    and `departments` (product_id, department, those of the newest moment: what a product belongs to
    now it belonged to always; None: there are none). `moments` are in order; a row counts on those
    from the one by number _known_from on, up to the one before _known_to.
    """
    found = (
        lines.where(~F.col("is_return"))
        .select(
            "customer_id",
            "product_id",
            day_begun(F.col("ordered_at")).alias(_DAY),
            first_midnight_after(known_at(), moments).alias(_KNOWN_FROM),
            F.when(F.col("superseded_at").isNull(), len(moments))
            .otherwise(first_midnight_after(F.col("superseded_at"), moments))
            .alias(_KNOWN_TO),
        )
        .where(F.col(_KNOWN_FROM) < F.col(_KNOWN_TO))
    )
    if departments is None:
        return found.withColumn(DEPARTMENT, F.lit(None).cast("string"))
    known = departments.where(F.col(DEPARTMENT).isNotNull()).select("product_id", DEPARTMENT)
    return found.join(known, "product_id", "left")


def chosen_targets(
    bought: DataFrame,
    moments: Sequence[date],
    *,
    dates: Sequence[date],
    horizon_days: int,
    most: Mapping[str, int],
    fewest_buyers: int,
) -> dict[date, Targets]:
    """Give of each date the targets that most customers bought in the horizon before it.

    Reads bought_lines(). `most` is the number by level. What a date chooses does not depend on the
    others; ties fall by target_id.
    """
    days = sorted(dates)
    flags = [f"_bought_{place}" for place in range(len(days))]
    bought_then = [
        _is_known(moments.index(day))
        & (F.col(_DAY) < F.lit(day))
        & (F.col(_DAY) >= F.date_sub(F.lit(day), horizon_days))
        for day in days
    ]
    of_products = (
        bought.select(
            "customer_id",
            "product_id",
            DEPARTMENT,
            *[condition.alias(flag) for condition, flag in zip(bought_then, flags, strict=True)],
        )
        .where(reduce(or_, map(F.col, flags)))
        .groupBy("customer_id", "product_id", DEPARTMENT)
        .agg(*[F.bool_or(flag).alias(flag) for flag in flags])
    )
    of_departments = of_products.groupBy("customer_id", DEPARTMENT).agg(
        *[F.bool_or(flag).alias(flag) for flag in flags]
    )
    # A row a customer and thing: counting rows counts buyers.
    counts = [F.count_if(flag).alias(flag) for flag in flags]
    of_levels = {DEPARTMENT: of_departments, PRODUCT: of_products}
    by_level = [
        of_levels[level]
        .where(_id_of(level).isNotNull())
        .groupBy(_id_of(level).alias("id"))
        .agg(*counts)
        .withColumn("level", F.lit(level))
        for level in LEVELS
        if most[level]
    ]
    if not by_level:
        return {day: Targets() for day in dates}
    buyers = (
        reduce(DataFrame.union, by_level)
        .select(
            "level",
            "id",
            F.posexplode(F.array(*flags)).alias("_date", "n_buyers"),
        )
        .where(F.col("n_buyers") >= fewest_buyers)
    )
    place = F.row_number().over(
        Window.partitionBy("_date", "level").orderBy(F.desc("n_buyers"), "id")
    )
    room = F.when(F.col("level") == DEPARTMENT, most[DEPARTMENT]).otherwise(most[PRODUCT])
    first = buyers.withColumn("_place", place).where(F.col("_place") <= room)
    rows = first.orderBy("_date", "level", "_place").collect()  # bounded by `most` and dates
    return {
        day: Targets(
            tuple(
                Target(row["level"], row["id"], row["n_buyers"])
                for row in rows
                if row["_date"] == place
            )
        )
        for place, day in enumerate(days)
    }


def purchase_histories(
    bought: DataFrame,
    moments: Sequence[date],
    targets: Mapping[date, Targets],
) -> DataFrame:
    """Give all purchase days of each customer, of anything and of the targets of any date.

    Grain: customer_id. Reads bought_lines(). Adds `events`, sorted numbers that unpacked() parts
    again, and is_known_<n>, whether anything had been bought before the date by that place in
    `targets`.
    """
    assert len(moments) < _MOMENTS, "the section allows fewer cut-offs"
    ids = small_frame(
        bought.sparkSession,
        "_key string, _place long",
        [(one, place) for place, one in enumerate([ANYTHING, *all_ids(targets)])],
    )
    keys = F.array(F.lit(ANYTHING), *[_target_id(level) for level in (DEPARTMENT, PRODUCT)])
    known = [_is_known(moments.index(day)) & (F.col(_DAY) < F.lit(day)) for day in sorted(targets)]
    events = bought.select(
        "customer_id",
        F.explode(keys).alias("_key"),
        (F.unix_date(_DAY) + _FIRST_DAY).cast(T.LongType()).alias("_number"),
        _KNOWN_FROM,
        _KNOWN_TO,
        *[condition.alias(f"{_IS_KNOWN}_{place}") for place, condition in enumerate(known)],
    ).join(F.broadcast(ids), "_key")
    event = F.lit(0).cast(T.LongType())
    for part, size in (
        (F.col("_place"), 1),
        (F.col("_number"), _DAYS),
        (F.col(_KNOWN_FROM), _MOMENTS),
        (F.col(_KNOWN_TO), _MOMENTS),
    ):
        event = event * size + part
    return events.groupBy("customer_id").agg(
        F.sort_array(F.collect_set(event)).alias(EVENTS),
        *[F.bool_or(name).alias(name) for name in map(is_known_on, range(len(known)))],
    )


def is_known_on(place: int) -> str:
    """Give the column that says whether a customer had bought anything before a date."""
    return f"{_IS_KNOWN}_{place}"


def all_ids(targets: Mapping[date, Targets]) -> list[str]:
    """Give the ids of the targets of all dates."""
    return sorted({one.target_id for of in targets.values() for one in of})


def unpacked(events: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Give place (0: anything, else one more than in all_ids()), day, known from and known to."""
    rest, known_to = np.divmod(events, _MOMENTS)
    rest, known_from = np.divmod(rest, _MOMENTS)
    place, day = np.divmod(rest, _DAYS)
    return place, day - _FIRST_DAY, known_from, known_to


def _is_known(place: int) -> Column:
    return (F.col(_KNOWN_FROM) <= place) & (F.col(_KNOWN_TO) > place)


def _id_of(level: str) -> Column:
    return F.col("product_id") if level == PRODUCT else F.col(DEPARTMENT)


def _target_id(level: str) -> Column:
    """Give the target_id of a line; null where the line has no such thing."""
    return F.concat(F.lit(target_id(level, "")), _id_of(level))
