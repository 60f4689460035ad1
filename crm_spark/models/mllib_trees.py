"""The trees of an MLlib forest as plain arrays, read from the files that MLlib saves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crm_spark.models.tree_shap import CoveredTree


def read_trees(folder: Path) -> tuple[CoveredTree, ...]:
    """Give the trees of the ensemble that a saved pipeline holds, of each node its training rows.

    Values have the weights of their trees, which are others than 1 where the trees were boosted.
    `folder` is a pipeline as PipelineModel.save() leaves it; a pipeline without an ensemble has
    no trees.
    """
    trees: list[CoveredTree] = []
    for stage in sorted(folder.glob("stages/*/data")):
        # A large ensemble is saved in parts, and a tree may be in two of them.
        parts = [pq.read_table(file) for file in sorted(stage.glob("*.parquet"))]
        if parts and "treeID" in parts[0].column_names:
            weights = _weights(stage.parent / "treesMetadata")
            trees += _trees(pa.concat_tables(parts), weights)
    return tuple(trees)


def _weights(folder: Path) -> NDArray[np.float64]:
    """Give the weight of each tree, by its number."""
    table = pa.concat_tables([pq.read_table(file) for file in sorted(folder.glob("*.parquet"))])
    number, _, weight = table.columns  # which MLlib gives no names
    return np.asarray(weight.to_numpy()[np.argsort(number.to_numpy())], np.float64)


def _trees(table: pa.Table, weights: NDArray[np.float64]) -> list[CoveredTree]:
    node = table["nodeData"].combine_chunks()
    split = node.field("split")
    tree, number = table["treeID"].to_numpy(), node.field("id").to_numpy()
    order = np.lexsort((number, tree))
    threshold = np.zeros(len(order))
    thresholds = split.field("leftCategoriesOrThreshold")
    # Leaves have none. All our inputs are numbers: of a split there is one threshold.
    has_one = np.diff(thresholds.offsets.to_numpy()) > 0
    threshold[has_one] = thresholds.flatten().to_numpy()
    columns = {
        "column": split.field("featureIndex").to_numpy().astype(np.int32),
        "threshold": threshold,
        "left": node.field("leftChild").to_numpy().astype(np.int32),
        "right": node.field("rightChild").to_numpy().astype(np.int32),
        "value": node.field("prediction").to_numpy() * weights[tree],
        # Rows with the weights by which the tree drew them.
        "cover": pc.list_element(node.field("impurityStats"), 0).to_numpy(),
    }
    starts = np.flatnonzero(np.diff(tree[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    return [
        CoveredTree(**{name: values[order[start:end]] for name, values in columns.items()})
        for start, end in zip(starts, ends, strict=True)
    ]
