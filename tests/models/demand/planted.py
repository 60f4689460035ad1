"""Series that are made up, and how they add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crm_spark.models.demand.series import DEPARTMENT, PRODUCT, TOTAL, Floats, Sales, Tree, begun


def tree_of(departments: Mapping[str, Sequence[str]]) -> Tree:
    """Give the total, the departments, and the products of each."""
    named = [(name, one) for name, products in departments.items() for one in products]
    n, place_of = len(departments), {name: 1 + at for at, name in enumerate(departments)}
    return Tree(
        np.array([TOTAL] + [DEPARTMENT] * n + [PRODUCT] * len(named), object),
        np.array([None, *departments, *(name for name, _ in named)], object),
        np.array([None] * (1 + n) + [one for _, one in named], object),
        np.array([-1] + [0] * n + [place_of[name] for name, _ in named], np.int64),
    )


def summing(tree: Tree) -> Floats:
    """Give which series, a row each, have which of those that have no parts, a column each."""
    leaves = [at for at in range(len(tree)) if at not in set(tree.parent)]
    found = np.zeros((len(tree), len(leaves)))
    for column, leaf in enumerate(leaves):
        at = leaf
        while at >= 0:
            found[at, column] = 1
            at = int(tree.parent[at])
    return found


def sales_of(values: Sequence[Sequence[float]] | Floats, log_prices: Floats | None = None) -> Sales:
    """Give series that begin with their first sale."""
    known = np.array(values, float)
    prices = np.full(known.shape, np.nan) if log_prices is None else log_prices
    return Sales(begun(known), prices)
