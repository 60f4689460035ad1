"""Customers with one and the same history, counted: what a likelihood is a sum over.

There are as many of them as histories differ, and at most so many: beyond that, histories near each
other are put together, each cell standing at the mean of its customers. What parts them then is
what the likelihood hangs on: of who is lost the order days and the time to the last one, of who is
not the time since, and both by their ratio. Parameters are off by a thousandth with 20 steps of the
logarithm, by half a hundredth with 10 (scripts/prove value).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from pyspark.sql import Column, DataFrame
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
from crm_spark.runtime.progress import log

# The most cells that a likelihood is summed over, in the driver.
MOST_CELLS = 100_000
# From so many order days on they are told apart by so many steps of their logarithm.
EXACT_ORDERS, ORDER_STEPS = 32, 20
# Beyond so many days times are, too, by the first of these that leaves few enough cells.
EXACT_SPAN, EXACT_SILENCE = 28, 14
TIME_STEPS = (80.0, 40.0, 20.0, 10.0, 5.0, 2.5, 1.0)
# The time since the last order may be told apart by as much less.
SILENCE_SHARE = 0.25
# Mean amounts are told apart by steps of a hundredth of their own.
AMOUNT_STEP = 0.01
# Sums of whole parts of so many are the same in whatever order they are taken.
PARTS = 1_000_000_000


def history_cells(
    histories: DataFrame,
    day: date,
    *,
    most: int = MOST_CELLS,
    time_steps: Sequence[float] = TIME_STEPS,
) -> Histories:
    """Give the distinct histories of a cut-off, in weeks, with the number of their customers.

    Where more than `most` differ, those near each other are one, by the first of `time_steps`
    that leaves so few, or the last: see the module.
    """
    of_day = histories.where(F.col("as_of_date") == F.lit(day))
    exact = (
        of_day.groupBy(REPEATS, SPAN, TENURE)
        .agg(F.count(F.lit(1)).alias("n"), _in_parts(F.col(LOG_GAPS)).alias("gaps"))
        .persist()
    )
    try:
        steps = _fine_enough(exact, most, time_steps)
        total = F.sum("n")
        rows = exact.groupBy(*_parted(steps)).agg(
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


def _fine_enough(exact: DataFrame, most: int, time_steps: Sequence[float]) -> float | None:
    """Give the first steps that leave at most so many cells; None: as they are they are few."""
    if exact.count() <= most:
        return None
    *finer, coarsest = time_steps
    cells = (exact.select(*_parted(steps)).distinct() for steps in finer)
    few = (steps for steps, made in zip(finer, cells, strict=True) if made.count() <= most)
    steps = next(few, coarsest)
    log.info("more than %s histories differ: their times are in %g steps of the log", most, steps)
    return steps


def _parted(steps: float | None) -> list[Column]:
    """Give what customers of one cell have in common."""
    x, span = F.col(REPEATS), F.col(SPAN)
    silence = F.col(TENURE) - span
    if steps is not None:
        of_orders = min(ORDER_STEPS, steps)
        # Who ordered once has no other time than the one since.
        of_silence = _in_steps(silence, EXACT_SILENCE, steps * SILENCE_SHARE)
        silence = F.when(x == 0, silence).otherwise(of_silence)
        x, span = _in_steps(x, EXACT_ORDERS, of_orders), _in_steps(span, EXACT_SPAN, steps)
    return [x.alias("_x"), span.alias("_span"), silence.alias("_silence")]


def _in_parts(value: Column) -> Column:
    """Give the exact sum of a value, in whole parts."""
    return F.sum(F.round(value * PARTS).cast("decimal(38, 0)"))


def _in_steps(whole: Column, exact: int, steps: float) -> Column:
    """Give a whole number itself up to `exact`, and the number of its step beyond."""
    step = F.floor(F.log(whole.cast("double")) * steps) + 1_000_000
    return F.when(whole > exact, step).otherwise(whole)


def amount_cells(histories: DataFrame, day: date) -> Amounts:
    """Give the distinct (repeat days, mean amount of one) of a cut-off, with their customers.

    Of customers with repeat days and an amount above zero on them. Amounts within a hundredth are
    one, told by their mean and their mean logarithm: the likelihood is then wrong by a relative
    1e-5 at most in one of its terms.
    """
    mean = F.col(REPEAT_AMOUNT) / F.col(REPEATS)
    step, n = F.floor(F.log(mean) / AMOUNT_STEP), F.count(F.lit(1))
    orders = _in_steps(F.col(REPEATS), EXACT_ORDERS, ORDER_STEPS)
    rows = (
        histories.where(F.col("as_of_date") == F.lit(day))
        .where((F.col(REPEATS) > 0) & (F.col(REPEAT_AMOUNT) > 0))
        .groupBy(orders.alias("_x"), step.alias("_step"))
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
