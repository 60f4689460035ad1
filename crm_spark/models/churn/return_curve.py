"""After how long a silence customers come back: what a horizon of churn means."""

from __future__ import annotations

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


@dataclass(frozen=True)
class ReturnShare:
    """Of silences that lasted so many days, the share that ended with an order later."""

    rhythm: str
    silent_days: int
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
    they lasted so long: of those of d days 1 - S(end) / S(d) ended, S being the share that lasts
    longer. The curve ends where fewer than FEWEST_SILENCES last.
    """
    found = []
    for rhythm in (ALL, *RHYTHMS, RARELY):
        of_rhythm = counts if rhythm == ALL else counts[counts["rhythm"] == rhythm]
        if len(of_rhythm):
            found += _of_rhythm(rhythm, of_rhythm)
    return found


def _of_rhythm(rhythm: str, counts: pd.DataFrame) -> list[ReturnShare]:
    length = counts["days"].to_numpy(int)
    n = counts["n"].to_numpy(float)
    ended = n * counts["has_ended"].to_numpy(bool)
    n_days = int(length.max()) + 1
    lasting = np.bincount(length, weights=n, minlength=n_days)[::-1].cumsum()[::-1]
    endings = np.bincount(length, weights=ended, minlength=n_days)
    last = int(np.flatnonzero(lasting >= FEWEST_SILENCES).max(initial=0))
    longer = np.cumprod(1 - endings[: last + 1] / np.maximum(lasting[: last + 1], 1))
    return [
        # Of d days are those that an order did not end within d days.
        ReturnShare(rhythm, days, n_lasting, float(1 - longer[last] / longer[days]))
        for days in SILENCES
        if days < last and (n_lasting := _lasting(lasting, days)) >= FEWEST_SILENCES
    ]


def _lasting(lasting: NDArray[np.float64], days: int) -> int:
    return int(lasting[days + 1]) if days + 1 < len(lasting) else 0


def lost_after(shares: Sequence[ReturnShare]) -> int | None:
    """Give the shortest silence after which few come back, over all; None where none is so long."""
    of_all = [one for one in shares if one.rhythm == ALL]
    return min((one.silent_days for one in of_all if one.share <= FEW_RETURN), default=None)


def share_after(shares: Sequence[ReturnShare], days: int) -> ReturnShare | None:
    """Give the share of the longest silence that is no longer than so many days."""
    of_all = [one for one in shares if one.rhythm == ALL and one.silent_days <= days]
    return max(of_all, key=lambda one: one.silent_days, default=None)


def return_figures(cutoff: date, shares: Sequence[ReturnShare]) -> list[MetricRow]:
    """Give rows of ops.metrics: <rhythm>.silent_<d>_days, the share that ended with an order."""
    return [
        MetricRow(
            RETURNS_MODEL, cutoff, f"{one.rhythm}.silent_{one.silent_days}_days", one.share, one.n
        )
        for one in shares
    ]


def shares_of_figures(rows: Sequence[MetricRow]) -> list[ReturnShare]:
    """Put the shares together again from their rows."""
    found = []
    for row in rows:
        if row.model_name == RETURNS_MODEL and row.value is not None:
            rhythm, _, rest = row.metric.partition(".silent_")
            found.append(ReturnShare(rhythm, int(rest.removesuffix("_days")), row.n, row.value))
    order = [ALL, *RHYTHMS, RARELY]
    return sorted(found, key=lambda one: (order.index(one.rhythm), one.silent_days))
