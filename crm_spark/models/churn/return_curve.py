"""After how long a silence customers come back: what a horizon of churn means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from crm_spark.models.records import MetricRow

RETURNS_MODEL = "return_curve"
ALL = "all"
# Customers by their usual gap between orders, up to so many days; the last have a longer one.
RHYTHMS: dict[str, int] = {"weekly": 7, "monthly": 31}
RARELY = "rarely"
SILENCES = (7, 14, 21, 28, 42, 56, 70, 84, 112, 140, 168, 224, 280, 365, 548, 730)
# A share of fewer silences is left out, and where so few are left the curve ends.
FEWEST_SILENCES = 30
# Who has been silent for so long that fewer come back has left.
FEW_RETURN = 0.1
# Within so many days somebody comes back, or half of what is seen where that is less. Without such
# a limit nobody would come back after the longest silences, as what follows is not seen.
FOLLOWED_DAYS = 180


@dataclass(frozen=True)
class ReturnShare:
    """Of silences that lasted so many days, the share that an order ended in the days after."""

    rhythm: str
    silent_days: int
    within_days: int
    n: int
    share: float


def silences(orders: DataFrame, day: date) -> DataFrame:
    """Count the gaps between customers' order days before a day, and their silences up to it.

    Grain: rhythm, days, has_ended. Reads customer_id and order_date of counted orders; adds n. The
    silence since a customer's last order has not ended. A rhythm is that of a customer's median
    gap; a customer with one order day has none, and is of the last.
    """
    days = orders.where(F.col("order_date") < F.lit(day)).select("customer_id", "order_date")
    of_customer = Window.partitionBy("customer_id").orderBy("order_date")
    following = F.lead("order_date").over(of_customer)
    gaps = days.distinct().select(
        "customer_id",
        F.datediff(F.coalesce(following, F.lit(day)), "order_date").alias("days"),
        following.isNotNull().alias("has_ended"),
    )
    whole = Window.partitionBy("customer_id")
    usual = F.median(F.when(F.col("has_ended"), F.col("days"))).over(whole)
    rhythm = F.lit(RARELY)
    for name, most in reversed(RHYTHMS.items()):
        rhythm = F.when(usual <= most, F.lit(name)).otherwise(rhythm)
    counted = gaps.withColumn("rhythm", rhythm).groupBy("rhythm", "days", "has_ended")
    return counted.agg(F.count(F.lit(1)).alias("n"))


def return_shares(counts: pd.DataFrame) -> list[ReturnShare]:
    """Give the shares over all and by rhythm, from what silences() counts.

    By the product-limit estimate of Kaplan and Meier (1958), as silences that go on say only that
    they lasted so long: of those of d days 1 - S(d + f) / S(d) end within f days, S being the share
    that lasts longer. The curve ends where fewer than FEWEST_SILENCES last d + f days.
    """
    of_rhythm = {
        rhythm: _survival(counts if rhythm == ALL else counts[counts["rhythm"] == rhythm])
        for rhythm in (ALL, *RHYTHMS, RARELY)
    }
    within = min(FOLLOWED_DAYS, of_rhythm[ALL].last // 2)
    return [
        ReturnShare(
            rhythm,
            days,
            within,
            seen.n_longer(days),
            float(1 - seen.longer[days + within] / seen.longer[days]),
        )
        for rhythm, seen in of_rhythm.items()
        for days in SILENCES
        if within and days + within <= seen.last
    ]


@dataclass(frozen=True)
class _Survival:
    """Of silences: how many last at least so many days, and the share that lasts longer.

    `last` is the longest that enough silences reach.
    """

    lasting: NDArray[np.float64]
    longer: NDArray[np.float64]
    last: int

    def n_longer(self, days: int) -> int:
        return int(self.lasting[days + 1]) if days + 1 < len(self.lasting) else 0


def _survival(counts: pd.DataFrame) -> _Survival:
    length = counts["days"].to_numpy(int)
    n = counts["n"].to_numpy(float)
    ended = n * counts["has_ended"].to_numpy(bool)
    n_days = int(length.max(initial=0)) + 1
    lasting = np.bincount(length, weights=n, minlength=n_days)[::-1].cumsum()[::-1]
    endings = np.bincount(length, weights=ended, minlength=n_days)
    longer = np.cumprod(1 - endings / np.maximum(lasting, 1))
    # Who were silent for d days are those whose silence is longer.
    return _Survival(lasting, longer, int(np.sum(lasting >= FEWEST_SILENCES)) - 1)


def returns_known(orders: DataFrame, day: date) -> list[ReturnShare]:
    """Give the shares by what of counted orders was known before a day."""
    return return_shares(silences(orders, day).toPandas())  # a few rows for each day of history


def lost_after(shares: Sequence[ReturnShare]) -> int | None:
    """Give the shortest silence after which few come back, over all; None where none is so long."""
    of_all = [one for one in shares if one.rhythm == ALL]
    return min((one.silent_days for one in of_all if one.share <= FEW_RETURN), default=None)


def share_after(shares: Sequence[ReturnShare], days: int) -> ReturnShare | None:
    """Give the share of the longest silence that is no longer than so many days."""
    of_all = [one for one in shares if one.rhythm == ALL and one.silent_days <= days]
    return max(of_all, key=lambda one: one.silent_days, default=None)


def return_figures(cutoff: date, shares: Sequence[ReturnShare]) -> list[MetricRow]:
    """Give rows of ops.metrics: <rhythm>.silent_<d>_days.back_in_<f>_days, the share."""
    return [
        MetricRow(
            RETURNS_MODEL,
            cutoff,
            f"{one.rhythm}.silent_{one.silent_days}_days.back_in_{one.within_days}_days",
            one.share,
            one.n,
        )
        for one in shares
    ]


_METRIC = re.compile(r"(\w+)\.silent_(\d+)_days\.back_in_(\d+)_days")


def shares_of_figures(rows: Sequence[MetricRow]) -> list[ReturnShare]:
    """Put the shares together again from their rows."""
    found = []
    for row in rows:
        match = _METRIC.fullmatch(row.metric) if row.model_name == RETURNS_MODEL else None
        if match and row.value is not None:
            found.append(ReturnShare(match[1], int(match[2]), int(match[3]), row.n, row.value))
    order = [ALL, *RHYTHMS, RARELY]
    return sorted(found, key=lambda one: (order.index(one.rhythm), one.silent_days))
