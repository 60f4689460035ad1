"""Forecasts that add up, against least squares with the summing matrix written out."""

from __future__ import annotations

import numpy as np
import pytest
from models.demand.planted import summing, tree_of

from crm_spark.models.demand.hierarchy import reconcile
from crm_spark.models.demand.series import Floats, Tree

pytestmark = pytest.mark.filterwarnings("error")
TREE = tree_of({"food": ["a", "b", "c"], "home": ["d"], "toys": []})


def least_squares(forecasts: Floats, variances: Floats, tree: Tree) -> Floats:
    """Give S b with the b that has the least (S b - f)' W^-1 (S b - f)."""
    S, weight = summing(tree), 1 / np.sqrt(variances)[:, None]
    return S @ np.linalg.lstsq(weight * S, weight * forecasts, rcond=None)[0]


def adds_up(found: Floats, tree: Tree) -> bool:
    leaves = [at for at in range(len(tree)) if at not in set(tree.parent)]
    return bool(np.allclose(found, summing(tree) @ found[leaves]))


@pytest.mark.parametrize("seed", range(5))
def test_they_are_the_nearest_that_add_up(seed: int) -> None:
    random = np.random.default_rng(seed)
    base = summing(TREE) @ random.uniform(40, 90, (5, 4))
    forecasts = base * random.uniform(0.9, 1.1, base.shape)
    variances = random.gamma(1, 5, len(TREE)) + 0.1
    expected = least_squares(forecasts, variances, TREE)
    assert (expected > 0).all()
    found = reconcile(forecasts, TREE.parent, variances)
    assert found == pytest.approx(expected)
    assert reconcile(forecasts * 10, TREE.parent, variances * 100) == pytest.approx(found * 10)


def test_the_total_and_its_only_department_meet_by_how_far_each_is_off() -> None:
    tree = tree_of({"food": []})
    found = reconcile(np.array([[10.0], [20.0]]), tree.parent, np.array([1.0, 3.0]))
    # Weights of 1 and of a third.
    assert found == pytest.approx(np.full((2, 1), (10 * 3 + 20 * 1) / 4))


def test_what_adds_up_already_stays_and_so_does_one_series_alone() -> None:
    forecasts = summing(TREE) @ np.arange(15.0).reshape(5, 3)
    assert reconcile(forecasts, TREE.parent, np.arange(8.0)) == pytest.approx(forecasts)
    alone = tree_of({})
    assert reconcile(np.array([[3.0, 4]]), alone.parent, np.array([2.0])).tolist() == [[3, 4]]
    given = forecasts + 1
    assert not np.allclose(reconcile(given, TREE.parent, np.ones(8)), given)
    assert np.array_equal(given, forecasts + 1)  # it is not overwritten


def test_a_series_that_is_never_off_is_not_moved() -> None:
    forecasts = np.array([[100.0], [50], [20], [9], [10], [20], [30], [15]])
    variances = np.array([4.0, 1, 1, 1, 0, 1, 2, 1])
    found = reconcile(forecasts, TREE.parent, variances)
    assert found[4, 0] == pytest.approx(10)
    assert adds_up(found, TREE)


@pytest.mark.parametrize(
    "variances", [np.zeros(8), np.ones(8), np.array([9.0, 0, 0, 4, 0, 0, 0, 0])]
)
def test_nothing_of_nothing_is_nothing_whatever_the_variances(variances: Floats) -> None:
    assert (reconcile(np.zeros((8, 2)), TREE.parent, variances) == 0).all()
    found = reconcile(np.full((8, 2), 6.0), TREE.parent, variances)
    assert adds_up(found, TREE) and np.isfinite(found).all()


@pytest.mark.parametrize("seed", range(5))
def test_none_is_below_zero_and_they_still_add_up(seed: int) -> None:
    random = np.random.default_rng(seed)
    forecasts = random.normal(0, 10, (8, 30))
    variances = random.gamma(1, 5, 8)
    assert (least_squares(forecasts, variances, TREE) < 0).any()
    found = reconcile(forecasts, TREE.parent, variances)
    assert (found >= 0).all() and found.max() > 0
    assert adds_up(found, TREE)
