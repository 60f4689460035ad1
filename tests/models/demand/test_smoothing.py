"""Exponential smoothing, against the published recursions written out series by series."""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest
from models.demand.planted import sales_of

from crm_spark.models.demand import smoothing
from crm_spark.models.demand.smoothing import (
    exponential_smoothing,
    is_intermittent,
    tsb,
    weekday_factors,
)

pytestmark = pytest.mark.filterwarnings("error")
WEEK = np.array([3.0, 1, 4, 1, 5, 9, 2])


def smoothed(values: list[float], horizon: int) -> list[float]:
    """Gardner and McKenzie's damped trend, by the least corrected Akaike information."""
    found = []
    for alpha, (beta, phi) in product(smoothing._ALPHAS, smoothing._TRENDS):
        level, slope, errors = sum(values[:4]) / len(values[:4]), 0.0, []
        for value in values:
            errors.append(value - level - phi * slope)
            before = level
            level = alpha * value + (1 - alpha) * (before + phi * slope)
            slope = beta * (level - before) + (1 - beta) * phi * slope if beta else 0.0
        counted, k = errors[4:], 4 if beta else 2
        n = len(counted)
        information = n * log(sum(one**2 for one in counted) / n) + 2 * k
        information += 2 * k * (k + 1) / (n - k - 1)
        path = [
            level + sum(phi**one for one in range(1, h + 1)) * slope for h in range(1, horizon + 1)
        ]
        found.append((information, path))
    return min(found)[1]


@pytest.mark.parametrize("seed", range(3))
def test_levels_and_damped_trends_are_those_of_the_recursion(seed: int) -> None:
    random = np.random.default_rng(seed)
    trends = np.linspace(0, 8, 60)[:, None]
    values = 500 + np.cumsum(random.normal(trends, 4, (60, 40)), axis=1)
    for row in range(60):  # they began late
        values[row, : 20 + row % 9] = 0
    found = exponential_smoothing(sales_of(values), 6, 52)
    for row, own in zip(found, values, strict=True):
        assert row == pytest.approx(smoothed([one for one in own.tolist() if one], 6))


def test_a_trend_is_followed_and_fades() -> None:
    values = 100 + 5 * np.arange(40.0)
    found = exponential_smoothing(sales_of([values]), 12, 52)[0]
    steps = np.diff([values[-1], *found])
    assert (steps > 0).all() and (np.diff(steps[1:]) < 0).all()


def test_what_falls_to_nothing_is_never_below_it() -> None:
    falling = np.maximum(400.0 - 10 * np.arange(40), 1)
    found = exponential_smoothing(sales_of([falling]), 60, 52)[0]
    assert found.min() == 0 and found[0] > 0


def tsb_by_hand(values: list[float]) -> float:
    """Teunter, Syntetos and Babai's equations, by the least squared error a period ahead."""
    found = []
    sold = [one for one in values if one > 0]
    for of_size, of_chance in product(smoothing._SIZES, smoothing._CHANCES):
        size, chance, squares = sum(sold) / len(sold), len(sold) / len(values), 0.0
        for value in values:
            squares += (value - size * chance) ** 2
            if value > 0:
                size += of_size * (value - size)
                chance += of_chance * (1 - chance)
            else:
                chance += of_chance * (0 - chance)
        found.append((squares, chance * size))
    return min(found)[1]


def test_rare_sales_are_their_chance_times_their_size() -> None:
    random = np.random.default_rng(5)
    values = random.poisson(0.3, (20, 60)) * random.gamma(2, 10, (20, 60))
    values[:5, :40] = 0
    values[0] = 1000  # the total, which is sold in every period
    sales = sales_of(values)
    rare = sales.values[1:]
    expected = [tsb_by_hand([one for one in row.tolist() if one == one]) for row in rare]
    assert tsb(rare) == pytest.approx(np.array(expected))
    assert is_intermittent(sales).tolist() == [False] + [True] * 19
    assert exponential_smoothing(sales, 2, 52)[1:] == pytest.approx(np.array([expected] * 2).T)


def test_of_what_is_no_longer_sold_less_and_less_is_expected() -> None:
    values = np.zeros(90)
    values[:30:3] = 4
    n_periods = (30, 50, 70, 90)
    total = np.full(90, 9.0)
    found = [
        exponential_smoothing(sales_of([total[:n], values[:n]]), 1, 52)[1, 0] for n in n_periods
    ]
    assert found == sorted(found, reverse=True) and found[-1] < found[0] / 2


def test_sales_are_rare_in_less_than_one_of_1_32_periods_since_the_first() -> None:
    often, rarely = [1] * 80 + [0] * 20, [1] * 70 + [0] * 30  # one of 1.25, one of 1.43
    late = [0] * 60 + [1] * 35 + [0] * 5
    total = [9] * 100
    found = is_intermittent(sales_of([total, often, rarely, late, [0] * 100]))
    assert found.tolist() == [False, False, True, False, False]


def test_a_weekday_pattern_is_continued() -> None:
    days = np.tile(WEEK, 12)[:-3]
    found = exponential_smoothing(sales_of([days, days * 7]), 9, 7)
    assert found == pytest.approx(np.outer([1, 7], np.tile(WEEK, 3)[4:13]))


def test_how_a_week_goes_is_that_of_the_total_as_far_as_a_series_sold_little() -> None:
    total = np.tile(WEEK, 8)
    rare = np.zeros(56)
    rare[[0, 21]] = 6  # both on the first weekday
    found = weekday_factors(sales_of([total, rare]), 7)
    usual = WEEK / WEEK.mean()
    assert found[0] == pytest.approx(usual)
    own = np.array([7.0, 0, 0, 0, 0, 0, 0])
    assert found[1] == pytest.approx((2 * own + 28 * usual) / 30)
    assert (weekday_factors(sales_of([total]), 52) == 1).all()


def test_how_a_week_goes_is_of_the_last_eight_weeks() -> None:
    random = np.random.default_rng(1)
    last = np.tile(WEEK, 8)
    days = np.concatenate([random.poisson(9, 30) + 1.0, last])
    found = weekday_factors(sales_of([days]), 7)[0]
    # A place in the week is counted from the first period.
    assert found[np.arange(30, 37) % 7] == pytest.approx(WEEK / WEEK.mean())


@pytest.mark.parametrize("season", [7, 52])
def test_smoothing_goes_on_as_before_in_whatever_money(season: int) -> None:
    alike = exponential_smoothing(sales_of([[5] * 70, [0] * 7 + [5] * 63]), 9, season)
    assert alike == pytest.approx(np.full((2, 9), 5.0))
    values = np.random.default_rng(3).poisson([[90.0], [3.0], [0.4]], (3, 70)).astype(float)
    plain, tenfold = (exponential_smoothing(sales_of(values * one), 9, season) for one in (1, 10))
    assert tenfold == pytest.approx(plain * 10)
    assert (plain > 0).all()


@pytest.mark.parametrize("n_periods", [1, 3, 60])
def test_what_was_never_sold_is_not_expected(n_periods: int) -> None:
    for season in (7, 52):
        found = exponential_smoothing(sales_of(np.zeros((2, n_periods))), 3, season)
        assert (found == 0).all()


def test_periods_before_the_first_sale_change_nothing() -> None:
    random = np.random.default_rng(4)
    values = random.poisson([[20.0], [0.5]], (2, 60)).astype(float)
    values[:, 0] = 3
    padded = np.concatenate([np.zeros((2, 35)), values], axis=1)
    for season in (7, 52):
        found = exponential_smoothing(sales_of(padded), 5, season)
        assert found == pytest.approx(exponential_smoothing(sales_of(values), 5, season))


def test_a_day_on_which_the_shop_is_closed_does_not_lower_the_others() -> None:
    found = exponential_smoothing(sales_of([([10] * 6 + [0]) * 16]), 7, 7)[0]
    assert found == pytest.approx([10] * 6 + [0])


def test_two_closed_days_a_week_make_no_series_a_rare_one() -> None:
    found = exponential_smoothing(sales_of([([10] * 5 + [0] * 2) * 16]), 7, 7)[0]
    assert found == pytest.approx([10] * 5 + [0] * 2)


def test_a_young_series_has_a_week_by_the_days_it_has() -> None:
    found = exponential_smoothing(sales_of([[10] * 112, [0] * 102 + [10] * 10]), 7, 7)
    assert found == pytest.approx(np.full((2, 7), 10.0))
