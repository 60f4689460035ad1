"""How good forecasts were: errors by the naive one's, sums, and how often intervals held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crm_spark.models.demand.series import (
    LEVELS,
    Floats,
    Tree,
    naive_scale,
)
from crm_spark.models.results import Measured

MASE, RMSSE = "mase", "rmsse"


def series_errors(
    forecasts: Floats, actual: Floats, history: Floats, season: int
) -> tuple[Floats, Floats]:
    """Give the absolute and the squared scaled error of each series over the horizon.

    Mean absolute error by the naive forecast's in its history (Hyndman and Koehler 2006), mean
    squared error likewise (Makridakis, Spiliotis and Assimakopoulos 2022, "The M5 accuracy
    competition", equation 1, before its root). NaN: a series whose history never moved has none.
    """
    error = forecasts - actual
    absolute = np.abs(error).mean(axis=1) / naive_scale(history, season)
    squared = (error**2).mean(axis=1) / naive_scale(history, season, power=2)
    return absolute, squared


def demand_metrics(
    tree: Tree,
    forecasts: Floats,
    actual: Floats,
    history: Floats,
    *,
    season: int,
    interval: tuple[Floats, Floats] | None = None,
) -> list[Measured]:
    """Give the figures of one measure of one candidate at one cut-off.

    By level (total, department, product): mase.<level>, the mean of the series, with a 95 %
    interval of ten and more; rmsse.<level>, likewise; wape.<level>, all errors by all that was
    sold; coverage_80_percent.<level>. mase and rmsse: the mean of the levels. total_ratio: what was
    expected in all by what was sold. Those that cannot be known are None.
    """
    absolute, squared = series_errors(forecasts, actual, history, season)
    found: list[Measured] = []
    levels: dict[str, list[float]] = {MASE: [], RMSSE: []}
    for level in LEVELS:
        rows = tree.of_level(level)
        if not rows.any():
            continue
        for name, errors in ((MASE, absolute[rows]), (RMSSE, np.sqrt(squared[rows]))):
            one = _mean(f"{name}.{level}", errors)
            found.append(one)
            if one.value is not None:
                levels[name].append(one.value)
        sold = float(np.abs(actual[rows]).sum())
        wape = float(np.abs(forecasts - actual)[rows].sum()) / sold if sold > 0 else None
        found.append(Measured(f"wape.{level}", wape, int(rows.sum())))
        if interval is not None:
            low, high = (end[rows] for end in interval)
            inside = (actual[rows] >= low - 0.005) & (actual[rows] <= high + 0.005)
            inside = inside[~np.isnan(low)]
            share = float(inside.mean()) if inside.size else None
            found.append(Measured(f"coverage_80_percent.{level}", share, int(inside.size)))
    total = float(actual[0].sum())
    ratio = float(forecasts[0].sum()) / total if total > 0 else None
    overall = [Measured(name, mean_or_none(of), len(of)) for name, of in levels.items()]
    return [*overall, Measured("total_ratio", ratio, actual.shape[1]), *found]


def mean_or_none(values: Sequence[float]) -> float | None:
    """Give the mean; None of none."""
    return sum(values) / len(values) if values else None


def _mean(name: str, values: Floats) -> Measured:
    known = values[np.isfinite(values)]
    n = len(known)
    if not n:
        return Measured(name, None, 0)
    mean = float(known.mean())
    if n < 10:
        return Measured(name, mean, n)
    off = 1.96 * float(known.std(ddof=1)) / np.sqrt(n)
    return Measured(name, mean, n, max(0.0, mean - off), mean + off)
