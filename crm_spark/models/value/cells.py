"""Customers with one and the same history, counted: what a likelihood is a sum over.

There are as many of them as histories differ, and at most so many: beyond that, histories near each
other are put together, each cell standing at the mean of its customers.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from pyspark.sql import Column, DataFrame, GroupedData
from pyspark.sql import functions as F

from crm_spark.models.purchases import Histories
from crm_spark.models.value.histories import (
    DAYS_A_WEEK,
    LOG_GAPS,
    REPEAT_AMOUNT,
    REPEATS,
    SPAN,
    TENURE,
)
from crm_spark.models.value.spend import Amounts

# The most cells that a likelihood is summed over, in the driver.
MOST_CELLS = 50_000
# From so many order days on they are told apart by steps of a twentieth.
EXACT_DAYS, STEPS = 64, 20
# Mean amounts are told apart by steps of a hundredth of their own.
AMOUNT_STEP = 0.01
# Sums of whole parts of so many are the same in whatever order they are taken.
PARTS = 1_000_000_000


def history_cells(histories: DataFrame, day: date, *, most: int = MOST_CELLS) -> Histories:
    """Give the distinct histories of a cut-off, in weeks, with the number of their customers.

    Where more than `most` differ, times within 2, 4, 8, ... days of each other are one.
    """
    of_day = histories.where(F.col("as_of_date") == F.lit(day))
    exact = (
        of_day.groupBy(REPEATS, SPAN, TENURE)
        .agg(F.count(F.lit(1)).alias("n"), _in_parts(F.col(LOG_GAPS)).alias("gaps"))
        .persist()
    )
    try:
        width = 1
        while _grouped(exact, width).agg(F.sum("n")).count() > most:
            width *= 2
        total = F.sum("n")
        rows = _grouped(exact, width).agg(
            (F.sum(F.col(REPEATS) * F.col("n")) / total).alias("x"),
            (F.sum(F.col(SPAN) * F.col("n")) / total / DAYS_A_WEEK).alias("t_x"),
            (F.sum(F.col(TENURE) * F.col("n")) / total / DAYS_A_WEEK).alias("T"),
            total.alias("customers"),
            F.sum("gaps").alias("gaps"),
        )
        found = rows.orderBy("x", "t_x", "T").toPandas()  # at most `most` rows
    finally:
        exact.unpersist()
    orders = float((found["x"] * found["customers"]).sum())
    gaps = int(found["gaps"].sum()) / PARTS - orders * float(np.log(DAYS_A_WEEK))
    return Histories.of(found["x"], found["t_x"], found["T"], found["customers"], gaps)


def _grouped(exact: DataFrame, width: int) -> GroupedData:
    return exact.groupBy(
        _order_days(width > 1),
        F.floor(F.col(SPAN) / width).alias("_span"),
        F.floor(F.col(TENURE) / width).alias("_tenure"),
    )


def _in_parts(value: Column) -> Column:
    """Give the exact sum of a value, in whole parts."""
    return F.sum(F.round(value * PARTS).cast("decimal(38, 0)"))


def _order_days(is_coarse: bool) -> Column:
    x = F.col(REPEATS)
    step = F.floor(F.log(x.cast("double")) * STEPS) + 1_000_000
    return (F.when(x > EXACT_DAYS, step).otherwise(x) if is_coarse else x).alias("_x")


def amount_cells(histories: DataFrame, day: date) -> Amounts:
    """Give the distinct (repeat days, mean amount of one) of a cut-off, with their customers.

    Of customers with repeat days and an amount above zero on them. Amounts within a hundredth are
    one, told by their mean and their mean logarithm: the likelihood is then wrong by a relative
    1e-5 at most in one of its terms.
    """
    mean = F.col(REPEAT_AMOUNT) / F.col(REPEATS)
    step, n = F.floor(F.log(mean) / AMOUNT_STEP), F.count(F.lit(1))
    rows = (
        histories.where(F.col("as_of_date") == F.lit(day))
        .where((F.col(REPEATS) > 0) & (F.col(REPEAT_AMOUNT) > 0))
        .groupBy(_order_days(True), step.alias("_step"))
        .agg(
            (F.sum(REPEATS) / n).alias("x"),
            (_in_parts(mean).cast("double") / n / PARTS).alias("mean"),
            (_in_parts(F.log(mean)).cast("double") / n / PARTS).alias("log_mean"),
            n.alias("n"),
        )
    )
    found = rows.orderBy("x", "mean", "log_mean").toPandas()  # steps of amounts times order days
    columns = [found[name].to_numpy(float) for name in ("x", "mean", "n", "log_mean")]
    return Amounts(*columns)
