"""How far forecasts were off on closed cut-offs: the 80 % intervals of later ones.

Split conformal prediction within groups (Vovk 2012, "Conditional validity of inductive conformal
predictors"): errors of the earlier cut-offs by the naive forecast's own within each series, over
all steps and series of a group. They hold for a rule, too, and whatever shape errors have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crm_spark.models.demand.series import LEVELS, REST, Floats, Sales, Tree, naive_scale
from crm_spark.models.demand.smoothing import is_intermittent

COVERED = 0.8
# A tenth is not to be told from fewer errors: such a group takes those of all groups.
FEWEST_ERRORS = 16
ALL = "all"

# The ends of the scaled errors of each group.
Ends = Mapping[str, tuple[float, float]]


def interval_ends(
    tested: Sequence[tuple[Tree, Sales, Floats, Floats]], season: int
) -> dict[str, tuple[float, float]]:
    """Give the ends by group, of (tree, sales, forecasts, actual) of closed cut-offs; none of none.

    The groups are the levels, intermittent series of products apart.
    """
    by_group: dict[str, list[Floats]] = {}
    for tree, sales, forecasts, actual in tested:
        scaled = (actual - forecasts) / naive_scale(sales.values, season)[:, None]
        groups = groups_of(tree, sales)
        for group in np.unique(groups):
            errors = scaled[groups == group].ravel()
            by_group.setdefault(str(group), []).append(errors[np.isfinite(errors)])
    errors = {group: np.concatenate(of) for group, of in by_group.items()}
    errors[ALL] = np.concatenate([*errors.values(), np.zeros(0)])
    return {group: _ends(of) for group, of in sorted(errors.items()) if len(of) >= FEWEST_ERRORS}


def _ends(errors: Floats) -> tuple[float, float]:
    """Give the ends that hold eight of ten further errors, not only of those at hand."""
    in_order, n = np.sort(errors), len(errors)
    low = int(np.floor((n + 1) * (1 - COVERED) / 2)) - 1
    high = int(np.ceil((n + 1) * (1 + COVERED) / 2)) - 1
    return float(in_order[max(low, 0)]), float(in_order[min(high, n - 1)])


def interval_of(
    ends: Ends, tree: Tree, sales: Sales, forecasts: Floats, season: int
) -> tuple[Floats, Floats] | None:
    """Give the interval of each forecast, from 0 on; None where nothing is known.

    NaN: a series that never moved, or has one period only, has no scale.
    """
    if ALL not in ends:
        return None
    of_rows = [ends.get(group, ends[ALL]) for group in groups_of(tree, sales)]
    low, high = (np.array(side)[:, None] for side in zip(*of_rows, strict=True))
    scale = naive_scale(sales.values, season)[:, None]
    return (
        np.maximum(forecasts + low * scale, 0.0),
        np.maximum(forecasts + high * scale, 0.0),
    )


def groups_of(tree: Tree, sales: Sales) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Give the group of each series."""
    is_leaf = (tree.level == LEVELS[-1]) | (tree.level == REST)
    found = np.array(tree.level, object)
    found[is_leaf & is_intermittent(sales)] = "intermittent"
    return found
