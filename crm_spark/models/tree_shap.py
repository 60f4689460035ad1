"""Exact TreeSHAP: what each column of a row adds to the prediction of a forest of regression trees.

Contributions are the path-dependent ones of Lundberg, Erion and Lee (2018), "Consistent
individualized feature attribution for tree ensembles": a column that is not known takes both ways
at its splits, in the proportions of the cover. They are worked out by leaf, not by the paper's
algorithm 2. The Shapley weights s! (d - 1 - s)! / d! are the integrals of t^s (1 - t)^(d - 1 - s)
from 0 to 1, so for a leaf of value v with d distinct columns on its path, column j adds

    v (o_j - z_j) * integral over t of the product over k != j of (z_k (1 - t) + o_k t)

where z_k is the share of the cover that stays on the path at the splits on k, and o_k is 1 for a
row that satisfies all of them, else 0. The product has degree d - 1 in t, so Gauss-Legendre
quadrature with ceil(d / 2) points is exact. It depends on the row by d bits only: a leaf has one
table over its patterns of bits, and a row just looks its own up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Indices = npt.NDArray[np.intp]

# Arrays over the rows of a block come from the cache of the processor up to about this size.
_BLOCK_ROWS = 8192
# What a block may take for its rows and their contributions, which counts with many columns.
_BLOCK_BYTES = 16 * 2**20
# Tables of so many leaves are made in one go, where they are of at most so many columns.
_BATCH_LEAVES = 128
_BATCH_SLOTS = 8
# Bits of a pattern: one more would meet the sign.
_MAX_SLOTS = 62


@dataclass(frozen=True)
class CoveredTree:
    """One tree with what each node was grown on.

    Arrays are [nodes]; children come after their parents, node 0 is the root, left == -1 marks a
    leaf. A row goes left where its `column` is <= `threshold`. Only the `value` of leaves counts.
    """

    column: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats
    cover: Floats


class TreeExplainer:
    """Predictions base + scale * sum of the trees' leaf values, and their contributions by column.

    Trees are of any depth, as long as no path can split on more than 62 distinct columns.

    Raises:
        ValueError: a tree is no tree, splits on a column that rows do not have, or has a cover
            that is not positive.
    """

    def __init__(
        self,
        trees: Sequence[CoveredTree],
        *,
        n_columns: int,
        scale: float = 1.0,
        base: float = 0.0,
    ) -> None:
        for number, tree in enumerate(trees):
            if fault := _fault(tree, n_columns):
                raise ValueError(f"tree {number}: {fault}")
        self._trees = tuple(trees)
        self._n_columns = n_columns
        self._scale = scale
        self._base = base

    @cached_property
    def expected(self) -> float:
        """The mean prediction, by the cover of the leaves."""
        return self._base + self._scale * sum(_expected(tree) for tree in self._trees)

    def values(self, rows: Floats) -> Floats:
        """Give the predictions [n] of rows [n, n_columns].

        Raises:
            ValueError: rows have another number of columns, or a NaN.
        """
        checked = self._checked(rows)
        total = np.zeros(len(checked))
        for block in self._blocks(len(checked)):
            for tree in self._trees:
                total[block] += tree.value[_leaf_of_row(tree, checked[block])]
        return self._base + self._scale * total

    def contributions(self, rows: Floats) -> Floats:
        """Give what each column adds [n, n_columns]; a row's sum is its value less `expected`.

        A column that no tree splits on adds exactly 0.

        Raises:
            ValueError: rows have another number of columns, or a NaN.
        """
        checked = self._checked(rows)
        result = np.empty(checked.shape)
        for block in self._blocks(len(checked)):
            by_column = np.ascontiguousarray(checked[block].T)
            total = np.zeros(by_column.shape)
            for tree in self._trees:
                _add_contributions(total, tree, by_column)
            result[block] = self._scale * total.T
        return result

    def _checked(self, rows: Floats) -> Floats:
        checked = np.asarray(rows, dtype=np.float64)
        if checked.ndim != 2 or checked.shape[1] != self._n_columns:
            raise ValueError(f"rows are {checked.shape}, expected [n, {self._n_columns}]")
        if np.isnan(checked).any():
            raise ValueError("rows hold a NaN, which goes neither way at a split: fill it first")
        return checked

    def _blocks(self, n_rows: int) -> Iterator[slice]:
        of_bytes = _BLOCK_BYTES // (2 * 8 * max(self._n_columns, 1))
        step = max(min(_BLOCK_ROWS, of_bytes), 1)
        return (slice(start, start + step) for start in range(0, n_rows, step))


@dataclass(frozen=True)
class _Paths:
    """What lies between the root and each node: its distinct columns, each in a slot of its own.

    `column` and `share` are [nodes, slots]: the column, and the share of the cover that stays on
    the path at all splits on it. The first `n_slots` [nodes] of a node's slots are in use. `slot`
    [nodes] is the one that an inner node's own column has in the paths of its children.
    """

    column: Ints
    share: Floats
    n_slots: Ints
    slot: Ints


def _fault(tree: CoveredTree, n_columns: int) -> str | None:
    """Say what is wrong with a tree, if anything."""
    n_nodes = len(tree.left)
    arrays = (tree.column, tree.threshold, tree.left, tree.right, tree.value, tree.cover)
    if n_nodes == 0 or any(array.shape != (n_nodes,) for array in arrays):
        return f"arrays are {[array.shape for array in arrays]}, expected one length above 0"
    (inner,) = np.nonzero(tree.left >= 0)
    children = np.concatenate([tree.left[inner], tree.right[inner]])
    if not np.array_equal(np.sort(children), np.arange(1, n_nodes)):
        return "each node but the root has to be the child of one node"
    if (children <= np.concatenate([inner, inner])).any():
        return "children have to come after their parents"
    if ((tree.column[inner] < 0) | (tree.column[inner] >= n_columns)).any():
        return f"splits on a column that is not one of the {n_columns}"
    is_covered = (tree.cover > 0) & np.isfinite(tree.cover)
    if not is_covered.all():
        found = tree.cover[~is_covered][0]
        return f"has a cover of {found}, expected above 0: each node is grown on some rows"
    if not np.isfinite(tree.value[tree.left < 0]).all() or np.isnan(tree.threshold[inner]).any():
        return "has a leaf value or a threshold that is no number"
    if min(len(_levels(tree)) - 1, len(np.unique(tree.column[inner]))) > _MAX_SLOTS:
        return f"may have a path with more than {_MAX_SLOTS} distinct columns"
    return None


def _levels(tree: CoveredTree) -> list[Indices]:
    """Give the nodes of each depth."""
    levels = [np.zeros(1, dtype=np.intp)]
    while True:
        inner = levels[-1][tree.left[levels[-1]] >= 0]
        if not len(inner):
            return levels
        levels.append(np.concatenate([tree.left[inner], tree.right[inner]]).astype(np.intp))


def _paths(tree: CoveredTree) -> _Paths:
    levels = _levels(tree)
    n_nodes, width = len(tree.left), len(levels) - 1
    column = np.full((n_nodes, width), -1, dtype=np.int32)
    share = np.ones((n_nodes, width))
    n_slots = np.zeros(n_nodes, dtype=np.int32)
    slot = np.zeros(n_nodes, dtype=np.int32)
    for level in levels[:-1]:
        inner = level[tree.left[level] >= 0]
        is_same = column[inner] == tree.column[inner, None]
        is_repeated = is_same.any(axis=1)
        slot[inner] = np.where(is_repeated, is_same.argmax(axis=1), n_slots[inner])
        for child in (tree.left[inner], tree.right[inner]):
            column[child] = column[inner]
            column[child, slot[inner]] = tree.column[inner]
            share[child] = share[inner]
            share[child, slot[inner]] *= tree.cover[child] / tree.cover[inner]
            n_slots[child] = n_slots[inner] + ~is_repeated
    return _Paths(column, share, n_slots, slot)


def _expected(tree: CoveredTree) -> float:
    is_leaf = tree.left < 0
    return float((tree.value * _paths(tree).share.prod(axis=1))[is_leaf].sum())


def _leaf_of_row(tree: CoveredTree, rows: Floats) -> Indices:
    node = np.zeros(len(rows), dtype=np.intp)
    (moving,) = np.nonzero(tree.left[node] >= 0)
    while len(moving):
        at = node[moving]
        goes_left = rows[moving, tree.column[at]] <= tree.threshold[at]
        node[moving] = np.where(goes_left, tree.left[at], tree.right[at])
        moving = moving[tree.left[node[moving]] >= 0]
    return node


def _add_contributions(total: Floats, tree: CoveredTree, by_column: Floats) -> None:
    """Add what each column [n_columns, n] adds to the rows' leaf values of one tree."""
    paths = _paths(tree)
    n_rows = by_column.shape[1]
    looked_up = np.empty((paths.column.shape[1], n_rows))
    walk = _leaves_with_patterns(tree, paths, by_column)
    while batch := list(islice(walk, _BATCH_LEAVES)):
        leaves = np.array([leaf for leaf, _ in batch])
        patterns = [pattern for _, pattern in batch]
        # A tree of one leaf, whose path is empty, adds nothing.
        for n_slots in sorted(set(paths.n_slots[leaves].tolist()) - {0}):
            (members,) = np.nonzero(paths.n_slots[leaves] == n_slots)
            found = looked_up[:n_slots]
            for member, table, entry in _tables(tree, paths, leaves, patterns, members, n_slots):
                # No entry is out of range; the default mode would write to a buffer first.
                np.take(table, entry, axis=1, out=found, mode="clip")
                for slot, column in enumerate(paths.column[leaves[member], :n_slots].tolist()):
                    total[column] += found[slot]


def _leaves_with_patterns(
    tree: CoveredTree, paths: _Paths, by_column: Floats
) -> Iterator[tuple[int, Indices]]:
    """Give each leaf with the pattern [n] of each row: bit j is set where slot j is not satisfied.

    Depth first, so that patterns are in memory for one path only.
    """
    left, right, slots = tree.left.tolist(), tree.right.tolist(), paths.slot.tolist()
    column, threshold = tree.column.tolist(), tree.threshold.tolist()
    waiting = [(0, np.zeros(by_column.shape[1], dtype=np.intp))]
    while waiting:
        node, pattern = waiting.pop()
        if left[node] < 0:
            yield node, pattern
            continue
        goes_right = ~(by_column[column[node]] <= threshold[node])
        off_left = np.left_shift(goes_right, slots[node], dtype=np.intp)
        off_right = off_left ^ (1 << slots[node])
        waiting.append((right[node], pattern | off_right))
        waiting.append((left[node], pattern | off_left))


def _tables(
    tree: CoveredTree,
    paths: _Paths,
    leaves: Indices,
    patterns: list[Indices],
    members: Indices,
    n_slots: int,
) -> Iterator[tuple[int, Floats, Indices]]:
    """Give the members' tables [slots, entries], and which entry each row has.

    A table has an entry for every pattern, or for those that occur where they must be fewer.
    """
    of_leaf, value = paths.share[leaves, :n_slots], tree.value[leaves]
    if n_slots <= _BATCH_SLOTS:
        tables = _shapley(of_leaf[members], value[members], np.arange(2**n_slots))
        yield from zip(members.tolist(), tables, (patterns[m] for m in members), strict=True)
        return
    for member in members.tolist():
        entry = patterns[member]
        if 2**n_slots <= len(entry):
            in_table = np.arange(2**n_slots)
        else:
            in_table, entry = np.unique(entry, return_inverse=True)
        yield member, _shapley(of_leaf[[member]], value[[member]], in_table)[0], entry


def _shapley(share: Floats, value: Floats, pattern: Indices) -> Floats:
    """Give the contributions [leaves, slots, patterns] of leaves with as many slots each.

    `share` is [leaves, slots], `value` [leaves], `pattern` [patterns].
    """
    n_leaves, n_slots = share.shape
    points, weights = _quadrature((n_slots + 1) // 2)
    z = share[:, :, None]
    # [leaves, slots, points]: the factors of the product for o = 0 and for o = 1.
    unsatisfied, satisfied = z * (1 - points), z * (1 - points) + points
    product = np.ones((n_leaves, len(points), len(pattern)))
    is_off = [(pattern >> slot & 1).astype(bool) for slot in range(n_slots)]
    for slot, off in enumerate(is_off):
        product *= np.where(off, unsatisfied[:, slot, :, None], satisfied[:, slot, :, None])
    # The product without j is the product over j's factor; for o_j = 0, z_j cancels.
    weighted = (weights * value[:, None])[:, None, :]
    if_off = -weighted / (1 - points) @ product
    if_on = (1 - z) * weighted / satisfied @ product
    return np.where(np.stack(is_off), if_off, if_on)


@lru_cache
def _quadrature(n_points: int) -> tuple[Floats, Floats]:
    """Give the points and weights of Gauss-Legendre quadrature from 0 to 1."""
    points, weights = np.polynomial.legendre.leggauss(n_points)
    return (points + 1) / 2, weights / 2
