"""Boosted and averaged trees as plain arrays: fitted by scikit-learn, read by numpy alone.

Scores are made in the executors' Python, which need not have scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crm_spark.models.purchases import Floats
from crm_spark.words import counted

_DECIMALS = 9


@dataclass(frozen=True)
class Tree:
    """One tree: of each node the column and threshold that part it, and its two children.

    A node whose `left` is -1 is a leaf, and has a value.
    """

    column: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: Floats

    def values(self, columns: npt.NDArray[np.float32]) -> Floats:
        """Give the value of the leaf of each row."""
        node = np.zeros(len(columns), np.int32)
        rows = np.arange(len(columns))
        while (inner := self.left[node] >= 0).any():
            at, of = rows[inner], node[inner]
            goes_left = columns[at, self.column[of]] <= self.threshold[of]
            node[inner] = np.where(goes_left, self.left[of], self.right[of])
        return self.value[node]


@dataclass(frozen=True)
class Trees:
    """base + scale * (sum of the trees), of matrices with `n_columns` columns."""

    base: float
    scale: float
    n_columns: int
    trees: tuple[Tree, ...]

    def values(self, columns: Floats) -> Floats:
        """Give the value of each row of a matrix. Raises ValueError where it has other columns."""
        if columns.shape[1] != self.n_columns:
            raise ValueError(
                f"trees of {counted(self.n_columns, 'column')} cannot read {columns.shape[1]}: "
                "train again"
            )
        # scikit-learn parts rows in single precision.
        single = columns.astype(np.float32)
        total = np.zeros(len(columns))
        for one in self.trees:
            total += one.values(single)
        return np.asarray(self.base + self.scale * total)

    def spec(self) -> dict[str, Any]:
        """Give them as plain values."""
        return {
            "base": self.base,
            "scale": self.scale,
            "n_columns": self.n_columns,
            "trees": [
                {
                    "column": one.column.tolist(),
                    "threshold": one.threshold.tolist(),
                    "left": one.left.tolist(),
                    "right": one.right.tolist(),
                    "value": one.value.tolist(),
                }
                for one in self.trees
            ],
        }

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Trees:
        """Put them together again."""
        return cls(spec["base"], spec["scale"], spec["n_columns"], tuple(map(_tree, spec["trees"])))


def boosted(fitted: Any, base: float) -> Trees:
    """Give the trees of scikit-learn's GradientBoosting, which begins at `base`."""
    trees = [_of_sklearn(one[0].tree_) for one in fitted.estimators_]
    return Trees(
        round(base, _DECIMALS), float(fitted.learning_rate), fitted.n_features_in_, tuple(trees)
    )


def averaged(fitted: Any) -> Trees:
    """Give the trees of scikit-learn's RandomForestRegressor."""
    trees = [_of_sklearn(one.tree_) for one in fitted.estimators_]
    return Trees(0.0, 1 / len(trees), fitted.n_features_in_, tuple(trees))


def _of_sklearn(tree: Any) -> Tree:
    return Tree(
        np.asarray(tree.feature, np.int32),
        np.asarray(tree.threshold, np.float64),
        np.asarray(tree.children_left, np.int32),
        np.asarray(tree.children_right, np.int32),
        np.round(np.asarray(tree.value, np.float64)[:, 0, 0], _DECIMALS),
    )


def _tree(spec: Mapping[str, Sequence[Any]]) -> Tree:
    return Tree(
        np.array(spec["column"], np.int32),
        np.array(spec["threshold"], np.float64),
        np.array(spec["left"], np.int32),
        np.array(spec["right"], np.int32),
        np.array(spec["value"], np.float64),
    )
