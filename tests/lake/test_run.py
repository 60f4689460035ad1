"""What a run knows of its lake without reading it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Doubt, Output, OutputRow, State, Status
from crm_spark.lake.storage import StorageSection
from crm_spark.runtime.run import RunSummary

SCORES = Output("scores.customer_rfm", date(2024, 7, 1))


def run_with(*rows: OutputRow, doubt: Doubt | None = None) -> LakeRun:
    state = State(
        rows,
        doubt_of=lambda _name, _version: doubt,
        midnight=lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC),
    )
    no_session: Any = None
    storage = StorageSection(root="nowhere")
    return LakeRun(no_session, storage, RunSummary("job"), time_zone="UTC", state=state)


def scored(n_rows: int, status: Status = "written", sequence: int = 1) -> OutputRow:
    return OutputRow(SCORES, status, "score_rfm", sequence, version=1, checksum=f"{n_rows:x}-0-0")


@pytest.mark.parametrize(
    ("rows", "doubt", "expected"),
    [
        ([], None, False),
        ([scored(0)], None, False),
        ([scored(17)], None, True),
        ([scored(17)], Doubt(2, frozenset({date(2024, 7, 1)})), False),
        ([scored(17), scored(17, "dropped", sequence=2)], None, False),
    ],
    ids=["never made", "rightly empty", "rows", "cut off while it was written", "dropped"],
)
def test_a_date_has_rows_where_it_is_whole_and_its_checksum_is_of_some(
    rows: list[OutputRow], doubt: Doubt | None, expected: bool
) -> None:
    assert run_with(*rows, doubt=doubt).has_rows(SCORES) is expected


def test_few_order_lines_beside_many_events_are_no_few_rows() -> None:
    def loaded(name: str, n_rows: int, sequence: int) -> OutputRow:
        checksum = f"{n_rows:x}-0-0"
        return OutputRow(Output(name), "written", "ingest_sources", sequence, checksum=checksum)

    lines, events = loaded("core.transactions", 300, 1), loaded("core.events", 9_000_000, 2)
    assert run_with(scored(17)).most_core_rows() is None
    assert run_with(scored(17), lines).most_core_rows() == 300
    assert run_with(lines, events).most_core_rows() == 9_000_000
    # The newest row of a table is how it stands.
    assert run_with(lines, events, loaded("core.events", 5, 3)).most_core_rows() == 300
