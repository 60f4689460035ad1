"""Periods, horizons and cut-offs of demand."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from pydantic import ValidationError

from crm_spark.errors import DataError
from crm_spark.models.demand.section import DemandSection, cutoffs_for_test, walk_over

FIRST = date(2024, 1, 1)
# Four weeks and, for ten days of grace, two more.
WEEKS = DemandSection(horizon_periods=4, grace_days=10, n_training_cutoffs=3)
DAYS = DemandSection(period="day", horizon_periods=14, grace_days=3)


@pytest.mark.parametrize(
    "given",
    [
        {"period": "month"},
        {"horizon_periods": 0},
        {"history_periods": 15},
        {"products": -1},
        {"products": 20_001},
        {"candidates": ["recent_mean"]},
        {"grace_days": -1},
        {"n_training_cutoffs": 0},
        {"horizon": 4},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(given))):
        DemandSection.model_validate(given)


def test_a_week_is_seven_days_and_a_year_is_52_weeks() -> None:
    assert (WEEKS.period_days, WEEKS.season) == (7, 52)
    assert (DAYS.period_days, DAYS.season) == (1, 7)
    for one in (WEEKS, DAYS):
        assert one.fewest_periods * one.period_days == 56
        assert one.usual_periods <= one.fewest_periods


@pytest.mark.parametrize(("grace", "periods"), [(0, 4), (1, 5), (7, 5), (8, 6)])
def test_an_outcome_is_known_after_whole_periods(grace: int, periods: int) -> None:
    params = DemandSection(horizon_periods=4, grace_days=grace)
    assert params.closed_after_periods == periods
    assert params.closed_after == timedelta(weeks=periods)
    assert DAYS.closed_after == timedelta(days=14 + 3)


def test_cut_offs_had_closed_by_the_next_and_have_eight_whole_weeks_before_them() -> None:
    # The first week may have begun midway.
    test = FIRST + timedelta(weeks=1 + 8 + 2 * 6)
    found = cutoffs_for_test(WEEKS, test, FIRST)
    assert found.training == (test - timedelta(weeks=6), test - timedelta(weeks=12))
    assert cutoffs_for_test(WEEKS, test + timedelta(weeks=52), FIRST).training[3:] == ()
    assert len(cutoffs_for_test(WEEKS, test - timedelta(days=1), FIRST).training) == 1


@pytest.mark.parametrize("days_later", [0, 1, 6, 7, 100])
def test_a_backtest_walks_over_the_latest_four_that_have_closed(days_later: int) -> None:
    newest = date(2025, 3, 9)
    day = newest + timedelta(days=1 + days_later)
    tests = [one.test for one in walk_over(WEEKS, day, FIRST, newest)]
    assert {later - one for one, later in pairwise(tests)} == {timedelta(weeks=6)}
    assert len(tests) == 4
    # The next on the day's own grid has not closed by the last order.
    assert (day - tests[-1]).days % 7 == 0
    assert tests[-1] + WEEKS.closed_after <= newest + timedelta(days=1)
    assert tests[-1] + WEEKS.closed_after + timedelta(weeks=1) > newest + timedelta(days=1)


def test_a_backtest_knows_nothing_after_its_day() -> None:
    day = date(2025, 3, 10)
    steps = walk_over(DAYS, day, FIRST, date(2026, 1, 1))
    assert steps[-1].test == day - timedelta(days=17)


def test_a_backtest_leaves_out_what_has_nothing_to_learn_from() -> None:
    enough = FIRST + timedelta(weeks=1 + 8 + 2 * 6)
    steps = walk_over(WEEKS, enough, FIRST, enough)
    assert [one.test for one in steps] == [enough - timedelta(weeks=6)]
    early = enough - timedelta(days=1)
    with pytest.raises(DataError, match="too little history for a horizon of 4 weeks"):
        walk_over(WEEKS, early, FIRST, early)


def test_a_history_that_holds_no_series_is_refused_with_how_long_it_has_to_be() -> None:
    with pytest.raises(ValidationError, match="at least 60"):
        DemandSection(period="day", history_periods=59)
    assert DemandSection(period="day", history_periods=60).history_periods == 60


def test_more_forecasts_than_one_process_holds_are_refused() -> None:
    with pytest.raises(ValidationError, match="more than 1,000,000 forecasts"):
        DemandSection(products=20_000, horizon_periods=51)
