"""Powers of a half, as whole multiples of a small step: no order of summation shows."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

DECAY_STEPS = 1_000_000_000


def decayed_steps(age: Column, half_life_days: int) -> Column:
    """Give 0.5 ^ (age / half life), rounded to whole steps.

    To floor what is half a step more is to round, without the decimal numbers that Spark rounds by.
    """
    weight = F.pow(F.lit(0.5), age / F.lit(float(half_life_days)))
    return F.floor(weight * DECAY_STEPS + 0.5).cast(T.LongType())
