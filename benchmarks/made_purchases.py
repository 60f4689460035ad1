"""Customers whose order days are drawn by known parameters of a buy-till-you-die model."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_spark.models.value.histories import LOG_GAPS, REPEATS, SPAN, TENURE
from crm_spark.runtime.progress import log

Floats = NDArray[np.float64]

# CDNOW's own (Fader, Hardie and Lee 2005), in weeks.
TRUTH = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
DAY = date(2025, 1, 1)
# Known for half a year to two years.
LEAST_DAYS, MOST_DAYS = 182, 728


def simulated(
    n: int,
    *,
    r: float,
    alpha: float,
    a: float,
    b: float,
    k: int,
    drops_at_first: bool,
    weeks: float | Floats,
    later_weeks: float,
    seed: int,
) -> pd.DataFrame:
    """Draw customers of a known kind, order by order, who are known for so many weeks.

    Gives x, t_x, T, log_gaps, and later: the orders in the weeks after.
    """
    random = np.random.default_rng(seed)
    rate, p = random.gamma(r, 1 / alpha, n), random.beta(a, b, n)
    # The order after which a customer is lost, the first of all being no. 0.
    last_order = random.geometric(p) - drops_at_first
    until = np.broadcast_to(np.asarray(weeks, float), n)
    x, t_x, log_gaps, later, at = (np.zeros(n) for _ in range(5))
    number, coming = 0, np.flatnonzero(last_order > 0)
    while coming.size:
        number += 1
        gap = random.gamma(k, 1 / rate[coming])
        at[coming] += gap
        known = at[coming] <= until[coming]
        is_later = ~known & (at[coming] <= until[coming] + later_weeks)
        x[coming[known]] += 1
        t_x[coming[known]] = at[coming[known]]
        log_gaps[coming[known]] += np.log(gap[known])
        later[coming[is_later]] += 1
        is_open = (at[coming] <= until[coming] + later_weeks) & (last_order[coming] > number)
        coming = coming[is_open]
    return pd.DataFrame({"x": x, "t_x": t_x, "T": until, "log_gaps": log_gaps, "later": later})


def made_purchases(place: Path, n: int) -> Path:
    """Give a parquet file of so many histories in days, made where it is not there yet."""
    target = place / f"{n}_made_purchases.parquet"
    if not target.exists():
        log.info("making the order days of %s customers", f"{n:,}")
        days = np.random.default_rng(1).integers(LEAST_DAYS, MOST_DAYS + 1, n)
        found = simulated(
            n, **TRUTH, k=1, drops_at_first=False, weeks=days / 7, later_weeks=0.0, seed=2
        )
        in_days(found).to_parquet(target, index=False)
    return target


def in_days(found: pd.DataFrame) -> pd.DataFrame:
    """Give simulated() in days, as the columns of value_histories() that cells are made of."""
    table = {
        "as_of_date": DAY,
        REPEATS: found["x"].astype(np.int32),
        SPAN: np.ceil(found["t_x"] * 7).astype(np.int32),
        TENURE: np.rint(found["T"] * 7).astype(np.int32),
        LOG_GAPS: found["log_gaps"],
    }
    return pd.DataFrame(table)
