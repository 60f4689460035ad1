"""The trivial rules of demand, on series worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from models.demand.planted import sales_of

from crm_spark.models.demand.rules import recent_mean, seasonal_naive
from crm_spark.models.demand.series import Floats, Sales

pytestmark = pytest.mark.filterwarnings("error")
WEEK = [3, 1, 4, 1, 5, 9, 2]


def test_a_week_comes_again_however_far_ahead() -> None:
    # The cut-off is a day after a week began.
    found = seasonal_naive(sales_of([[8] * 7 + WEEK * 2 + WEEK[:1]]), 17, 7)
    assert found[0].tolist() == (WEEK * 3)[1:18]


def test_weeks_are_those_of_a_year_before() -> None:
    values = np.random.default_rng(1).poisson(9, (1, 110)).astype(float) + 1
    assert seasonal_naive(sales_of(values), 4, 52)[0].tolist() == values[0, 58:62].tolist()


def test_what_has_not_seen_two_seasons_sells_on_as_in_its_last_period() -> None:
    sales = sales_of([[0] + [2] * 12 + [6], [1] * 13 + [6], [0] * 14, [5] * 13 + [0]])
    found = seasonal_naive(sales, 3, 7)
    assert found.tolist() == [[6] * 3, [1] * 3, [0] * 3, [5] * 3]
    assert seasonal_naive(sales_of([[4]]), 9, 7).tolist() == [[4] * 9]


def test_the_mean_of_late_is_the_same_in_each_period_ahead() -> None:
    sales = sales_of([[90, 2, 4, 6], [0, 0, 4, 0], [0, 0, 0, 0]])
    assert recent_mean(sales, 2, 3).tolist() == [[4, 4], [2, 2], [0, 0]]


RULES: list[Callable[[Sales], Floats]] = [
    lambda sales: seasonal_naive(sales, 9, 7),
    lambda sales: recent_mean(sales, 9, 28),
]


@pytest.mark.parametrize("rule", RULES, ids=["seasonal_naive", "recent_mean"])
def test_rules_go_on_as_before_in_whatever_money(rule: Callable[[Sales], Floats]) -> None:
    assert rule(sales_of([[5] * 40, [0] * 35 + [5] * 5])).tolist() == [[5] * 9] * 2
    values = np.random.default_rng(3).poisson(2, (5, 40)).astype(float)
    assert rule(sales_of(values * 10)) == pytest.approx(rule(sales_of(values)) * 10)
