"""Which dates of features a day needs, and as of which day its models are trained; no Spark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crm_spark.config import Config
from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.features.targets import GENERATIONS, feature_targets
from crm_spark.jobs.declared import example_config
from crm_spark.lake.state import Output, OutputRow, State, Target
from crm_spark.models.contract import Read
from crm_spark.models.registry import find_model
from crm_spark.models.targets import NEWEST_EVENT, champion_row
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


def row_of(target: Target, sequence: int, state: State, **facts: str) -> OutputRow:
    """Give the row that making a target leaves."""
    return OutputRow(
        target.output,
        "written",
        "job",
        sequence,
        "run",
        sequence,
        f"{sequence}",
        state.input_versions(target),
        fingerprint=target.fingerprint,
        generation=target.generation,
        facts=facts,
    )


def made(plan: DayPlan, *, newest: date | None = None) -> list[OutputRow]:
    """Give the rows of core, of all features and of the trainings that a run of a plan leaves."""
    rows: list[OutputRow] = []
    state = State([], midnight=midnight)

    def make(target: Target, **facts: str) -> None:
        row = row_of(target, len(rows) + 1, state, **facts)
        state.add([row])
        rows.append(row)

    for name in ("core.transactions", "core.products", "core.events", "core.feedback"):
        make(Target(Output(name)))
    for feature in feature_targets(plan.feature_settings(), plan.feature_dates()):
        make(feature)
    for model in made_models(plan.config):
        day = newest or plan.day - timedelta(days=1)
        make(plan.training_target(model), **{NEWEST_EVENT: day.isoformat()})
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
    def trained_as_of(config: Config, day: date, first: date = FIRST) -> set[date]:
        plan = replace(plan_of(config, day), first_order=first)
        return {plan.training_day_of(model) for model in made_models(config)}

    assert trained_as_of(weekly, WEDNESDAY) == {MONDAY}
    assert trained_as_of(weekly, MONDAY - timedelta(days=1)) == {MONDAY - timedelta(days=7)}
    assert trained_as_of(daily, WEDNESDAY) == {WEDNESDAY}
    # Nothing is known before the Monday of the first order; contracts need no orders.
    young = replace(plan_of(weekly, WEDNESDAY), first_order=MONDAY)
    days = {model.name: young.training_day_of(model) for model in made_models(weekly)}
    assert days.pop("contract_churn") == MONDAY
    assert set(days.values()) == {WEDNESDAY}


def test_a_day_on_which_history_carries_a_model_does_not_wait_for_a_training_day(
    daily: Config,
) -> None:
    config = daily.model_copy(update={"training": TrainingSection(every_days=28)})
    churn = find_model("churn")
    first = date(2024, 1, 1)
    possible = [
        day
        for day in (first + timedelta(days=n) for n in range(1, 200))
        if churn.plan(churn.section(), day, first).is_possible
    ]
    earliest = replace(plan_of(config, possible[0]), first_order=first)
    assert earliest.training_day_of(churn) == possible[0]


def test_a_model_that_learns_from_other_tables_of_its_day_is_trained_on_each(
    weekly: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = find_model("segments")
    assert plan_of(weekly, WEDNESDAY).training_day_of(segments) == MONDAY

    def of_rfm(*_: object) -> Sequence[Read]:
        return (Read(CUSTOMER_RFM, (MONDAY,)),)

    monkeypatch.setattr(type(segments), "learns_from", of_rfm)
    assert plan_of(weekly, WEDNESDAY).training_day_of(segments) == WEDNESDAY


CUTOFFS = {MONDAY - timedelta(days=28 * n) for n in range(8)}


def test_between_training_days_features_are_built_to_score_alone(weekly: Config) -> None:
    before = plan_of(weekly, WEDNESDAY)
    assert set(before.feature_dates().snapshots) > CUTOFFS
    assert before.feature_dates().prices == (WEDNESDAY, MONDAY)
    rows = made(before)
    after = plan_of(weekly, WEDNESDAY, *rows)
    assert all(after.is_kept(after.training_target(model)) for model in made_models(weekly))
    dates = after.feature_dates()
    assert (dates.snapshots, dates.prices) == ((WEDNESDAY,), (WEDNESDAY,))
    assert dates.interactions == (WEDNESDAY,)
    # On the training day itself its cut-offs stay needed: lines that come late change them.
    assert set(plan_of(weekly, MONDAY, *rows).feature_dates().snapshots) >= CUTOFFS


def changed_lines(row: OutputRow, sequence: int, **changes: Any) -> OutputRow:
    """Give the row of order lines to which one came late."""
    late = {"version": sequence, "checksum": "late", "changed_from": midnight(date(2024, 6, 11))}
    return replace(row, sequence=sequence, replaces_all=False, **{**late, **changes})


def kept_after(weekly: Config, rows: Sequence[OutputRow]) -> set[bool]:
    """Say which of the trainings are kept, true or false, and check what that asks for."""
    plan = plan_of(weekly, WEDNESDAY, *rows)
    kept = {model.name: plan.is_kept(plan.training_target(model)) for model in made_models(weekly)}
    wants_cutoffs = set(plan.feature_dates().snapshots) >= CUTOFFS
    assert wants_cutoffs is not kept["churn"]
    return {is_kept for name, is_kept in kept.items() if name != "contract_churn"}


def test_lines_that_come_late_leave_a_training_alone(weekly: Config) -> None:
    rows = made(plan_of(weekly, WEDNESDAY))
    assert kept_after(weekly, [*rows, changed_lines(rows[0], 1_000)]) == {True}
    # As of the Monday itself they do not.
    monday = plan_of(weekly, MONDAY, *rows, changed_lines(rows[0], 1_000))
    training = monday.training_target(find_model("churn"))
    assert monday.state.why_not_current(training) == "core.transactions changed"


def test_lines_that_are_mapped_otherwise_do_not(weekly: Config) -> None:
    rows = made(plan_of(weekly, WEDNESDAY))
    assert kept_after(weekly, [*rows, changed_lines(rows[0], 1_000, fingerprint="other")]) == {
        False
    }


def test_features_that_other_code_makes_do_not(
    weekly: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = made(plan_of(weekly, WEDNESDAY))
    name = CUSTOMER_SNAPSHOT.name
    monkeypatch.setitem(GENERATIONS, name, GENERATIONS[name] + 1)
    plan = plan_of(weekly, WEDNESDAY, *rows)
    kept = {model.name: plan.is_kept(plan.training_target(model)) for model in made_models(weekly)}
    assert not kept["churn"] and not kept["segments"]
    assert kept["value"], "which reads no snapshot"
    assert set(plan.feature_dates().snapshots) >= CUTOFFS


def test_a_training_of_a_history_that_had_not_come_to_its_end_is_not_kept(weekly: Config) -> None:
    before = plan_of(weekly, WEDNESDAY)
    whole = made(before, newest=MONDAY - timedelta(days=1))
    short = made(before, newest=MONDAY - timedelta(days=3))
    assert kept_after(weekly, [*whole, changed_lines(whole[0], 1_000)]) == {True}
    assert kept_after(weekly, [*short, changed_lines(short[0], 1_000)]) == {False}


def test_a_training_that_could_not_be_had_is_tried_again_when_what_it_reads_changes(
    weekly: Config,
) -> None:
    rows = made(plan_of(weekly, WEDNESDAY))
    refused = [
        replace(row, status="unavailable", reason="no")
        if row.output.name.startswith("models.")
        else row
        for row in rows
    ]
    assert kept_after(weekly, refused) == {False}


def test_a_training_by_other_code_is_made_anew(weekly: Config) -> None:
    rows = [
        replace(row, generation=row.generation - 1)
        if row.output.name.startswith("models.")
        else row
        for row in made(plan_of(weekly, WEDNESDAY))
    ]
    plan = plan_of(weekly, WEDNESDAY, *rows)
    reasons = {plan.state.why_not_current(plan.training_target(one)) for one in made_models(weekly)}
    assert reasons == {"it was made by another version of crm_spark"}


def test_a_model_of_other_code_scores_nothing_while_there_is_one_of_this(weekly: Config) -> None:
    churn = find_model("churn")
    plan = plan_of(weekly, WEDNESDAY)
    target = plan.training_target(churn)
    name, state = target.output.name, plan.state
    tuesday = MONDAY + timedelta(days=1)
    of_tuesday = replace(row_of(target, 1, state), output=Output(name, tuesday), generation=1)
    of_monday = row_of(target, 2, state)
    both = plan_of(weekly, WEDNESDAY, of_tuesday, of_monday).state
    assert champion_row(both, name, WEDNESDAY, churn.generation) == of_monday
    alone = plan_of(weekly, WEDNESDAY, of_tuesday).state
    assert champion_row(alone, name, WEDNESDAY, churn.generation) == of_tuesday
