"""Which cut-offs train and test: nothing may be learnt from labels that were not known yet."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_spark.models.churn.candidates import RULES, candidates_of
from crm_spark.models.churn.section import (
    ChurnSection,
    Cutoffs,
    backtest_dates,
    closed_after,
    cutoffs_for_test,
    latest_closed,
)
from crm_spark.models.classifiers.learners import LEARNERS
from crm_spark.models.classifiers.settings import ForestParams

quickly = settings(max_examples=300, derandomize=True, database=None, deadline=None)
days = st.dates(date(2015, 1, 1), date(2026, 12, 31))
sections = st.builds(
    ChurnSection,
    horizon_days=st.integers(1, 400),
    grace_days=st.integers(0, 60),
    active_days=st.integers(1, 400),
    cutoff_every_days=st.integers(1, 90),
    n_training_cutoffs=st.integers(1, 12),
)
NEVER_MIND = date(1990, 1, 1)
FOUR_WEEKS = ChurnSection(
    horizon_days=28, grace_days=2, active_days=50, cutoff_every_days=10, n_training_cutoffs=3
)


# --- the test cut-off ----------------------------------------------------------------------------


@quickly
@given(sections, days)
def test_the_latest_closed_cutoff_is_the_last_whose_labels_are_known(
    params: ChurnSection, as_of: date
) -> None:
    cutoff = latest_closed(params, as_of)
    known = params.horizon_days + params.grace_days
    assert cutoff + timedelta(days=known) <= as_of < cutoff + timedelta(days=known + 1)


def test_labels_are_known_after_horizon_and_grace() -> None:
    assert closed_after(FOUR_WEEKS) == timedelta(days=30)
    assert latest_closed(FOUR_WEEKS, date(2024, 3, 1)) == date(2024, 1, 31)


# --- the training cut-offs -----------------------------------------------------------------------


@quickly
@given(sections, days, days)
def test_every_training_cutoff_had_closed_by_the_test_cutoff(
    params: ChurnSection, test: date, first_order: date
) -> None:
    closed = timedelta(days=params.horizon_days + params.grace_days)
    cutoffs = cutoffs_for_test(params, test, first_order)
    assert all(day + closed <= test for day in cutoffs.training)
    assert cutoffs.test == test


@quickly
@given(sections, days)
def test_with_enough_history_all_training_cutoffs_are_there_from_the_newest_that_can_be(
    params: ChurnSection, test: date
) -> None:
    training = cutoffs_for_test(params, test, NEVER_MIND).training
    assert len(training) == params.n_training_cutoffs
    assert training[0] + timedelta(days=params.horizon_days + params.grace_days) == test
    steps = {newer - older for newer, older in pairwise(training)}
    assert steps <= {timedelta(days=params.cutoff_every_days)}


@quickly
@given(sections, days, st.integers(0, 1500))
def test_a_cutoff_that_lacks_history_is_left_out_and_no_other(
    params: ChurnSection, test: date, history_days: int
) -> None:
    first_order = test - timedelta(days=history_days)
    wanted = cutoffs_for_test(params, test, NEVER_MIND).training
    enough = [day for day in wanted if (day - first_order).days >= params.active_days]
    assert list(cutoffs_for_test(params, test, first_order).training) == enough


def test_training_cutoffs_of_one_calendar() -> None:
    # 2024-03-01 less 30 days; then every 10 days; 50 days of history are there from 2024-01-20 on.
    cutoffs = cutoffs_for_test(FOUR_WEEKS, date(2024, 3, 1), date(2023, 12, 1))
    assert cutoffs.training == (date(2024, 1, 31), date(2024, 1, 21))
    assert cutoffs.calibration == date(2024, 1, 31)
    assert cutoffs.all == (date(2024, 3, 1), date(2024, 1, 31), date(2024, 1, 21))


def test_a_cutoff_with_exactly_enough_history_is_used() -> None:
    one_day_more = cutoffs_for_test(FOUR_WEEKS, date(2024, 3, 1), date(2023, 12, 12))
    exactly = cutoffs_for_test(FOUR_WEEKS, date(2024, 3, 1), date(2023, 12, 2))
    assert exactly.training == (date(2024, 1, 31), date(2024, 1, 21))
    assert one_day_more.training == (date(2024, 1, 31),)


@pytest.mark.parametrize("first_order", [date(2023, 12, 13), date(2024, 2, 1), date(2024, 6, 1)])
def test_too_little_history_leaves_nothing_to_learn_from(first_order: date) -> None:
    cutoffs = cutoffs_for_test(FOUR_WEEKS, date(2024, 3, 1), first_order)
    assert cutoffs == Cutoffs(date(2024, 3, 1), ())
    assert cutoffs.all == (date(2024, 3, 1),)


# --- walking over many test cut-offs -------------------------------------------------------------


@quickly
@given(sections, days)
def test_a_backtest_walks_over_six_closed_cutoffs_a_horizon_apart(
    params: ChurnSection, as_of: date
) -> None:
    walked = backtest_dates(params, as_of, NEVER_MIND)
    closed = timedelta(days=params.horizon_days + params.grace_days)
    assert len(walked) == 6
    assert walked[-1] == as_of - closed
    assert {later - earlier for earlier, later in pairwise(walked)} == {
        timedelta(days=params.horizon_days)
    }


@quickly
@given(sections, days, st.integers(0, 2500))
def test_a_backtest_leaves_out_just_the_cutoffs_that_have_nothing_to_learn_from(
    params: ChurnSection, as_of: date, history_days: int
) -> None:
    first_order = as_of - timedelta(days=history_days)
    # The newest training cut-off lies `closed` before the test, and needs active_days of history.
    needed = timedelta(days=params.active_days + params.horizon_days + params.grace_days)
    walked = backtest_dates(params, as_of, first_order)
    expected = [
        day for day in backtest_dates(params, as_of, NEVER_MIND) if day - first_order >= needed
    ]
    assert list(walked) == expected


def test_configured_backtest_cutoffs_are_walked_in_order() -> None:
    chosen = (date(2024, 3, 1), date(2023, 3, 1), date(2023, 9, 1))
    params = ChurnSection(backtest_cutoffs=chosen)
    assert list(backtest_dates(params, date(2025, 1, 1), NEVER_MIND)) == sorted(chosen)


# --- the section ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon_days": 0},
        {"active_days": 0},
        {"grace_days": -1},
        {"n_training_cutoffs": 0},
        {"threshold": 0},
        {"threshold": 1},
        {"forest": {"n_trees": 0}},
        {"forest": {"depth": 3}},
        {"horizon": 28},
        {"logistic_penalty": -1},
        {"explained_deciles": 11},
        {"n_reasons": -1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ChurnSection.model_validate(wrong)


def test_a_section_cannot_be_changed_once_it_is_made() -> None:
    with pytest.raises(ValidationError):
        FOUR_WEEKS.horizon_days = 7  # type: ignore[misc]
    with pytest.raises(ValidationError):
        ForestParams().n_trees = 1  # type: ignore[misc]


def test_trusted_features_are_those_of_the_catalogue() -> None:
    section = ChurnSection.model_validate({"trusted_features": ["tenure_days", "n_orders"]})
    assert section.trusted_features == ("n_orders", "tenure_days")
    # Their order makes no other model.
    assert section == ChurnSection(trusted_features=("n_orders", "tenure_days", "n_orders"))
    with pytest.raises(ValidationError, match=r"'n_order', did you mean 'n_orders'\?"):
        ChurnSection.model_validate({"trusted_features": ["n_order"]})


# --- the candidates ------------------------------------------------------------------------------


def test_all_candidates_are_tried_unless_some_are_named() -> None:
    names = [candidate.name for candidate in candidates_of(ChurnSection())]
    assert names == [*RULES, "forest", "logistic_regression", "average"]


@pytest.mark.parametrize(
    ("named", "tried"),
    [
        (["forest"], ["forest"]),
        (["logistic_regression"], ["logistic_regression"]),
        (["logistic_regression", "forest"], ["forest", "logistic_regression"]),
        (["average", "logistic_regression", "forest", "forest"], None),
        ([], []),
    ],
)
def test_named_candidates_are_tried_beside_all_rules(
    named: list[str], tried: list[str] | None
) -> None:
    section = ChurnSection.model_validate({"candidates": named})
    candidates = candidates_of(section)
    expected = ["forest", "logistic_regression", "average"] if tried is None else tried
    assert [candidate.name for candidate in candidates] == [*RULES, *expected]
    assert [candidate.name for candidate in candidates if candidate.is_rule] == list(RULES)
    # What is made of others comes after them.
    for place, candidate in enumerate(candidates):
        assert set(candidate.parts) <= {earlier.name for earlier in candidates[:place]}


def test_the_order_of_candidates_makes_no_other_model() -> None:
    one = ChurnSection(candidates=("forest", "logistic_regression"))
    assert one == ChurnSection(candidates=("logistic_regression", "forest", "forest"))


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (["average"], "name forest and logistic_regression, too"),
        (["average", "forest"], "name logistic_regression, too"),
        (["logistic_regression", "average"], "name forest, too"),
    ],
)
def test_an_average_without_its_parts_is_refused(named: list[str], says: str) -> None:
    with pytest.raises(ValidationError, match=f"average is the mean of others: {says}"):
        ChurnSection.model_validate({"candidates": named})


def test_a_candidate_that_is_unknown_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError) as refused:
        ChurnSection.model_validate({"candidates": ["forest", "boosting"]})
    (error,) = refused.value.errors()
    assert error["loc"] == ("candidates", 1)
    assert all(f"'{one.name}'" in error["msg"] for one in LEARNERS)


def test_a_candidate_has_the_settings_that_make_another_model_of_it() -> None:
    section = ChurnSection(forest=ForestParams(n_trees=7), logistic_penalty=5.0)
    settings = {one.name: dict(one.settings(section)) for one in candidates_of(section)}
    assert settings["logistic_regression"] == {"logistic_penalty": 5.0}
    assert settings["forest"] == section.forest.model_dump()
    assert all(settings[name] == {} for name in RULES)


# --- early warning -------------------------------------------------------------------------------


def test_a_lapse_is_two_horizons_as_far_as_customers_are_scored() -> None:
    assert (FOUR_WEEKS.lapse_days, FOUR_WEEKS.silent_days) == (50, 25)
    longer = ChurnSection(horizon_days=28, active_days=84)
    assert (longer.lapse_days, longer.silent_days) == (56, 28)
    assert longer.backtest_days == 182
    assert ChurnSection(horizon_days=60, active_days=180).backtest_days == 310
    asked = ChurnSection(alerts={"lapse_days": 40, "silent_days": 10})
    assert (asked.lapse_days, asked.silent_days) == (40, 10)


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({"lapse_days": 51}, "lapse_days 51 is beyond active_days 50"),
        ({"silent_days": 50}, "silent_days 50 has to be below lapse_days 50"),
        ({"lapse_days": 20, "silent_days": 30}, "silent_days 30 has to be below lapse_days 20"),
        (
            {"backtest_days": 100},
            "backtest_days 100 is too few for lapses of 50 days",
        ),
    ],
)
def test_an_alert_has_to_come_before_a_lapse_and_a_lapse_while_there_are_scores(
    alerts: dict[str, int], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        ChurnSection(horizon_days=28, active_days=50, alerts=alerts)
