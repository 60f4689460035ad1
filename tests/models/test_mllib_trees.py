"""Trees of an MLlib forest as arrays: they predict and count as MLlib does."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import DecisionTreeRegressor, RandomForestRegressor
from pyspark.sql import SparkSession

from crm_spark.models.mllib_trees import read_trees
from crm_spark.models.tree_shap import CoveredTree, Floats, TreeExplainer

COLUMNS = ["a", "b", "c"]
N_ROWS, N_TREES = 600, 15


@dataclass(frozen=True)
class Saved:
    """A forest as it was saved and read, and what MLlib predicts of each row."""

    folder: Path
    trees: tuple[CoveredTree, ...]
    rows: Floats
    hits: Floats
    predicted: Floats


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Give rows whose outcome hangs on all columns, one of them a constant for most."""
    random = np.random.default_rng(4)
    drawn = random.normal(size=(N_ROWS, 3))
    drawn[:, 2] = np.where(random.random(N_ROWS) < 0.8, 0.0, np.round(drawn[:, 2]))
    chance = 1 / (1 + np.exp(-(drawn @ [2.0, -1.0, 1.5])))
    made = pd.DataFrame(drawn, columns=COLUMNS)
    return made.assign(label=(random.random(N_ROWS) < chance).astype(float))


def saved(
    spark: SparkSession, table: pd.DataFrame, folder: Path, forest: RandomForestRegressor
) -> Saved:
    frame = spark.createDataFrame(table)
    assembler = VectorAssembler(inputCols=COLUMNS, outputCol="features")
    fitted: PipelineModel = Pipeline(stages=[assembler, forest]).fit(frame)
    fitted.write().save(str(folder))
    found = fitted.transform(frame).select(*COLUMNS, "label", "prediction").toPandas()
    return Saved(
        folder,
        read_trees(folder),
        found[COLUMNS].to_numpy(float),
        found["label"].to_numpy(float),
        found["prediction"].to_numpy(float),
    )


@pytest.fixture(scope="module")
def grown(
    spark: SparkSession, table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Saved:
    """Give a forest whose trees have drawn their rows, as those of churn do."""
    forest = RandomForestRegressor(
        numTrees=N_TREES, maxDepth=6, minInstancesPerNode=5, featureSubsetStrategy="sqrt", seed=3
    )
    return saved(spark, table, tmp_path_factory.mktemp("grown") / "forest", forest)


@pytest.fixture(scope="module")
def on_all_rows(
    spark: SparkSession, table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Saved:
    """Give a forest whose trees each learnt from every row once."""
    forest = RandomForestRegressor(
        numTrees=2, maxDepth=4, bootstrap=False, featureSubsetStrategy="all", seed=3
    )
    return saved(spark, table, tmp_path_factory.mktemp("on_all_rows") / "forest", forest)


def test_the_trees_predict_what_mllib_predicts(grown: Saved, on_all_rows: Saved) -> None:
    for forest in (grown, on_all_rows):
        explainer = TreeExplainer(forest.trees, n_columns=len(COLUMNS), scale=1 / len(forest.trees))
        assert np.abs(explainer.values(forest.rows) - forest.predicted).max() < 1e-9
    assert len(np.unique(grown.predicted)) > 100
    assert len(grown.trees) == N_TREES


def test_the_cover_of_a_node_is_the_rows_it_was_grown_on(on_all_rows: Saved) -> None:
    for tree in on_all_rows.trees:
        reached: dict[int, list[int]] = {}
        for row, values in enumerate(on_all_rows.rows):
            node = 0
            reached.setdefault(0, []).append(row)
            while tree.left[node] >= 0:
                is_left = values[tree.column[node]] <= tree.threshold[node]
                node = int(tree.left[node] if is_left else tree.right[node])
                reached.setdefault(node, []).append(row)
        assert tree.cover[0] == N_ROWS
        assert sorted(reached) == list(range(len(tree.cover)))
        for node, rows in reached.items():
            assert tree.cover[node] == len(rows)
            assert tree.value[node] == pytest.approx(on_all_rows.hits[rows].mean(), abs=1e-12)


def test_covers_of_trees_that_draw_their_rows_add_up(grown: Saved) -> None:
    roots = []
    for tree in grown.trees:
        (inner,) = np.nonzero(tree.left >= 0)
        children = tree.cover[tree.left[inner]] + tree.cover[tree.right[inner]]
        assert children.tolist() == tree.cover[inner].tolist()
        assert tree.cover.min() >= 5, "minInstancesPerNode"
        assert (tree.cover == np.round(tree.cover)).all()
        roots.append(tree.cover[0])
    # As many as there are rows, give or take the square root: each is drawn at its own Poisson.
    assert np.abs(np.array(roots) - N_ROWS).max() < 5 * np.sqrt(N_ROWS)
    assert len(set(roots)) > 1


def test_nodes_are_read_in_their_order_whatever_that_of_the_file(
    grown: Saved, tmp_path: Path
) -> None:
    copy = tmp_path / "in_another_order"
    shutil.copytree(grown.folder, copy)
    for folder in ("data", "treesMetadata"):
        (file,) = copy.glob(f"stages/1_*/{folder}/*.parquet")
        table = pq.read_table(file)
        pq.write_table(table.take(np.random.default_rng(1).permutation(len(table))), file)
    again = read_trees(copy)
    assert len(again) == len(grown.trees)
    for tree, other in zip(again, grown.trees, strict=True):
        for name in ("column", "threshold", "left", "right", "value", "cover"):
            assert getattr(tree, name).tolist() == getattr(other, name).tolist(), name


def test_trees_that_are_saved_in_parts_are_put_together(grown: Saved, tmp_path: Path) -> None:
    copy = tmp_path / "in_parts"
    shutil.copytree(grown.folder, copy)
    (file,) = copy.glob("stages/*/data/*.parquet")
    nodes = pq.read_table(file)
    half = nodes.num_rows // 2 + 1
    assert nodes["treeID"][half - 1] == nodes["treeID"][half], "a tree is in both parts"
    pq.write_table(nodes.slice(half), file)
    pq.write_table(nodes.slice(0, half), file.with_name("part-00009.parquet"))
    trees = read_trees(copy)
    assert len(trees) == len(grown.trees)
    for one, other in zip(trees, grown.trees, strict=True):
        for name in ("column", "threshold", "left", "right", "value", "cover"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_pipeline_without_an_ensemble_has_no_trees(
    spark: SparkSession, table: pd.DataFrame, tmp_path: Path
) -> None:
    frame = spark.createDataFrame(table.head(50))
    assembler = VectorAssembler(inputCols=COLUMNS, outputCol="features")
    for name, stages in (
        ("columns", [assembler]),
        ("one_tree", [assembler, DecisionTreeRegressor(maxDepth=2)]),
    ):
        folder = tmp_path / name
        Pipeline(stages=stages).fit(frame).write().save(str(folder))
        assert read_trees(folder) == ()


def test_a_folder_that_holds_nothing_has_no_trees(tmp_path: Path) -> None:
    assert read_trees(tmp_path) == ()
