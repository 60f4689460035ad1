"""Resamples of customers: the same for all candidates, so that their differences are paired."""

from __future__ import annotations

import numpy as np

from crm_spark.models.binary_metrics import Floats


def resamples(n: int, *, seed: int, n_resamples: int = 200) -> Floats:
    """Give the weights of customers in resamples, a row each, the same for all candidates."""
    random = np.random.default_rng(seed)
    return np.asarray(random.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n, np.float32)


def interval_of_draws(draws: Floats) -> tuple[float, float] | None:
    """Give the 95 % interval of a figure's resamples, of those where it is known."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
