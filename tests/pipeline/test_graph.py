"""The order of jobs follows from what they read and write; no Spark."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from crm_spark.lake.state import InputVersion, Output, OutputRow, State, Target
from crm_spark.pipeline.graph import GraphError, due, in_order, standings

LINES, ORDERS, SCORES = Output("core.lines"), Output("features.orders"), Output("scores.rfm")
JOBS = {
    "score": [Target(SCORES, (ORDERS,))],
    "report": [Target(Output("report"), (), optional=(SCORES,))],
    "ingest": [Target(LINES)],
    "build": [Target(ORDERS, (LINES,))],
}


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def row(sequence: int, output: Output, checksum: str, *inputs: InputVersion) -> OutputRow:
    fingerprint = Target(output).fingerprint
    return OutputRow(
        output,
        "written",
        "job",
        sequence,
        "run",
        sequence,
        checksum,
        inputs,
        fingerprint=fingerprint,
    )


def test_jobs_come_after_those_whose_outputs_they_read() -> None:
    assert in_order(JOBS) == ["ingest", "build", "score", "report"]


def test_jobs_that_do_not_depend_on_one_another_keep_their_order() -> None:
    free = {name: [Target(Output(name))] for name in ("c", "a", "b")}
    assert in_order(free) == ["c", "a", "b"]


def test_two_makers_of_one_output_are_refused() -> None:
    with pytest.raises(GraphError, match=r"core\.lines is written by ingest and by other"):
        in_order({"ingest": [Target(LINES)], "other": [Target(LINES)]})


def test_jobs_that_wait_for_one_another_are_refused() -> None:
    with pytest.raises(GraphError, match="wait for one another"):
        in_order({"one": [Target(LINES, (ORDERS,))], "other": [Target(ORDERS, (LINES,))]})


def test_what_is_due_is_named_with_its_reason() -> None:
    state = State([row(1, LINES, "a")], midnight=midnight)
    assert due(state, [Target(LINES), Target(ORDERS, (LINES,))]) == {ORDERS: "it was never made"}


def test_an_output_is_behind_where_what_it_reads_is() -> None:
    read = InputVersion(ORDERS, 2, "b")
    rows = [row(2, ORDERS, "b", InputVersion(LINES, 1, "a")), row(3, SCORES, "c", read)]
    found = {one.target.output: one for one in standings(State(rows, midnight=midnight), JOBS)}
    assert found[LINES].reason == "it was never made" and not found[LINES].is_whole
    assert found[ORDERS].reason == "core.lines changed" and found[ORDERS].is_whole
    assert found[SCORES].reason == "features.orders is not current" and found[SCORES].is_whole
    assert found[Output("report")].job == "report"
