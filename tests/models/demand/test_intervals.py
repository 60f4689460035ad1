"""The 80 % intervals of forecasts, on sales drawn anew from what they were drawn from before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from models.demand.planted import sales_of, tree_of

from crm_spark.models.demand.intervals import ALL, groups_of, interval_ends, interval_of
from crm_spark.models.demand.series import DEPARTMENT, PRODUCT, REST, TOTAL, Floats, Sales, Tree

pytestmark = pytest.mark.filterwarnings("error")
TREE = tree_of({"food": [f"{one}" for one in range(300)]})
SIZES = np.random.default_rng(9).uniform(50, 5000, (len(TREE), 1))
Tested = tuple[Tree, Sales, Floats, Floats]


def drawn(seed: int, noise: Callable[[np.random.Generator, tuple[int, int]], Floats]) -> Tested:
    """Give what four cut-offs knew, expected and saw, the products large and small."""
    values = SIZES * (2 + noise(np.random.default_rng(seed), (len(TREE), 44)))
    return TREE, sales_of(values[:, :40]), np.repeat(2 * SIZES, 4, axis=1), values[:, 40:]


def normal(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return random.normal(0, 0.3, shape)


def skewed(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return random.gamma(0.5, 0.6, shape)


@pytest.mark.parametrize("noise", [normal, skewed])
def test_four_of_five_of_fresh_sales_are_inside_and_as_many_above_as_below(
    noise: Callable[[np.random.Generator, tuple[int, int]], Floats],
) -> None:
    ends = interval_ends([drawn(1, noise), drawn(2, noise)], 52)
    tree, sales, forecasts, actual = drawn(3, noise)
    found = interval_of(ends, tree, sales, forecasts, 52)
    assert found is not None
    low, high = found
    assert (actual < low).mean() == pytest.approx(0.1, abs=0.03)
    assert (actual > high).mean() == pytest.approx(0.1, abs=0.03)


def test_intervals_are_in_whatever_money() -> None:
    tree, sales, forecasts, actual = drawn(1, normal)
    tenfold = (tree, Sales(sales.values * 10, sales.log_prices), forecasts * 10, actual * 10)
    ends = interval_ends([(tree, sales, forecasts, actual)], 52)
    assert interval_ends([tenfold], 52)[PRODUCT] == pytest.approx(ends[PRODUCT])
    plain = interval_of(ends, tree, sales, forecasts, 52)
    found = interval_of(ends, tree, tenfold[1], tenfold[2], 52)
    assert plain is not None and found is not None
    assert found[0] == pytest.approx(plain[0] * 10) and found[1] == pytest.approx(plain[1] * 10)


def test_they_are_the_tenths_of_errors_by_the_naive_forecasts_own() -> None:
    tree = tree_of({})
    sales = sales_of([[2, 4, 2, 4, 2]])  # moves by 2
    errors = np.arange(-10.0, 11)[None]
    ends = interval_ends([(tree, sales, np.full((1, 21), 20.0), 20 + errors)], 52)
    # Of 21 in order the second and the twentieth: 22 times a tenth, and nine, rounded outwards.
    assert ends[TOTAL] == ends[ALL] == pytest.approx((-9 / 2, 9 / 2))
    found = interval_of(ends, tree, sales, np.array([[3.0, 30]]), 52)
    assert found is not None
    assert found[0].tolist() == [[0, 21]]  # never below zero
    assert found[1].tolist() == [[12, 39]]


def test_a_level_with_few_errors_takes_those_of_all() -> None:
    tested = drawn(1, normal)
    ends = interval_ends([tested], 52)  # of the total there are four
    assert sorted(ends) == [ALL, PRODUCT]
    tree, sales, forecasts, _ = tested
    of_all = interval_of({ALL: ends[ALL]}, tree, sales, forecasts, 52)
    found = interval_of(ends, tree, sales, forecasts, 52)
    assert found is not None and of_all is not None
    assert np.array_equal(found[0][:2], of_all[0][:2])
    assert not np.array_equal(found[0][2:], of_all[0][2:])


@pytest.mark.parametrize("n", [0, 1, 15])
def test_of_too_little_nothing_is_known(n: int) -> None:
    tree, sales = tree_of({}), sales_of([[1, 2, 1]])
    tested = [(tree, sales, np.ones((1, n)), np.ones((1, n)))] if n else []
    assert interval_ends(tested, 52) == {}
    assert interval_of({}, tree, sales, np.ones((1, 2)), 52) is None


def test_a_series_that_never_moved_says_nothing_of_others() -> None:
    tree, sales, forecasts, actual = drawn(1, normal)
    values, wild = sales.values.copy(), actual.copy()
    values[-50:], wild[-50:] = 7.0, 1e9
    still = Sales(values, sales.log_prices)
    without = Tree(
        tree.level[:-50], tree.department[:-50], tree.product_id[:-50], tree.parent[:-50]
    )
    fewer = Sales(values[:-50], sales.log_prices[:-50])
    expected = interval_ends([(without, fewer, forecasts[:-50], actual[:-50])], 52)
    assert interval_ends([(tree, still, forecasts, wild)], 52) == expected


def test_rarely_sold_products_are_a_group_of_their_own() -> None:
    tree = Tree(
        np.array([TOTAL, DEPARTMENT, PRODUCT, PRODUCT, REST, REST], object),
        np.array([None, "a", "a", "a", "a", "b"], object),
        np.array([None, None, "1", "2", None, None], object),
        np.array([-1, 0, 1, 1, 1, 0], np.int64),
    )
    often, rarely = [1.0] * 8, [1.0, 0] * 4
    sales = sales_of([often, rarely, often, rarely, often, rarely])
    rare = "intermittent"
    assert groups_of(tree, sales).tolist() == [TOTAL, DEPARTMENT, PRODUCT, rare, REST, rare]
    assert tree.level[3] == PRODUCT  # the tree is as it was
