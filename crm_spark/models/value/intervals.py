"""How far expectations were off: what customers who were expected alike went on to spend.

The intervals are those of the newest closed cut-off, by groups of equal size along what had been
expected of them, with the ranks of split conformal prediction within groups (Vovk (2012),
"Conditional validity of inductive conformal predictors"); between the means of two groups their
ends are interpolated, so that who is expected a little more has no wholly other interval. They
hold for any candidate, a rule too, and where spend has neither a known shape nor an even spread.
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
    """Customers of whom alike was expected: the mean of it, and their interval."""

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
    for index in range(len(edges)):
        low, high = _ends(np.sort(np.maximum(actual[place == index], 0.0)))
        found.append(AlikeGroup(float(expected[place == index].mean()), low, high))
    return tuple(found)


def _ends(amounts: Floats) -> tuple[float, float]:
    """Give the interval that a further customer of a group lies in, of its amounts in order.

    Their ranks are of one more than there are: the further one may be any of them.
    """
    n = len(amounts)

    def above(share: float) -> int:
        return int(np.floor(round(share * (n + 1), 6)))  # a tenth of 100 is 10, not 9.99...

    low = float(amounts[max(1, above((1 - COVERED) / 2)) - 1])
    # Where it begins at nothing, all that lies outside lies above.
    outside = 1 - COVERED if low == 0 else (1 - COVERED) / 2
    return low, float(amounts[min(n, n + 1 - above(outside)) - 1])


def interval_of(groups: Sequence[AlikeGroup], expected: Floats) -> tuple[Floats, Floats]:
    """Give the interval of each expectation, between those of the groups below and above it.

    Below the first group's mean it is that group's, above the last one's in proportion to the mean.
    """
    mean, low, high = (
        np.array([getattr(group, name) for group in groups]) for name in ("mean", "low", "high")
    )
    beyond = np.maximum(expected / mean[-1], 1.0) if mean[-1] > 0 else 1.0
    return np.interp(expected, mean, low) * beyond, np.interp(expected, mean, high) * beyond
