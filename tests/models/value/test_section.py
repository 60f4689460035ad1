"""Horizons, cut-offs and verdicts of value."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from pydantic import ValidationError

from crm_spark.errors import DataError
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.usability.facts import DataFacts, OrderDay
from crm_spark.models.value.data import CustomerCounts
from crm_spark.models.value.definition import Value
from crm_spark.models.value.section import ValueSection, cutoffs_for_test, walk_over
from crm_spark.models.value.verdicts import value_verdicts

FIRST = date(2024, 1, 1)
PARAMS = ValueSection(horizons_days=(28, 84), grace_days=2, n_training_cutoffs=2)


@pytest.mark.parametrize(
    ("horizons", "fault"),
    [
        ([], "one to six horizons"),
        ([1, 2, 3, 4, 5, 6, 7], "one to six horizons"),
        ([28, 0, -3], "not -3, 0"),
        ([28, 84, 28], "stands there twice"),
    ],
)
def test_horizons_that_make_no_sense_are_refused(horizons: list[int], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        ValueSection.model_validate({"horizons_days": horizons})


def test_one_horizon_needs_no_brackets() -> None:
    assert ValueSection.model_validate({"horizons_days": 56}).horizons_days == (56,)


def test_a_test_is_closed_on_the_day_and_what_it_learns_from_was_closed_by_it() -> None:
    plan = Value().plan(PARAMS, date(2024, 9, 1), FIRST)
    test, wait = date(2024, 9, 1) - timedelta(days=30), timedelta(days=30)
    assert plan.quoted == Cutoffs(test, (test - wait, test - 2 * wait))
    # It is chosen on the latest of them, by what had closed before that.
    assert plan.choice == Cutoffs(test - wait, (test - 2 * wait,))


def test_customers_are_known_for_a_horizon_on_every_cut_off() -> None:
    found = cutoffs_for_test(PARAMS, FIRST + timedelta(days=60), FIRST)
    assert found.training == (FIRST + timedelta(days=30),)
    assert cutoffs_for_test(PARAMS, FIRST + timedelta(days=57), FIRST).training == ()


def test_a_backtest_ends_where_outcomes_are_known() -> None:
    newest = date(2024, 8, 10)
    steps = walk_over(PARAMS, date(2025, 1, 1), FIRST, newest)
    assert steps[-1].test == newest + timedelta(days=1 - 30)
    assert [later.test - one.test for one, later in pairwise(steps)] == [timedelta(days=30)] * (
        len(steps) - 1
    )
    with pytest.raises(DataError, match="too little history for a first horizon of 28 days"):
        walk_over(PARAMS, date(2025, 1, 1), FIRST, date(2024, 2, 10))


def facts(n_customers: int, n_days: int = 300) -> DataFacts:
    days = tuple(OrderDay(FIRST + timedelta(days=one), 5) for one in range(n_days))
    return DataFacts(FIRST + timedelta(days=n_days), days, n_customers, 9000, 9, None)


ENOUGH = CustomerCounts(900, 700, 900, 300)


def levels(
    n_customers: int = 900,
    now: CustomerCounts | None = ENOUGH,
    at_test: CustomerCounts | None = ENOUGH,
    n_days: int = 300,
) -> dict[str, str]:
    known = facts(n_customers, n_days)
    cutoffs = cutoffs_for_test(PARAMS, known.as_of - timedelta(days=30), FIRST)
    found = value_verdicts(known, params=PARAMS, cutoffs=cutoffs, now=now, at_test=at_test)
    return {one.check: one.level for one in found}


def test_enough_of_everything_is_ok() -> None:
    found = levels()
    assert {found[name] for name in ("history", "customers", "repeat_customers", "spenders")} == {
        "ok"
    }


@pytest.mark.parametrize(
    ("check", "level", "given"),
    [
        ("history", "error", {"n_days": 80, "now": None, "at_test": None}),
        ("history", "warning", {"n_days": 100}),
        ("customers", "error", {"n_customers": 1, "now": None, "at_test": None}),
        ("customers", "error", {"at_test": CustomerCounts(5, 5, 5, 5)}),
        ("customers", "warning", {"at_test": CustomerCounts(60, 50, 60, 9)}),
        ("repeat_customers", "error", {"now": CustomerCounts(900, 0, 900, 300)}),
        ("repeat_customers", "warning", {"now": CustomerCounts(900, 12, 900, 300)}),
        ("spenders", "error", {"at_test": CustomerCounts(900, 700, 900, 0)}),
        ("spenders", "error", {"at_test": CustomerCounts(900, 700, 0, 0)}),
    ],
)
def test_what_the_data_lack_is_said(check: str, level: str, given: dict[str, object]) -> None:
    assert levels(**given)[check] == level  # type: ignore[arg-type]


def test_the_rules_are_always_tried() -> None:
    names = [one.name for one in Value().candidates(ValueSection(candidates=("bg_nbd",)))]
    assert names == ["carried_forward", "own_rate", "rfm_cell", "bg_nbd"]
