"""Horizons, steps and cut-offs of next purchase."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_spark.errors import DataError
from crm_spark.models.cutoffs import Cutoffs, Plan
from crm_spark.models.next_purchase.data import moments_of
from crm_spark.models.next_purchase.definition import NextPurchase
from crm_spark.models.next_purchase.section import (
    MOST_CUTOFFS,
    N_WALKED,
    NextPurchaseSection,
    cutoffs_for_test,
    step_of_horizon,
    walk_over,
)

FIRST = date(2024, 1, 1)
ONE_DAY = timedelta(days=1)
PARAMS = NextPurchaseSection(horizons_days=(28, 7, 90), grace_days=2, n_training_cutoffs=4)
WAIT = timedelta(days=30)
LONG_WAIT = timedelta(days=92)
# Known for a horizon, and 2 days, on the oldest cut-off.
OLDEST = FIRST + WAIT

quickly = settings(max_examples=200, derandomize=True, database=None, deadline=None)


def needed(horizons: tuple[int, ...], grace: int = 0) -> int:
    """Give how many steps of the first horizon, with its days of grace, the longest one takes."""
    n, step = 1, horizons[0] + grace
    while n * step < max(horizons) + grace:
        n += 1
    return n


@st.composite
def all_sections(draw: st.DrawFn) -> NextPurchaseSection:
    """Give whatever is allowed."""
    many = st.lists(st.integers(1, 365), min_size=1, max_size=6, unique=True)
    horizons, grace = tuple(draw(many)), draw(st.integers(0, 40))
    fewest = needed(horizons, grace)
    assume(fewest <= MOST_CUTOFFS)
    n = draw(st.none() | st.integers(fewest, MOST_CUTOFFS))
    return NextPurchaseSection(horizons_days=horizons, grace_days=grace, n_training_cutoffs=n)


sections = all_sections()


@pytest.mark.parametrize(
    "given",
    [
        {"horizons_days": []},
        {"horizons_days": [1, 2, 3, 4, 5, 6, 7]},
        {"horizons_days": [28, 0]},
        {"horizons_days": [366]},
        {"horizons_days": -7},
        {"horizons_days": [28, 7, 28]},
        {"grace_days": -1},
        {"grace_days": 366},
        {"n_training_cutoffs": 0},
        {"n_training_cutoffs": 61},
        {"n_training_cutoffs": -4},
        {"horizon_days": 28},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(given))):
        NextPurchaseSection.model_validate(given)


def test_a_refusal_says_which_horizons_are_wrong() -> None:
    with pytest.raises(ValidationError, match="1 to 365 days, not -3, 400"):
        NextPurchaseSection.model_validate({"horizons_days": [400, 28, -3]})
    with pytest.raises(ValidationError, match="twice"):
        NextPurchaseSection.model_validate({"horizons_days": [7, 7]})


@pytest.mark.parametrize(
    ("given", "horizons"),
    [
        (28, (28,)),
        ([28], (28,)),
        ([28, 7], (28, 7)),
        ([365, 1], (365, 1)),
        ([7, 365], (7, 365)),
        ([6, 5, 4, 3, 2, 1], (6, 5, 4, 3, 2, 1)),
    ],
)
def test_horizons_are_one_to_six_in_the_order_given_and_one_may_stand_alone(
    given: object, horizons: tuple[int, ...]
) -> None:
    found = NextPurchaseSection.model_validate({"horizons_days": given})
    assert found.horizons_days == horizons
    assert found.horizon_days == horizons[0]


@pytest.mark.parametrize(
    ("horizons", "grace", "fewest"),
    [
        # Cut-offs lie 28 or 30 days apart: four of them reach back 90, or 92, days, three do not.
        ((28, 7, 90), 0, 4),
        ((28, 7, 90), 2, 4),
        # Three reach back 84 days to the day; with a day of grace each it is 87, of 85.
        ((28, 84), 0, 3),
        ((28, 85), 0, 4),
        ((28, 84), 1, 3),
        # The first is the longest itself.
        ((90, 7), 0, 1),
        ((7,), 0, 1),
        ((7, 365), 0, 53),
    ],
)
def test_no_fewer_cut_offs_are_allowed_than_the_longest_horizon_takes(
    horizons: tuple[int, ...], grace: int, fewest: int
) -> None:
    def section(n: int) -> NextPurchaseSection:
        return NextPurchaseSection(horizons_days=horizons, grace_days=grace, n_training_cutoffs=n)

    assert fewest == needed(horizons, grace)
    assert section(fewest).n_cutoffs == fewest
    assert section(MOST_CUTOFFS).n_cutoffs == MOST_CUTOFFS == 60
    if fewest > 1:
        with pytest.raises(
            ValidationError, match=f"n_training_cutoffs of at least {fewest}, "
        ) as one:
            section(fewest - 1)
        assert f"a horizon of {max(horizons)} days" in str(one.value)
        assert f"not {fewest - 1}" in str(one.value)
        assert f"{horizons[0] + grace} days apart" in str(one.value)


@pytest.mark.parametrize(
    ("horizons", "grace", "n"),
    [
        ((28, 7, 90), 0, 6),  # four, and two
        ((28, 7, 90), 2, 6),
        ((28, 7), 0, 6),  # one would do, but six are the fewest
        ((90, 7), 0, 6),
        ((28, 113), 0, 7),  # five, and two
        ((28, 112), 0, 6),
        ((7, 365), 0, 55),
        ((6, 348), 0, 60),  # 58, and two
        ((6, 349), 0, 60),  # 59: of more than 60 too much is asked
        ((6, 360), 0, 60),  # all 60 are needed
    ],
)
def test_without_a_number_there_are_as_many_cut_offs_as_the_longest_horizon_needs(
    horizons: tuple[int, ...], grace: int, n: int
) -> None:
    section = NextPurchaseSection(horizons_days=horizons, grace_days=grace)
    assert section.n_training_cutoffs is None
    assert section.n_cutoffs == n
    step = cutoffs_for_test(section, date(2034, 1, 1), FIRST)
    assert len(step.training) == n


@pytest.mark.parametrize("n", [None, 60])
@pytest.mark.parametrize("horizons", [(1, 365), (1, 61), (6, 361), (5, 3, 365)])
def test_a_horizon_so_long_that_too_many_cut_offs_were_needed_is_refused(
    horizons: tuple[int, ...], n: int | None
) -> None:
    with pytest.raises(ValidationError, match="put a longer horizon first") as one:
        NextPurchaseSection(horizons_days=horizons, n_training_cutoffs=n)
    assert f"one of {max(horizons)} days needs {needed(horizons)} " in str(one.value)
    with_one = "1 day" if horizons[0] == 1 else f"{horizons[0]} days"
    assert f"a first horizon of {with_one} " in str(one.value)
    # With the longest one first it is fine, whatever is beside it.
    NextPurchaseSection(horizons_days=tuple(sorted(horizons, reverse=True)))


@quickly
@given(sections)
def test_with_a_long_history_every_horizon_can_be_learnt_and_tested(
    params: NextPurchaseSection,
) -> None:
    step = cutoffs_for_test(params, FIRST + timedelta(days=60_000), FIRST)
    for horizon in params.horizons_days:
        assert step_of_horizon(params, step, horizon, FIRST) is not None
        assert any(day + params.wait(horizon) <= step.test for day in step.training)


@pytest.mark.parametrize(("horizon", "grace", "days"), [(28, 0, 28), (28, 2, 30), (20, 365, 385)])
def test_an_outcome_is_known_after_horizon_and_grace(horizon: int, grace: int, days: int) -> None:
    params = NextPurchaseSection(horizons_days=(horizon, 50), grace_days=grace)
    assert params.closed_after == params.wait(horizon) == timedelta(days=days)
    assert params.wait(50) == timedelta(days=50 + grace)


@quickly
@given(sections)
def test_steps_rise_to_the_longest_horizon_and_one_ends_at_each_horizon(
    params: NextPurchaseSection,
) -> None:
    steps = params.steps_days
    assert all(one < later for one, later in pairwise((0, *steps)))
    assert set(params.horizons_days) <= set(steps)
    assert steps[-1] == max(params.horizons_days)


def test_steps_are_fine_at_first_whatever_the_horizons() -> None:
    assert NextPurchaseSection(horizons_days=(25,)).steps_days == (1, 2, 3, 5, 7, 10, 14, 21, 25)
    assert NextPurchaseSection(horizons_days=(1,)).steps_days == (1,)
    assert NextPurchaseSection(horizons_days=(6, 3)).steps_days == (1, 2, 3, 5, 6)


def test_cut_offs_had_closed_by_the_next_and_are_no_more_than_asked_for() -> None:
    test = FIRST + timedelta(days=400)
    expected = tuple(test - index * WAIT for index in (1, 2, 3, 4))
    assert cutoffs_for_test(PARAMS, test, FIRST) == Cutoffs(test, expected)


def test_customers_are_known_for_a_horizon_on_every_cut_off() -> None:
    assert cutoffs_for_test(PARAMS, OLDEST + 2 * WAIT, FIRST).training == (OLDEST + WAIT, OLDEST)
    later = cutoffs_for_test(PARAMS, OLDEST + 2 * WAIT - ONE_DAY, FIRST)
    assert later.training == (OLDEST + WAIT - ONE_DAY,)
    assert cutoffs_for_test(PARAMS, OLDEST + WAIT - ONE_DAY, FIRST).training == ()


@quickly
@given(sections, st.integers(0, 1500))
def test_every_training_cut_off_of_a_step_had_closed_by_its_test(
    params: NextPurchaseSection, n_days: int
) -> None:
    step = cutoffs_for_test(params, FIRST + timedelta(days=n_days), FIRST)
    assert all(day + params.closed_after <= step.test for day in step.training)
    assert all(day >= FIRST + params.closed_after for day in step.training)
    for horizon in params.horizons_days:
        further = step_of_horizon(params, step, horizon, FIRST)
        for day in further.training if further else ():
            assert further is not None
            assert day + params.closed_after <= further.test


def test_a_shorter_horizon_is_tested_on_the_same_step() -> None:
    step = cutoffs_for_test(PARAMS, date(2024, 12, 1), FIRST)
    assert step_of_horizon(PARAMS, step, 7, FIRST) == step
    assert step_of_horizon(PARAMS, step, 28, FIRST) == step


def test_a_longer_horizon_is_tested_on_a_cut_off_of_its_own_that_closes_on_the_same_day() -> None:
    step = cutoffs_for_test(PARAMS, date(2024, 12, 1), FIRST)
    found = step_of_horizon(PARAMS, step, 90, FIRST)
    assert found is not None
    # 92 days instead of 30: 62 earlier.
    assert found.test == date(2024, 9, 30)
    assert found.test + LONG_WAIT == step.test + WAIT
    assert found == cutoffs_for_test(PARAMS, found.test, FIRST)


@quickly
@given(sections, st.integers(0, 1500))
def test_a_longer_horizon_closes_no_later_and_has_a_training_cut_off_that_closed_for_it(
    params: NextPurchaseSection, n_days: int
) -> None:
    step = cutoffs_for_test(params, FIRST + timedelta(days=n_days), FIRST)
    for horizon in params.horizons_days:
        found = step_of_horizon(params, step, horizon, FIRST)
        if horizon <= params.horizon_days:
            assert found == step
        elif found is not None:
            assert found.test + params.wait(horizon) <= step.test + params.closed_after
            assert min(found.training) + params.wait(horizon) <= found.test


def test_a_longer_horizon_that_nothing_has_closed_for_is_not_tested() -> None:
    # Known for 30 days, 92 to learn from and 92 to test: 214. But cut-offs go by thirties from the
    # one before the test: 120 days before the test is the first that has closed for 92.
    enough = FIRST + timedelta(days=30 + 120 + 92)
    for day, is_tested in ((enough, True), (enough - ONE_DAY, False)):
        step = cutoffs_for_test(PARAMS, day - WAIT, FIRST)
        assert (step_of_horizon(PARAMS, step, 90, FIRST) is not None) == is_tested
    # Too few cut-offs reach not so far back, however long the history: the section refuses them.
    few = PARAMS.model_copy(update={"n_training_cutoffs": 3})
    step = cutoffs_for_test(few, date(2026, 1, 1), FIRST)
    assert step_of_horizon(few, step, 90, FIRST) is None


def test_the_test_is_closed_on_the_day_and_the_choice_has_none_of_it() -> None:
    day = date(2024, 12, 1)
    plan = NextPurchase().plan(PARAMS, day, FIRST)
    test = day - WAIT
    assert plan.quoted == cutoffs_for_test(PARAMS, test, FIRST)
    assert plan.choice == Cutoffs(test - WAIT, plan.quoted.training[1:])


@pytest.mark.parametrize("days_later", [0, 1, 100])
def test_a_backtest_walks_over_the_latest_four_that_have_closed(days_later: int) -> None:
    newest = date(2024, 12, 9)
    known_to = newest + ONE_DAY
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
    day = OLDEST + 2 * WAIT - ONE_DAY
    with pytest.raises(DataError, match="too little history for a first horizon of 28 days") as one:
        walk_over(PARAMS, day, FIRST, day)
    for part in (f"as of {day}", f"the first order is of {FIRST}", f"the newest of {day}"):
        assert part in str(one.value)
    # The newest order ends it, however late the day.
    with pytest.raises(DataError, match="too little history"):
        walk_over(PARAMS, date(2026, 1, 1), FIRST, day - ONE_DAY)
    with pytest.raises(DataError, match=r"of 1 day$"):
        walk_over(NextPurchaseSection(horizons_days=(1,)), FIRST, FIRST, FIRST)


def test_the_dates_asked_for_are_the_cut_offs_of_all_horizons_and_when_they_close() -> None:
    day = date(2024, 12, 1)
    plan = NextPurchase().plan(PARAMS, day, FIRST)
    found = moments_of(PARAMS, plan, day, FIRST)
    assert found == sorted(set(found))
    assert plan.choice is not None
    for step in (plan.quoted, plan.choice):
        longer = step_of_horizon(PARAMS, step, 90, FIRST)
        assert longer is not None
        assert {*step.all, *longer.all, step.test + WAIT} <= set(found)
    assert found[-1] == day


def test_of_a_backtest_it_is_asked_for_when_the_newest_cut_off_closes() -> None:
    # Nothing is known of the weeks before the date: the newest cut-off closed before them.
    newest = date(2024, 12, 9)
    day = newest + timedelta(days=17)
    *earlier, last = walk_over(PARAMS, day, FIRST, newest)
    found = moments_of(PARAMS, Plan(last, earlier=tuple(earlier)), day, FIRST)
    assert {newest + ONE_DAY, day} <= set(found)
    assert {cutoff for step in (*earlier, last) for cutoff in step.all} <= set(found)


def test_of_a_plan_with_nothing_to_learn_from_only_the_day_and_its_test_are_asked_for() -> None:
    plan = NextPurchase().plan(PARAMS, FIRST + WAIT, FIRST)
    assert not plan.is_possible
    assert moments_of(PARAMS, plan, FIRST + WAIT, FIRST) == [plan.quoted.test, FIRST + WAIT]


@pytest.mark.parametrize("n", [None, 24, MOST_CUTOFFS])
@pytest.mark.parametrize(
    "horizons",
    [(17, 2, 3, 5, 11, 1), (29, 40, 53, 67, 81, 97), (54, 109, 58, 71, 195, 198), (31, 365)],
)
def test_the_longest_backtest_has_no_more_moments_than_an_event_can_tell_apart(
    horizons: tuple[int, ...], n: int | None
) -> None:
    params = NextPurchaseSection(horizons_days=horizons, n_training_cutoffs=n)
    day = date(2034, 1, 1)
    *earlier, last = walk_over(params, day, FIRST, date(2033, 12, 1))
    for plan in (Plan(last, earlier=tuple(earlier)), NextPurchase().plan(params, day, FIRST)):
        assert len(moments_of(params, plan, day, FIRST)) < 2**15


def test_the_dates_asked_for_hold_when_longer_horizons_closed_up_to_the_date() -> None:
    day = date(2024, 12, 1)
    plan = NextPurchase().plan(PARAMS, day, FIRST)
    found = moments_of(PARAMS, plan, day, FIRST)
    cutoffs = set(plan.dates)
    closings = {cutoff + wait for cutoff in cutoffs for wait in (WAIT, LONG_WAIT)}
    assert {one for one in closings if one <= day} <= set(found)
    assert not [one for one in closings if one > day and one in found]
    assert max(found) == day
    # A shorter horizon is told when the first had closed: it closes on no date of its own.
    assert plan.quoted.test + PARAMS.wait(7) not in found
