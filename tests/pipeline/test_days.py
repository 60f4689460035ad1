"""Which dates of features a day needs, and as of which day its models are trained; no Spark."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from crm_spark.config import Config
from crm_spark.jobs.declared import example_config
from crm_spark.lake.state import OutputRow, State
from crm_spark.models.training_section import TrainingSection
from crm_spark.pipeline.days import DayPlan, feature_dates, made_models

MONDAY, FIRST = date(2024, 7, 1), date(2023, 1, 1)
WEDNESDAY = MONDAY + timedelta(days=2)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.fixture(scope="module")
def daily() -> Config:
    """Give a configuration with every source and model."""
    return example_config()


@pytest.fixture(scope="module")
def weekly(daily: Config) -> Config:
    """Give the same with models that are trained on Mondays."""
    return daily.model_copy(update={"training": TrainingSection(every_days=7)})


def plan_of(config: Config, day: date, *rows: OutputRow) -> DayPlan:
    return DayPlan(config, day, FIRST, State(rows, midnight=midnight))


def trained(plan: DayPlan) -> list[OutputRow]:
    """Give the rows that trainings of a plan leave, of what was never made before it."""
    rows = []
    for sequence, model in enumerate(made_models(plan.config), start=1):
        target = plan.training_target(model)
        inputs = plan.state.input_versions(target)
        rows.append(
            OutputRow(
                target.output,
                "written",
                model.train_job,
                sequence,
                "run",
                sequence,
                "1",
                inputs,
                fingerprint=target.fingerprint,
                generation=target.generation,
            )
        )
    return rows


def test_features_are_built_for_the_dates_that_models_need_and_no_other(daily: Config) -> None:
    models = made_models(daily)
    months = tuple(MONDAY - timedelta(days=28 * n) for n in range(8))
    found = feature_dates(daily, MONDAY, FIRST, models)
    assert (found.snapshots, found.interactions) == (months, months[:3])
    assert found.prices == (MONDAY,)
    young = feature_dates(daily, MONDAY, MONDAY - timedelta(days=30), models)
    assert young.interactions == months[:2]
    assert feature_dates(daily, MONDAY, FIRST, ()).snapshots == (MONDAY,)


@pytest.mark.parametrize("every", [1, 7, 10, 28, 400])
def test_a_training_day_serves_the_days_after_it_whichever_is_asked(every: int) -> None:
    section = TrainingSection(every_days=every)
    days = [FIRST + timedelta(days=n) for n in range(900)]
    found = [section.newest_day(day) for day in days]
    assert all(0 <= (day - newest).days < every for day, newest in zip(days, found, strict=True))
    assert {section.newest_day(newest) for newest in found} == set(found)
    assert len(set(found)) <= 900 // every + 2


def test_a_week_begins_on_a_monday_and_every_day_is_its_own_with_one(
    daily: Config, weekly: Config
) -> None:
    assert plan_of(weekly, WEDNESDAY).training_day == MONDAY
    assert plan_of(weekly, MONDAY - timedelta(days=1)).training_day == MONDAY - timedelta(days=7)
    assert plan_of(daily, WEDNESDAY).training_day == WEDNESDAY
    # Nothing is known before the Monday of the first order.
    first = replace(plan_of(weekly, WEDNESDAY), first_order=MONDAY)
    assert first.training_day == WEDNESDAY


def test_between_training_days_features_are_built_to_score_alone(weekly: Config) -> None:
    before = plan_of(weekly, WEDNESDAY)
    cutoffs = {MONDAY - timedelta(days=28 * n) for n in range(8)}
    assert cutoffs < set(before.feature_dates().snapshots)
    assert before.feature_dates().prices == (WEDNESDAY, MONDAY)
    rows = trained(before)
    after = plan_of(weekly, WEDNESDAY, *rows).feature_dates()
    assert (after.snapshots, after.prices) == ((WEDNESDAY,), (WEDNESDAY,))
    assert after.interactions == (WEDNESDAY,)
    # Those of a training that could not be had are needed again: what it lacked may have come.
    lost = [replace(row, status="unavailable") for row in rows]
    of_lost = plan_of(weekly, WEDNESDAY, *[replace(row, inputs=()) for row in lost])
    assert cutoffs < set(of_lost.feature_dates().snapshots)
    # On the training day itself its cut-offs stay needed: lines that come late change them.
    assert cutoffs <= set(plan_of(weekly, MONDAY, *rows).feature_dates().snapshots)


def test_a_training_is_anew_where_its_settings_or_code_change(weekly: Config) -> None:
    rows = trained(plan_of(weekly, WEDNESDAY))
    older = [replace(row, generation=row.generation - 1) for row in rows]
    plan = plan_of(weekly, WEDNESDAY, *older)
    reasons = {plan.state.why_not_current(plan.training_target(one)) for one in made_models(weekly)}
    assert reasons == {"it was made by another version of crm_spark"}
