"""How far expectations were off: what customers who were expected alike went on to spend.

The intervals are those of the newest closed cut-off, by groups of equal size along what had been
expected of them (split conformal prediction within groups: Vovk (2012), "Conditional validity of
inductive conformal predictors"). They hold for any candidate, a rule too, and where spend has
neither a known shape nor an even spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm_spark.models.purchases import Floats

COVERED = 0.8
# A group's tenths are not to be told from fewer.
FEWEST_IN_A_GROUP, MOST_GROUPS = 50, 20


@dataclass(frozen=True)
class AlikeGroup:
    """Customers of whom alike was expected, from `least` on: the mean of it, and their interval."""

    least: float
    mean: float
    low: float
    high: float


def alike_groups(expected: Floats, actual: Floats) -> tuple[AlikeGroup, ...]:
    """Give the groups of a closed cut-off; none where customers are fewer than one group takes."""
    n_groups = min(MOST_GROUPS, len(expected) // FEWEST_IN_A_GROUP)
    if not n_groups:
        return ()
    edges = np.unique(np.quantile(expected, np.arange(n_groups) / n_groups, method="lower"))
    place = np.searchsorted(edges, expected, side="right") - 1
    found = []
    for index, least in enumerate(edges):
        of_group = np.maximum(actual[place == index], 0.0)
        low, high = np.quantile(of_group, [(1 - COVERED) / 2, (1 + COVERED) / 2])
        if low == 0:  # all that lies outside lies above
            high = np.quantile(of_group, COVERED)
        mean = float(expected[place == index].mean())
        found.append(AlikeGroup(float(least), mean, float(low), float(high)))
    return tuple(found)


def interval_of(groups: Sequence[AlikeGroup], expected: Floats) -> tuple[Floats, Floats]:
    """Give the interval of each expectation: its group's, in proportion to the group's mean."""
    edges = np.array([group.least for group in groups])
    place = np.maximum(np.searchsorted(edges, expected, side="right") - 1, 0)
    mean, low, high = (
        np.array([getattr(group, name) for group in groups])[place]
        for name in ("mean", "low", "high")
    )
    factor = np.divide(expected, mean, out=np.ones(len(expected)), where=mean > 0)
    return low * factor, high * factor
