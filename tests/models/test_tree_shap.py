"""TreeSHAP: against Shapley values by definition, and what contributions always satisfy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from crm_spark.models import tree_shap
from crm_spark.models.tree_shap import CoveredTree, Floats, TreeExplainer

GRID = np.arange(5.0)

# column, threshold, left, right, value, cover
Node = tuple[int, float, int, int, float, float]
LEAF = (-1, 0.0, -1, -1)


def tree_of(*nodes: Node) -> CoveredTree:
    column, threshold, left, right, value, cover = (
        np.array(part) for part in zip(*nodes, strict=True)
    )
    return CoveredTree(
        column.astype(np.int32),
        threshold.astype(np.float64),
        left.astype(np.int32),
        right.astype(np.int32),
        value.astype(np.float64),
        cover.astype(np.float64),
    )


def random_tree(
    random: np.random.Generator, *, columns: list[int], depth: int, leaf_chance: float = 0.15
) -> CoveredTree:
    """Grow a tree that splits on any column anywhere, at thresholds that rows may equal."""
    nodes: list[Node] = []

    def grow(cover: int, levels: int) -> int:
        number = len(nodes)
        nodes.append((*LEAF, random.normal(), cover))
        if levels and cover > 1 and (number == 0 or random.random() > leaf_chance):
            of_left = int(random.integers(1, cover))
            column, threshold = int(random.choice(columns)), float(random.choice(GRID[:-1]))
            left = grow(of_left, levels - 1)
            right = grow(cover - of_left, levels - 1)
            nodes[number] = (column, threshold, left, right, 1e9, cover)
        return number

    grow(int(random.integers(200, 2000)), depth)
    return tree_of(*nodes)


def chain(random: np.random.Generator, *, n_columns: int, depth: int) -> CoveredTree:
    """Grow a tree with one long path, which splits on every column, and on some twice."""
    nodes: list[Node] = []
    cover = 4.0**depth
    for level in range(depth):
        leaf, below = 2 * level + 1, 2 * level + 2
        share = random.uniform(0.2, 0.8)
        # Low thresholds on the right, high ones on the left: rows get far down.
        goes_on_left = random.random() < 0.5
        children = (below, leaf) if goes_on_left else (leaf, below)
        threshold = 3.0 if goes_on_left else 0.0
        nodes.append((level % n_columns, threshold, *children, 0.0, cover))
        nodes.append((*LEAF, random.normal(), cover * (1 - share)))
        cover *= share
    nodes.append((*LEAF, 50.0, cover))
    return tree_of(*nodes)


def random_rows(random: np.random.Generator, n: int, n_columns: int) -> Floats:
    return random.choice(GRID, size=(n, n_columns))


def expected_given(tree: CoveredTree, row: Floats, known: frozenset[int], node: int = 0) -> float:
    """Algorithm 1 of the paper, EXPVALUE: unknown columns go both ways, by the cover."""
    left, right = int(tree.left[node]), int(tree.right[node])
    if left < 0:
        return float(tree.value[node])
    column = int(tree.column[node])
    if column in known:
        goes = left if row[column] <= tree.threshold[node] else right
        return expected_given(tree, row, known, goes)
    both = [tree.cover[n] * expected_given(tree, row, known, n) for n in (left, right)]
    return float(sum(both) / tree.cover[node])


def by_definition(trees: list[CoveredTree], rows: Floats) -> Floats:
    """Shapley values of the sum of the trees, over all subsets of the columns."""
    n_columns = rows.shape[1]
    subsets = [
        frozenset(subset)
        for size in range(n_columns + 1)
        for subset in combinations(range(n_columns), size)
    ]
    result = np.zeros(rows.shape)
    for number, row in enumerate(rows):
        worth = {s: sum(expected_given(tree, row, s) for tree in trees) for s in subsets}
        for column in range(n_columns):
            for s in subsets:
                if column not in s:
                    n_before, n_after = len(s), n_columns - len(s) - 1
                    weight = factorial(n_before) * factorial(n_after) / factorial(n_columns)
                    result[number, column] += weight * (worth[s | {column}] - worth[s])
    return result


def most_on_a_path(tree: CoveredTree, node: int = 0, seen: frozenset[int] = frozenset()) -> int:
    """Give the greatest number of distinct columns that one path splits on."""
    if tree.left[node] < 0:
        return len(seen)
    below = seen | {int(tree.column[node])}
    return max(most_on_a_path(tree, int(n), below) for n in (tree.left[node], tree.right[node]))


@pytest.fixture(scope="module")
def forest() -> tuple[RandomForestRegressor, TreeExplainer, Floats]:
    random = np.random.default_rng(3)
    # scikit-learn splits on float32.
    rows = random.normal(size=(600, 12)).astype(np.float32).astype(np.float64)
    label = rows[:, 0] * rows[:, 1] + np.sin(3 * rows[:, 2]) + rows[:, 3] + 10
    model = RandomForestRegressor(15, max_depth=12, max_features=4, random_state=1)
    model.fit(rows, label)
    trees = [
        CoveredTree(
            grown.feature.astype(np.int32),
            grown.threshold,
            grown.children_left.astype(np.int32),
            grown.children_right.astype(np.int32),
            grown.value[:, 0, 0],
            grown.weighted_n_node_samples,
        )
        for grown in (estimator.tree_ for estimator in model.estimators_)
    ]
    return model, TreeExplainer(trees, n_columns=12, scale=1 / len(trees)), rows


@pytest.mark.parametrize("seed", range(8))
def test_contributions_are_the_shapley_values_by_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    trees = [random_tree(random, columns=list(range(5)), depth=6) for _ in range(3)]
    rows = random_rows(random, 6, 5)
    explainer = TreeExplainer(trees, n_columns=5, scale=-0.5, base=7.0)
    np.testing.assert_allclose(
        explainer.contributions(rows), -0.5 * by_definition(trees, rows), rtol=0, atol=1e-12
    )


def test_scale_and_base_bend_the_expected_value_as_they_bend_predictions() -> None:
    random = np.random.default_rng(5)
    trees = [random_tree(random, columns=[0, 1, 2], depth=4) for _ in range(3)]
    nothing_known = sum(expected_given(tree, np.zeros(3), frozenset()) for tree in trees)
    everything = frozenset(range(3))
    rows = random_rows(random, 20, 3)
    known = np.array([sum(expected_given(tree, row, everything) for tree in trees) for row in rows])
    explainer = TreeExplainer(trees, n_columns=3, scale=0.25, base=-3.0)
    assert explainer.expected == pytest.approx(-3 + 0.25 * nothing_known, abs=1e-12)
    np.testing.assert_allclose(explainer.values(rows), -3 + 0.25 * known, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(2))
def test_paths_of_many_columns_are_as_exact(seed: int) -> None:
    random = np.random.default_rng(seed)
    tree = chain(random, n_columns=9, depth=12)
    assert most_on_a_path(tree) == 9
    rows = random.choice([1.0, 2.0, 3.0, 0.0, 4.0], p=[0.3, 0.3, 0.3, 0.05, 0.05], size=(12, 9))
    by_hand = by_definition([tree], rows)
    explainer = TreeExplainer([tree], n_columns=9)
    few = explainer.contributions(rows)
    np.testing.assert_allclose(few, by_hand, rtol=0, atol=1e-11)
    # Among more rows than there are patterns of nine columns, leaves have whole tables.
    many = explainer.contributions(np.tile(rows, (60, 1)))
    np.testing.assert_allclose(many, np.tile(by_hand, (60, 1)), rtol=0, atol=1e-11)


def test_contributions_and_expected_sum_to_the_predictions_of_a_forest(
    forest: tuple[RandomForestRegressor, TreeExplainer, Floats],
) -> None:
    model, explainer, rows = forest
    contributions = explainer.contributions(rows)
    np.testing.assert_allclose(explainer.values(rows), model.predict(rows), rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        contributions.sum(axis=1) + explainer.expected, model.predict(rows), rtol=0, atol=1e-9
    )


def test_a_column_in_no_tree_adds_exactly_nothing() -> None:
    random = np.random.default_rng(8)
    trees = [random_tree(random, columns=[0, 3], depth=5) for _ in range(4)]
    contributions = TreeExplainer(trees, n_columns=5).contributions(random_rows(random, 40, 5))
    assert (contributions[:, [1, 2, 4]] == 0).all()
    assert (contributions[:, [0, 3]] != 0).any(axis=0).all()


def test_a_single_leaf_is_all_expected_and_no_contribution() -> None:
    explainer = TreeExplainer([tree_of((*LEAF, 4.0, 10.0))], n_columns=2, scale=2.0, base=1.0)
    rows = np.array([[0.0, 1.0], [5.0, -2.0]])
    assert explainer.expected == 9.0
    assert explainer.values(rows).tolist() == [9.0, 9.0]
    assert explainer.contributions(rows).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_no_tree_and_no_row_are_no_special_case() -> None:
    explainer = TreeExplainer([], n_columns=2, base=1.5)
    assert explainer.expected == 1.5
    assert explainer.contributions(np.zeros((3, 2))).tolist() == [[0.0, 0.0]] * 3
    split = tree_of((0, 0.5, 1, 2, 0.0, 4.0), (*LEAF, 1.0, 1.0), (*LEAF, 2.0, 3.0))
    assert TreeExplainer([split], n_columns=2).contributions(np.zeros((0, 2))).shape == (0, 2)


def test_a_value_at_the_threshold_goes_left_and_infinities_go_outwards() -> None:
    split = tree_of((0, 0.5, 1, 2, 0.0, 4.0), (*LEAF, 8.0, 1.0), (*LEAF, 0.0, 3.0))
    explainer = TreeExplainer([split], n_columns=1)
    rows = np.array([[0.5], [np.nextafter(0.5, 1)], [-np.inf], [np.inf]])
    assert explainer.values(rows).tolist() == [8.0, 0.0, 8.0, 0.0]
    np.testing.assert_allclose(explainer.contributions(rows)[:, 0], [6, -2, 6, -2], atol=1e-14)


def test_duplicates_that_trees_use_alike_share_alike() -> None:
    def both_positive(first: int, second: int) -> CoveredTree:
        return tree_of(
            (first, 0.0, 1, 2, 0.0, 8.0),
            (*LEAF, 0.0, 4.0),
            (second, 0.0, 3, 4, 0.0, 4.0),
            (*LEAF, 0.0, 2.0),
            (*LEAF, 8.0, 2.0),
        )

    rows = np.array([[1.0, 1.0], [-1.0, -1.0]])
    # Nothing known: 2; one column known: 4 or 0; both known: 8 or 0. So 6 and -2 are shared.
    one = TreeExplainer([both_positive(0, 1)], n_columns=2)
    np.testing.assert_allclose(one.contributions(rows), [[3, 3], [-1, -1]], atol=1e-14)
    two = TreeExplainer([both_positive(0, 1), both_positive(1, 0)], n_columns=2)
    np.testing.assert_allclose(two.contributions(rows), [[6, 6], [-2, -2]], atol=1e-14)


@pytest.mark.parametrize("block_rows", [1, 4, 5, 6])
def test_rows_do_not_affect_one_another(
    block_rows: int,
    forest: tuple[RandomForestRegressor, TreeExplainer, Floats],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, explainer, rows = forest
    some = rows[:5]
    one_by_one = np.concatenate([explainer.contributions(row[None]) for row in some])
    monkeypatch.setattr(tree_shap, "_BLOCK_ROWS", block_rows)
    together = explainer.contributions(some)
    np.testing.assert_allclose(together, one_by_one, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(explainer.values(some[::-1])[::-1], explainer.values(some))


def test_more_rows_than_a_block_are_all_explained() -> None:
    random = np.random.default_rng(4)
    explainer = TreeExplainer([random_tree(random, columns=[0, 1], depth=3)], n_columns=2)
    cells = np.array([(a, b) for a in GRID for b in GRID])
    n = 2 * tree_shap._BLOCK_ROWS + 1
    which = np.arange(n) % len(cells)
    np.testing.assert_allclose(
        explainer.contributions(cells[which]),
        explainer.contributions(cells)[which],
        rtol=0,
        atol=1e-12,
    )


def test_a_tree_of_more_leaves_than_a_batch_is_explained_whole(
    forest: tuple[RandomForestRegressor, TreeExplainer, Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, explainer, rows = forest
    whole = explainer.contributions(rows[:30])
    monkeypatch.setattr(tree_shap, "_BATCH_LEAVES", 3)
    np.testing.assert_allclose(explainer.contributions(rows[:30]), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 3)), r"rows are \(2, 3\), expected \[n, 2\]"),
        (np.zeros(2), r"rows are \(2,\), expected \[n, 2\]"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), "NaN"),
    ],
)
def test_rows_that_trees_cannot_read_are_refused(rows: Floats, message: str) -> None:
    split = tree_of((0, 0.5, 1, 2, 0.0, 4.0), (*LEAF, 1.0, 1.0), (*LEAF, 2.0, 3.0))
    explainer = TreeExplainer([split], n_columns=2)
    asked: list[Callable[[Floats], Floats]] = [explainer.values, explainer.contributions]
    for ask in asked:
        with pytest.raises(ValueError, match=message):
            ask(rows)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cover": np.array([4.0, 0.0, 4.0])}, "tree 1: has a cover of 0.0"),
        ({"cover": np.array([4.0, -1.0, 5.0])}, "tree 1: has a cover of -1.0"),
        ({"cover": np.array([4.0, np.nan, 4.0])}, "tree 1: has a cover of nan"),
        ({"column": np.array([2, -1, -1], dtype=np.int32)}, "not one of the 2"),
        ({"column": np.array([-1, -1, -1], dtype=np.int32)}, "not one of the 2"),
        ({"right": np.array([1, -1, -1], dtype=np.int32)}, "the child of one node"),
        ({"right": np.array([9, -1, -1], dtype=np.int32)}, "the child of one node"),
        ({"value": np.array([0.0, np.nan, 1.0])}, "no number"),
        ({"threshold": np.array([np.nan, 0.0, 0.0])}, "no number"),
        ({"value": np.array([0.0, 1.0])}, "one length"),
    ],
)
def test_what_is_no_tree_with_covers_is_refused(changed: dict[str, Any], message: str) -> None:
    split = tree_of((0, 0.5, 1, 2, 0.0, 4.0), (*LEAF, 1.0, 1.0), (*LEAF, 2.0, 3.0))
    with pytest.raises(ValueError, match=message):
        TreeExplainer([split, replace(split, **changed)], n_columns=2)


def test_children_before_their_parents_are_refused() -> None:
    circle = tree_of(
        (0, 0.5, 1, 2, 0.0, 4.0),
        (*LEAF, 1.0, 1.0),
        (*LEAF, 1.0, 3.0),
        (0, 0.5, 4, 3, 0.0, 2.0),
        (*LEAF, 1.0, 1.0),
    )
    with pytest.raises(ValueError, match="after their parents"):
        TreeExplainer([circle], n_columns=1)


def test_a_path_of_more_columns_than_a_pattern_has_bits_is_refused() -> None:
    random = np.random.default_rng(1)
    with pytest.raises(ValueError, match="more than 62 distinct columns"):
        TreeExplainer([chain(random, n_columns=63, depth=63)], n_columns=63)
    longest = TreeExplainer([chain(random, n_columns=62, depth=62)], n_columns=62)
    rows = random.choice([1.0, 2.0], size=(5, 62))
    np.testing.assert_allclose(
        longest.contributions(rows).sum(axis=1) + longest.expected,
        longest.values(rows),
        rtol=0,
        atol=1e-9,
    )
