"""Chances by steps, and the day on which they reach a share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_spark.models.next_purchase.curves import (
    chances_by_days,
    chances_by_steps,
    day_reached,
)

STEPS = (5, 15, 40)
quickly = settings(max_examples=300, derandomize=True, database=None, deadline=None)


def day(chances: Sequence[float], share: float, steps: Sequence[int] = STEPS) -> float:
    (found,) = day_reached(np.array([chances], float), steps, share)
    return float(found)


def test_chances_are_those_of_who_ordered_in_any_step_so_far() -> None:
    hazards = np.array([[0.5, 0.5, 0.2], [0.0, 0.1, 0.0], [1.0, 0.3, 0.0]])
    expected = np.array([[0.5, 0.75, 0.8], [0.0, 0.1, 0.1], [1.0, 1.0, 1.0]])
    assert chances_by_steps(hazards) == pytest.approx(expected)


def test_chances_of_nobody_have_no_rows() -> None:
    assert chances_by_steps(np.empty((0, 3))).shape == (0, 3)
    assert day_reached(np.empty((0, 3)), STEPS, 0.5).shape == (0,)


def test_within_a_step_whoever_has_not_ordered_does_so_at_a_constant_rate() -> None:
    # A tenth of the rest on each day of one step of 40 days.
    chances = [1 - 0.9**40]
    for days in (1, 2, 7, 39, 40):
        assert day(chances, 1 - 0.9**days, (40,)) == days
        # Whatever is more takes until the next day, and what is less is reached on the same.
        assert day(chances, 1 - 0.9 ** (days - 0.01), (40,)) == days
        if days < 40:
            assert day(chances, 1 - 0.9 ** (days + 0.01), (40,)) == days + 1


def test_each_step_has_a_rate_of_its_own() -> None:
    # 2 % a day for 5 days, a tenth a day for 10, 1 % a day for 25.
    left = [0.98**5, 0.98**5 * 0.9**10, 0.98**5 * 0.9**10 * 0.99**25]
    chances = [1 - one for one in left]
    assert day(chances, 1 - 0.98**3) == 3
    assert day(chances, 1 - left[0] * 0.9**3) == 8
    assert day(chances, 1 - left[0] * 0.9**3.5) == 9
    assert day(chances, 1 - left[1] * 0.99**20) == 35


def test_a_share_that_is_reached_at_the_end_of_a_step_is_reached_on_its_last_day() -> None:
    assert [day([0.3, 0.6, 0.9], share) for share in (0.3, 0.6, 0.9)] == [5, 15, 40]


def test_a_share_that_is_missed_by_a_hair_takes_until_the_next_step() -> None:
    assert day([0.3, 0.6, 0.9], 0.3001) == 6
    assert day([0.3, 0.6, 0.9], 0.6001) == 16


def test_a_share_reached_at_once_is_reached_on_the_first_day() -> None:
    assert day([0.6, 0.7, 0.8], 0.5, (1, 2, 3)) == 1
    assert day([0.999, 0.999, 0.999], 0.1) == 1


def test_a_share_that_is_never_reached_is_reached_on_no_day() -> None:
    assert day([0.3, 0.6, 0.9], 0.9001) == math.inf
    assert day([0.0, 0.0, 0.0], 0.1) == math.inf


def test_in_a_step_without_orders_nothing_is_reached() -> None:
    # None in the second: of 0.3 and 0.5 the latter is reached in the third.
    assert day([0.3, 0.3, 0.9], 0.3) == 5
    assert 15 < day([0.3, 0.3, 0.9], 0.5) <= 40


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_chance_of_one_in_the_first_step_is_the_first_day(share: float) -> None:
    assert day([1.0, 1.0, 1.0], share) == 1


def test_a_chance_of_one_in_a_later_step_is_the_first_day_of_that_step() -> None:
    # On day 5 it is 0.2 still: half is reached no sooner than on day 6. In a step at whose end all
    # have ordered, the rate has no bound: they have on its first day.
    assert day([0.2, 1.0, 1.0], 0.1) <= 5
    assert day([0.2, 1.0, 1.0], 0.5) == 6
    assert day([0.2, 0.4, 1.0], 0.9) == 16
    assert day([0.0, 0.0, 1.0], 0.1) == 16
    # A share of before it is reached before it.
    assert day([0.2, 0.4, 1.0], 0.3) < 15


def by_days(chances: Sequence[float], steps: Sequence[int] = STEPS) -> list[float]:
    """Give the chance by each day, with 0 of the day before the first."""
    (found,) = chances_by_days(np.array([chances], float), steps).tolist()
    return [0.0, *found]


def test_by_the_end_of_each_step_the_chance_by_days_is_that_of_the_step() -> None:
    found = by_days([0.3, 0.6, 0.9])
    assert len(found) == 41
    assert [found[one] for one in STEPS] == pytest.approx([0.3, 0.6, 0.9])


def test_the_chance_by_days_rises_at_the_rate_of_its_step() -> None:
    # 2 % a day for 5 days, a tenth a day for 10, 1 % a day for 25.
    daily = [0.02] * 5 + [0.1] * 10 + [0.01] * 25
    expected = [0.0]
    for one in daily:
        expected.append(1 - (1 - expected[-1]) * (1 - one))
    assert by_days([expected[one] for one in STEPS]) == pytest.approx(expected)


def test_with_a_step_a_day_the_chances_by_days_are_the_chances() -> None:
    assert by_days([0.1, 0.1, 0.7], (1, 2, 3)) == pytest.approx([0, 0.1, 0.1, 0.7])


def test_once_all_have_ordered_they_have_from_the_first_day_of_that_step_on() -> None:
    assert by_days([0.0, 1.0, 1.0])[5:] == [0.0, *[1.0] * 35]
    assert by_days([1.0, 1.0, 1.0])[1:] == [1.0] * 40


def test_where_nobody_orders_the_chance_stays_0_and_nobody_has_no_rows() -> None:
    assert by_days([0.0, 0.0, 0.0]) == [0.0] * 41
    assert chances_by_days(np.empty((0, 3)), STEPS).shape == (0, 40)


def test_chances_by_days_of_customers_do_not_touch_one_another() -> None:
    rows = [[0.3, 0.6, 0.9], [0.0, 0.0, 0.1], [0.9, 1.0, 1.0]]
    found = chances_by_days(np.array(rows), STEPS)
    assert [[0.0, *row] for row in found.tolist()] == [by_days(row) for row in rows]


def test_customers_do_not_touch_one_another() -> None:
    rows = [[0.3, 0.6, 0.9], [0.0, 0.0, 0.1], [0.9, 0.95, 0.99]]
    assert day_reached(np.array(rows), STEPS, 0.5).tolist() == [day(row, 0.5) for row in rows]


hazard_lists = st.lists(st.integers(0, 999), min_size=1, max_size=6)
shares = st.integers(1, 99)


@quickly
@given(hazard_lists, st.lists(st.integers(1, 60), min_size=6, max_size=6), shares, shares)
def test_a_day_is_the_first_on_which_the_share_is_reached_and_later_for_more(
    thousandths: list[int], widths: list[int], one: int, other: int
) -> None:
    hazards = np.array(thousandths) / 1000
    steps = np.cumsum(widths[: len(hazards)]).tolist()
    chances = chances_by_steps(hazards[None, :])
    low, high = (day(chances[0].tolist(), share / 100, steps) for share in sorted((one, other)))
    assert low <= high

    # Day by day: so many are left after each.
    daily = np.repeat((1 - hazards) ** (1 / np.diff([0, *steps])), np.diff([0, *steps]))
    by_day = np.concatenate([[0.0], 1 - np.cumprod(daily)])
    share = max(one, other) / 100
    if high == math.inf:
        assert chances[0, -1] < share
        return
    assert by_day[int(high)] >= share - 1e-7
    assert by_day[int(high) - 1] <= share + 1e-7
    # By the end of the step of that day it is reached all the more.
    place = int(np.searchsorted(steps, high))
    assert chances[0, place] >= share - 1e-7


@quickly
@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=6),
    st.lists(st.integers(1, 60), min_size=6, max_size=6),
    shares,
)
def test_a_share_is_reached_on_the_first_day_by_which_the_chance_is_as_much(
    thousandths: list[int], widths: list[int], percent: int
) -> None:
    hazards = np.array(thousandths) / 1000
    steps = np.cumsum(widths[: len(hazards)]).tolist()
    chances = chances_by_steps(hazards[None, :])[0].tolist()
    by_day, share = by_days(chances, steps), percent / 100
    assert all(later >= one - 1e-12 for one, later in pairwise(by_day))
    # What differs in the last digits only may be reached on either of two days.
    surely = [place for place, one in enumerate(by_day) if one >= share + 1e-9]
    perhaps = [place for place, one in enumerate(by_day) if one >= share - 1e-9]
    found = day(chances, share, steps)
    assert min(perhaps, default=math.inf) <= found <= min(surely, default=math.inf)
