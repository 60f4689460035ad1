"""Series of sales and what is usual in them, on series worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from models.demand.planted import sales_of

from crm_spark.models.demand.series import (
    DEPARTMENT,
    PRODUCT,
    REST,
    TOTAL,
    Tree,
    begun,
    mean_of_last,
    naive_scale,
    season_of,
)

pytestmark = pytest.mark.filterwarnings("error")
NAN = float("nan")


def test_every_series_has_a_name_of_its_own() -> None:
    tree = Tree(
        np.array([TOTAL, DEPARTMENT, DEPARTMENT, PRODUCT, REST], object),
        np.array([None, "food", None, "food", "food"], object),
        np.array([None, None, None, "7", None], object),
        np.array([-1, 0, 0, 1, 1], np.int64),
    )
    assert tree.ids == [
        "total",
        "department:food",
        "department:",
        "product:7",
        "other_products:food",
    ]
    assert tree.of_level(DEPARTMENT).tolist() == [False, True, True, False, False]
    assert len(tree) == 5


def test_only_periods_before_the_first_sale_are_unknown() -> None:
    found = begun(np.array([[0.0, 0, 2, 0, 1, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]))
    assert found == pytest.approx(
        np.array([[NAN, NAN, 2, 0, 1, 0], [1, 0, 0, 0, 0, 0], [NAN] * 6]), nan_ok=True
    )


def test_a_series_is_as_old_as_its_first_sale() -> None:
    sales = sales_of([[0, 0, 2, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    assert sales.ages.tolist() == [2, 4, 0]
    assert sales.n_periods == 4


@pytest.mark.parametrize(("n", "means"), [(1, [6, 4, 0]), (2, [5, 4, 0]), (9, [3, 4, 0])])
def test_a_mean_of_late_is_that_of_the_periods_a_series_has(n: int, means: list[float]) -> None:
    values = np.array([[2.0, 0, 4, 6], [NAN, NAN, NAN, 4], [NAN] * 4])
    assert mean_of_last(values, n).tolist() == means


def test_a_season_is_known_once_it_was_seen_twice() -> None:
    assert season_of(np.array([0, 13, 14, 200]), 7).tolist() == [1, 1, 7, 7]


@pytest.mark.parametrize("power", [1, 2])
def test_the_scale_is_the_mean_error_of_the_naive_forecast_of_each_series(power: int) -> None:
    random = np.random.default_rng(2)
    values = random.poisson(5, (6, 20)).astype(float)
    for row, start in enumerate([0, 3, 6, 7, 12, 18]):
        values[row, :start] = NAN
    for row, found in zip(values, naive_scale(values, 7, power), strict=True):
        own = [one for one in row.tolist() if one == one]
        lag = 7 if len(own) >= 14 else 1
        errors = [abs(own[at] - own[at - lag]) ** power for at in range(lag, len(own))]
        assert found == pytest.approx(sum(errors) / len(errors))


def test_a_series_that_never_moved_has_no_scale() -> None:
    weeks = np.array([[5.0] * 14, [1, 2, 3, 4, 5, 6, 7] * 2, [NAN] * 13 + [3], [NAN] * 14])
    assert np.isnan(naive_scale(weeks, 7)).all()
    assert np.isnan(naive_scale(np.array([[3.0]]), 7)).all()
    assert naive_scale(np.array([[3.0, 5.0]]), 7).tolist() == [2]
    # By the period before it would have moved.
    assert naive_scale(weeks, 52)[1] == pytest.approx((12 * 1 + 6) / 13)
