"""What could not be had stands on the page with its reasons."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from crm_spark.errors import listed
from crm_spark.lake.state import Output, OutputRow, State, Status
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.registry import MODELS
from crm_spark.models.targets import training_name
from crm_spark.models.training_section import TrainingSection
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.missing_report import MissingModel, read_missing, show_missing
from crm_spark.report.blocks import TextTable
from crm_spark.tables.mapped import Mapped

DAY = date(2018, 12, 25)
CHURN = next(model for model in MODELS if model.name == "churn")
RECOMMENDER = next(model for model in MODELS if model.name == "recommender")


def plan_with(
    status: Status | None, reason: str | None = None, *columns: str, scored: bool = False
) -> DayPlan:
    """Give the plan of a day of a lake that has one training of it, with these columns mapped."""
    names = [training_name(model, model.section()) for model in (CHURN, RECOMMENDER)]
    rows = [
        OutputRow(Output(name, DAY), status, "train", number, reason=reason)
        for number, name in enumerate(names, start=1)
        if status
    ]
    if scored:
        rows.append(OutputRow(Output(CUSTOMER_CHURN.name, DAY), "written", "score", 9))
    config: Any = SimpleNamespace(
        mapped=Mapped({"transactions": frozenset(columns)}),
        section_of=lambda model: model.section(),
        training=TrainingSection(),
    )
    state = State(rows, midnight=lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC))
    return DayPlan(config, DAY, date(2018, 1, 1), state)


@pytest.mark.parametrize(
    ("reason", "reasons"),
    [
        (listed(f"churn cannot be trained as of {DAY}", ["this", "that"]), ("this", "that")),
        (listed(f"churn cannot be trained as of {DAY}", ["this: do that"]), ("this: do that",)),
        ("features have the same value for all", ("features have the same value for all",)),
    ],
)
def test_each_fault_of_a_training_that_ended_without_a_version_is_a_reason(
    reason: str, reasons: tuple[str, ...]
) -> None:
    found = read_missing(plan_with("unavailable", reason), [CHURN])
    assert found == (MissingModel("churn", "train_churn", reasons),)


def test_a_model_that_an_earlier_version_scored_all_the_same_is_not_missing() -> None:
    assert read_missing(plan_with("unavailable", "too short", scored=True), [CHURN]) == ()


@pytest.mark.parametrize("status", [None, "written", "dropped"])
def test_a_model_that_was_never_tried_or_was_trained_is_not_missing(status: Status | None) -> None:
    assert read_missing(plan_with(status), [CHURN]) == ()


def test_a_model_that_the_mapping_lacks_a_column_for_says_which() -> None:
    (found,) = read_missing(plan_with(None), [RECOMMENDER])
    assert "map it in sources.transactions.columns" in found.reasons[0]
    assert read_missing(plan_with(None, None, "product_id"), [RECOMMENDER]) == ()


def test_missing_models_are_listed_once_each_with_every_reason() -> None:
    subject = show_missing(
        [
            MissingModel("churn", "train_churn", ("this", "that")),
            MissingModel("segments", "train_segments", ("all alike",)),
        ]
    )
    assert subject is not None
    (table,) = subject.sections[0].blocks
    assert isinstance(table, TextTable)
    assert table.rows == [["churn", "this"], ["churn", "that"], ["segments", "all alike"]]
    assert subject.lines == ("Not to be had: churn, segments (the report and ops.checks say why)",)
    assert show_missing([]) is None
