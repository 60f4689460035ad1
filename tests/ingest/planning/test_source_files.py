"""Which runs' files a core table holds, known from the rows of the state alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from crm_spark.ingest.planning.source_files import ADDED_TO, LOADED_BY, runs_that_count
from crm_spark.lake.state import Output, OutputRow, State

LINES = Output("core.transactions")


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def loaded(sequence: int, run_id: str, added_to: int | None = None) -> OutputRow:
    """Give the row that a load leaves: of all of a source, or of what was new after another."""
    facts = {LOADED_BY: run_id} | ({ADDED_TO: str(added_to)} if added_to else {})
    return OutputRow(
        LINES, "written", "ingest_sources", sequence, run_id, version=sequence, facts=facts
    )


def counted(*rows: OutputRow) -> list[str]:
    return runs_that_count(State(rows, midnight=midnight), LINES)


def test_the_newest_load_of_all_and_what_was_added_to_it_count() -> None:
    rows = [loaded(1, "first"), loaded(2, "anew"), loaded(3, "day one", 2), loaded(4, "day two", 3)]
    assert counted(*rows) == ["anew", "day one", "day two"]


def test_without_a_row_or_after_a_torn_one_nothing_counts() -> None:
    torn = OutputRow(LINES, "torn", "ingest_sources", 2, "settling", version=3)
    assert counted() == []
    assert counted(loaded(1, "first"), torn) == []
    assert counted(loaded(1, "first"), torn, loaded(3, "anew")) == ["anew"]


def test_a_restored_table_holds_the_files_of_the_load_that_it_was_restored_to() -> None:
    rows = [loaded(1, "first"), loaded(2, "day one", 1)]
    restored = replace(rows[1], sequence=3, version=9, run_id="settling")
    # The run that restored it died before it loaded what it had noted.
    assert counted(*rows, restored) == ["first", "day one"]
    assert counted(*rows, restored, loaded(4, "day two", 3)) == ["first", "day one", "day two"]


def test_a_table_that_an_operator_took_back_holds_the_files_of_that_day() -> None:
    rows = [loaded(1, "first"), loaded(2, "day one", 1), loaded(3, "day two", 2)]
    taken_back = replace(rows[1], sequence=4, version=9, run_id="settling")
    assert counted(*rows, taken_back, loaded(5, "day two", 4)) == ["first", "day one", "day two"]
