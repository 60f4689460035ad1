"""The trivial rules of demand: the season before, and the mean of late."""

from __future__ import annotations

import numpy as np

from crm_spark.models.demand.series import Floats, Sales, mean_of_last, season_of


def seasonal_naive(sales: Sales, horizon: int, season: int) -> Floats:
    """Give what was sold a season earlier; of a series that has not seen two, what was last sold.

    Gives a row a series and a column a period of the horizon.
    """
    values = np.nan_to_num(sales.values)
    n = sales.n_periods
    steps = np.arange(horizon)
    found = np.repeat(values[:, -1:], horizon, axis=1)
    is_seasonal = season_of(sales.ages, season) > 1
    if is_seasonal.any():
        found[is_seasonal] = values[is_seasonal][:, n - season + steps % season]
    return found


def recent_mean(sales: Sales, horizon: int, usual_periods: int) -> Floats:
    """Give the mean of the latest periods, in each period of the horizon."""
    return np.repeat(mean_of_last(sales.values, usual_periods)[:, None], horizon, axis=1)
