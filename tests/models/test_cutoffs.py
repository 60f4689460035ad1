"""Which cut-offs a training learns from, chooses on and is quoted on."""

from __future__ import annotations

from datetime import date, timedelta

from crm_spark.models.churn.definition import Churn
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.cutoffs import Cutoffs, Plan, closed_cutoffs, plan_with_choice
from crm_spark.models.recommender.definition import Recommender
from crm_spark.models.recommender.section import RecommendationsSection

DAY = date(2024, 7, 1)
FIRST = date(2023, 1, 1)
WEEK = timedelta(days=7)


def test_cutoffs_had_closed_by_the_test_and_are_not_older_than_the_oldest() -> None:
    found = closed_cutoffs(DAY, oldest=DAY - 5 * WEEK, closes_after=2 * WEEK, every=WEEK, n=9)
    assert found == Cutoffs(DAY, tuple(DAY - n * WEEK for n in (2, 3, 4, 5)))


def test_the_choice_is_made_on_a_cutoff_that_closed_by_the_test_by_those_that_closed_by_it() -> (
    None
):
    quoted = closed_cutoffs(DAY, oldest=FIRST, closes_after=2 * WEEK, every=WEEK, n=4)
    plan = plan_with_choice(quoted, closes_after=2 * WEEK)
    assert plan.choice == Cutoffs(DAY - 2 * WEEK, (DAY - 4 * WEEK, DAY - 5 * WEEK))
    assert plan.quoted == quoted
    assert set(plan.dates) == set(quoted.all), "choosing asks for no further date"


def test_with_too_little_history_there_is_no_cutoff_to_choose_on() -> None:
    for training in ((), (DAY - 2 * WEEK,), (DAY - 2 * WEEK, DAY - 3 * WEEK)):
        quoted = Cutoffs(DAY, training)
        assert plan_with_choice(quoted, closes_after=2 * WEEK) == Plan(quoted)


def test_churn_is_quoted_on_the_latest_closed_cutoff_and_chosen_a_horizon_before() -> None:
    plan = Churn().plan(ChurnSection(), DAY, FIRST)
    horizon = timedelta(days=28)
    assert plan.quoted.test == DAY - horizon
    assert plan.choice is not None
    assert plan.choice.test == plan.quoted.calibration == DAY - 2 * horizon
    assert plan.choice.training == plan.quoted.training[1:]
    assert all(day + horizon <= plan.choice.test for day in plan.choice.training)


def test_the_ladder_is_chosen_a_horizon_before_the_test_where_history_tells_what_is_popular() -> (
    None
):
    section = RecommendationsSection(horizon_days=28)
    plan = Recommender().plan(section, DAY, FIRST)
    assert plan.choice is not None and plan.choice.test == DAY - timedelta(days=56)
    for days_before, chooses in ((0, False), (1, False), (55, False), (56, True)):
        first = plan.choice.test - timedelta(days=days_before)
        early = Recommender().plan(section, DAY, first)
        assert early.is_possible
        assert (early.choice is not None) == chooses
