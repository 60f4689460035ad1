"""Series of sales: which there are, how they add up, and what was sold in each period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.object_]

TOTAL, DEPARTMENT, PRODUCT, REST = "total", "department", "product", "other_products"
LEVELS = (TOTAL, DEPARTMENT, PRODUCT)


@dataclass(frozen=True)
class Tree:
    """The series and how they add up: an entry each in all arrays, parents before children.

    The first is the total. `parent` is the place of the series that one is part of, -1 for the
    total. What no product of its own stands for is a series of level other_products.
    """

    level: Texts
    department: Texts
    product_id: Texts
    parent: Ints

    def __len__(self) -> int:
        """How many series."""
        return len(self.level)

    def of_level(self, level: str) -> Bools:
        """Which series are of a level."""
        return self.level == level

    @property
    def ids(self) -> list[str]:
        """Give each series a name of its own."""
        named = zip(self.level, self.department, self.product_id, strict=True)
        return [_id(*one) for one in named]


def _id(level: str, department: str | None, product_id: str | None) -> str:
    if level == TOTAL:
        return TOTAL
    if level == PRODUCT:
        return f"{PRODUCT}:{product_id}"
    return f"{level}:{'' if department is None else department}"


@dataclass(frozen=True)
class Sales:
    """What was sold of each series in each period before a cut-off, the oldest first.

    `values` has a row a series and a column a period: NaN before the period of its first sale.
    `log_prices` are the logarithms of its mean prices in them, NaN where nothing was sold.
    """

    values: Floats
    log_prices: Floats

    @property
    def n_periods(self) -> int:
        """Periods before the cut-off."""
        return self.values.shape[1]

    @property
    def ages(self) -> Ints:
        """Periods since the first sale of each series, that of the sale among them."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1), np.int64)


def begun(values: Floats) -> Floats:
    """Give the values with NaN in all periods before the first sale of a series."""
    has_begun = np.cumsum(values != 0, axis=1) > 0
    return np.where(has_begun, values, np.nan)


def mean_of_last(values: Floats, n: int) -> Floats:
    """Give the mean of the last `n` periods of each series that it has; 0 where it has none."""
    last = values[:, -n:]
    n_known = (~np.isnan(last)).sum(axis=1)
    return np.nansum(last, axis=1) / np.maximum(n_known, 1)


def season_of(ages: Ints, season: int) -> Ints:
    """Give the season that each series is long enough to have seen twice, else 1."""
    return np.where(ages >= 2 * season, season, 1)


def naive_scale(values: Floats, season: int, power: int = 1) -> Floats:
    """Give the mean error of the naive forecast within each series' own history.

    The forecast is the value a season earlier, where the series has seen two seasons, else the one
    before. `power` 1 is the scale of MASE (Hyndman and Koehler 2006, "Another look at measures of
    forecast accuracy", equation 4), 2 that of its root mean squared sister. NaN: it has none.
    """
    seasons = season_of((~np.isnan(values)).sum(axis=1), season)
    found = np.full(len(values), np.nan)
    for one in np.unique(seasons):
        rows = seasons == one
        if values.shape[1] > one:
            errors = np.abs(values[rows][:, one:] - values[rows][:, :-one]) ** power
            n_known = (~np.isnan(errors)).sum(axis=1)
            total = np.nansum(errors, axis=1)
            found[rows] = np.where(
                (n_known > 0) & (total > 0), total / np.maximum(n_known, 1), np.nan
            )
    return found
