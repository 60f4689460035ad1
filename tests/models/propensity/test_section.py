"""Horizons and cut-offs of propensity."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from pydantic import ValidationError

from crm_spark.errors import DataError
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.propensity.definition import Propensity
from crm_spark.models.propensity.section import (
    N_WALKED,
    PropensitySection,
    cutoffs_for_test,
    walk_over,
)

FIRST = date(2024, 1, 1)
PARAMS = PropensitySection(horizon_days=28, grace_days=2, n_training_cutoffs=2)
WAIT = timedelta(days=30)
# Known for two horizons on the oldest cut-off.
OLDEST = FIRST + timedelta(days=56)


@pytest.mark.parametrize(
    "given",
    [
        {"horizon_days": 0},
        {"horizon_days": 366},
        {"grace_days": -1},
        {"grace_days": 366},
        {"n_training_cutoffs": 0},
        {"n_training_cutoffs": 25},
        {"departments": -1},
        {"departments": 101},
        {"products": -1},
        {"products": 101},
        {"fewest_buyers": 0},
        {"horizon": 28},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(given))):
        PropensitySection.model_validate(given)


@pytest.mark.parametrize(
    "given",
    [
        {"horizon_days": 1, "grace_days": 0, "n_training_cutoffs": 1, "fewest_buyers": 1},
        {"horizon_days": 365, "grace_days": 365, "n_training_cutoffs": 24},
        {"departments": 0, "products": 100},
        {"departments": 100, "products": 0},
    ],
)
def test_the_ends_of_what_makes_sense_are_accepted(given: dict[str, int]) -> None:
    found = PropensitySection.model_validate(given)
    assert {name: getattr(found, name) for name in given} == given


@pytest.mark.parametrize(("horizon", "grace", "days"), [(28, 0, 28), (28, 2, 30), (1, 365, 366)])
def test_an_outcome_is_known_after_horizon_and_grace(horizon: int, grace: int, days: int) -> None:
    params = PropensitySection(horizon_days=horizon, grace_days=grace)
    assert params.closed_after == timedelta(days=days)


def test_cut_offs_had_closed_by_the_next_and_are_no_more_than_asked_for() -> None:
    test = FIRST + timedelta(days=400)
    assert cutoffs_for_test(PARAMS, test, FIRST) == Cutoffs(test, (test - WAIT, test - 2 * WAIT))


def test_customers_are_known_for_two_horizons_on_every_cut_off() -> None:
    assert cutoffs_for_test(PARAMS, OLDEST + 2 * WAIT, FIRST).training == (OLDEST + WAIT, OLDEST)
    one_day = timedelta(days=1)
    assert cutoffs_for_test(PARAMS, OLDEST + 2 * WAIT - one_day, FIRST).training == (
        OLDEST + WAIT - one_day,
    )
    assert cutoffs_for_test(PARAMS, OLDEST + WAIT - one_day, FIRST).training == ()


def test_the_test_is_closed_on_the_day_and_the_choice_has_none_of_it() -> None:
    day = date(2024, 9, 1)
    plan = Propensity().plan(PARAMS, day, FIRST)
    test = day - WAIT
    assert plan.quoted == Cutoffs(test, (test - WAIT, test - 2 * WAIT))
    assert plan.choice == Cutoffs(test - WAIT, (test - 2 * WAIT,))


@pytest.mark.parametrize("days_later", [0, 1, 100])
def test_a_backtest_walks_over_the_latest_four_that_have_closed(days_later: int) -> None:
    newest = date(2024, 12, 9)
    known_to = newest + timedelta(days=1)
    steps = walk_over(PARAMS, known_to + timedelta(days=days_later), FIRST, newest)
    assert len(steps) == N_WALKED == 4
    assert steps[-1].test + WAIT == known_to
    assert {later.test - one.test for one, later in pairwise(steps)} == {WAIT}
    assert steps == [cutoffs_for_test(PARAMS, one.test, FIRST) for one in steps]


def test_a_backtest_knows_nothing_after_its_day() -> None:
    day = date(2024, 12, 9)
    assert walk_over(PARAMS, day, FIRST, date(2026, 1, 1))[-1].test == day - WAIT


def test_a_backtest_leaves_out_what_has_nothing_to_learn_from() -> None:
    enough = OLDEST + 2 * WAIT
    assert walk_over(PARAMS, enough, FIRST, enough) == [Cutoffs(OLDEST + WAIT, (OLDEST,))]
    later = walk_over(PARAMS, enough + WAIT, FIRST, enough + WAIT)
    assert [len(one.training) for one in later] == [1, 2]


def test_too_little_history_for_a_backtest_is_refused_with_what_there_is() -> None:
    day = OLDEST + 2 * WAIT - timedelta(days=1)
    with pytest.raises(DataError, match="too little history for a horizon of 28 days") as fault:
        walk_over(PARAMS, day, FIRST, day)
    for part in (f"as of {day}", f"the first order is of {FIRST}", f"the newest of {day}"):
        assert part in str(fault.value)
    # The newest order ends it, however late the day.
    with pytest.raises(DataError, match="too little history"):
        walk_over(PARAMS, date(2026, 1, 1), FIRST, day - timedelta(days=1))
    short = PropensitySection(horizon_days=1)
    with pytest.raises(DataError, match=r"for a horizon of 1 day$"):
        walk_over(short, FIRST, FIRST, FIRST)


def test_the_longest_backtest_has_no_more_moments_than_an_event_can_tell_apart() -> None:
    params = PropensitySection(horizon_days=1, grace_days=1, n_training_cutoffs=24)
    steps = walk_over(params, date(2026, 1, 1), FIRST, date(2025, 12, 1))
    days = {day for step in steps for day in step.all}
    moments = {date(2026, 1, 1), *days, *(day + params.closed_after for day in days)}
    # Known to is a number up to how many there are, in six bits.
    assert len(moments) < 2**6
