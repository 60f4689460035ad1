"""What is whole and what is current, walked through as users meet it; no Spark."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crm_spark.lake.state import UNTOUCHED, Doubt, Output, OutputRow, State, Status, Target

LINES = Output("core.transactions")
ORDERS = Output("features.customer_orders")
JUNE, JULY = date(2024, 6, 1), date(2024, 7, 1)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def snapshot(day: date, **settings: Any) -> Target:
    return Target(Output("features.customer_snapshot", day), (LINES, ORDERS), settings)


def training(day: date, **settings: Any) -> Target:
    """Give a training, which is named by its settings: those of others stand beside it."""
    name = "models.churn/" + "-".join(map(str, settings.values()))
    return Target(Output(name, day), (snapshot(day).output,), settings)


class Lake:
    """A lake of which only the state is there: finished outputs, and commits without rows."""

    def __init__(self) -> None:
        self.doubts: dict[str, Doubt] = {}
        self.rows: list[OutputRow] = []
        self.versions: dict[str, int] = {}

    def state(self) -> State:
        """Read the state as a fresh process does."""
        return State(
            self.rows, doubt_of=lambda name, _version: self.doubts.get(name), midnight=midnight
        )

    def make(
        self,
        target: Target,
        checksum: str,
        *,
        changed_from: datetime | None = None,
        replaces_all: bool = True,
        status: Status = "written",
    ) -> None:
        """Finish an output under a new version of its table."""
        state = self.state()
        version = self.versions.get(target.output.name, 0) + 1
        self.versions[target.output.name] = version
        self.doubts.pop(target.output.name, None)
        self.rows.append(
            OutputRow(
                target.output,
                status,
                "job",
                state.next_sequence,
                f"run {state.next_sequence}",
                version,
                checksum,
                state.input_versions(target),
                target.settings_json,
                target.fingerprint,
                target.generation,
                changed_from,
                replaces_all,
            )
        )

    def die_writing(self, name: str, *dates: date) -> None:
        """Commit to a table without a row."""
        version = self.versions.get(name, 0) + 1
        self.versions[name] = version
        self.doubts[name] = Doubt(version, frozenset(dates) if dates else None)

    def deliver(self, checksum: str, *, changed_from: datetime | None = None) -> None:
        """Load order lines; without `changed_from` all of them anew."""
        is_whole = changed_from is None
        lines = Target(LINES)
        self.make(lines, checksum, changed_from=changed_from, replaces_all=is_whole)

    def why(self, target: Target) -> str | None:
        """Ask a fresh process why a target is not current."""
        return self.state().why_not_current(target)


@pytest.fixture
def lake() -> Lake:
    """Give a lake with lines, orders, and snapshots of June and July."""
    made = Lake()
    made.deliver("lines 1")
    made.make(Target(ORDERS, (LINES,)), "orders 1")
    made.make(snapshot(JUNE), "june 1")
    made.make(snapshot(JULY), "july 1")
    return made


def test_nothing_is_current_on_an_empty_lake() -> None:
    assert Lake().why(snapshot(JUNE)) == "it was never made"


def test_what_was_made_is_current_for_the_next_process(lake: Lake) -> None:
    assert lake.why(snapshot(JUNE)) is None
    assert lake.why(Target(ORDERS, (LINES,))) is None


def test_a_date_that_was_never_made_is_not_current_beside_others_that_are(lake: Lake) -> None:
    assert lake.why(snapshot(date(2024, 5, 1))) == "it was never made"


def test_lines_of_a_later_day_leave_an_earlier_date_current_and_not_a_later_one(lake: Lake) -> None:
    lake.deliver("lines 2", changed_from=midnight(JUNE) + timedelta(days=3))
    lake.make(Target(ORDERS, (LINES,)), "orders 2", changed_from=midnight(JUNE) + timedelta(days=3))
    assert lake.why(snapshot(JUNE)) is None
    assert lake.why(snapshot(JULY)) == f"{LINES}, {ORDERS} changed"


def test_a_change_at_the_very_midnight_of_a_date_is_none_of_its_business(lake: Lake) -> None:
    lake.deliver("lines 2", changed_from=midnight(JUNE))
    assert lake.why(snapshot(JUNE)) is None
    lake.deliver("lines 3", changed_from=midnight(JUNE) - timedelta(microseconds=1))
    assert lake.why(snapshot(JUNE)) == f"{LINES} changed"


def test_one_late_change_among_many_is_enough(lake: Lake) -> None:
    lake.deliver("lines 2", changed_from=midnight(JULY))
    lake.deliver("lines 3", changed_from=midnight(JUNE) - timedelta(days=9))
    lake.deliver("lines 4", changed_from=midnight(JULY) + timedelta(days=1))
    assert lake.why(snapshot(JUNE)) == f"{LINES} changed"


def test_a_source_loaded_anew_with_the_same_content_stales_nothing(lake: Lake) -> None:
    lake.deliver("lines 1")
    assert lake.why(snapshot(JUNE)) is None


def test_a_source_loaded_anew_with_other_content_stales_everything(lake: Lake) -> None:
    lake.deliver("lines 2")
    assert lake.why(snapshot(JUNE)) == f"{LINES} changed"


def test_a_commit_of_a_killed_run_puts_only_its_dates_in_doubt(lake: Lake) -> None:
    lake.die_writing("features.customer_snapshot", JULY)
    assert lake.why(snapshot(JULY)) == "a run was cut off while it wrote it"
    assert lake.why(snapshot(JUNE)) is None
    lake.make(snapshot(JULY), "july 1")
    assert lake.why(snapshot(JULY)) is None


def test_a_killed_run_between_two_tables_leaves_the_first_one_done(lake: Lake) -> None:
    lake.deliver("lines 2", changed_from=midnight(JUNE) - timedelta(days=1))
    lake.make(Target(ORDERS, (LINES,)), "orders 2")
    lake.die_writing("features.customer_snapshot", JUNE, JULY)
    assert lake.why(Target(ORDERS, (LINES,))) is None
    assert lake.why(snapshot(JUNE)) is not None


def test_torn_rows_are_remembered_after_another_date_was_written(lake: Lake) -> None:
    lake.make(snapshot(JULY), "?", status="torn")
    lake.make(snapshot(JUNE), "june 1")
    assert lake.why(snapshot(JULY)) == "a run was cut off while it wrote it"


def test_a_strangers_change_is_reported_as_one(lake: Lake) -> None:
    lake.doubts["features.customer_snapshot"] = Doubt(9, None, is_strange=True)
    assert lake.why(snapshot(JUNE)) == "another program changed it (version 9)"


def test_a_dropped_date_is_not_known_as_built(lake: Lake) -> None:
    lake.make(snapshot(JUNE), "", status="dropped")
    assert lake.why(snapshot(JUNE)) == "it was dropped"
    assert lake.why(snapshot(JULY)) is None


def test_other_settings_are_named_with_their_values(lake: Lake) -> None:
    lake.make(snapshot(JUNE, churn={"horizon_days": 28}), "june 1")
    reason = lake.why(snapshot(JUNE, churn={"horizon_days": 56}))
    assert reason == "settings changed: churn.horizon_days 28 -> 56"


def test_a_setting_with_its_default_is_shown_as_default(lake: Lake) -> None:
    assert lake.why(snapshot(JUNE, k=5)) == "settings changed: k default -> 5"


def test_settings_a_b_a_without_training_take_the_tables_of_b_for_stale(lake: Lake) -> None:
    lake.make(snapshot(JUNE, k="a"), "june a")
    lake.make(snapshot(JUNE, k="b"), "june b")
    assert lake.why(snapshot(JUNE, k="a")) == 'settings changed: k "b" -> "a"'


def test_settings_a_b_a_find_the_training_of_a_again_beside_that_of_b(lake: Lake) -> None:
    lake.make(training(JUNE, k="a"), "version 1")
    lake.make(training(JUNE, k="b"), "version 2")
    state = lake.state()
    assert state.why_not_current(training(JUNE, k="a")) is None
    row = state.newest(training(JUNE, k="a").output)
    assert row is not None and row.checksum == "version 1"


def test_training_is_current_after_its_snapshot_was_made_again_with_the_same_rows(
    lake: Lake,
) -> None:
    lake.make(training(JUNE), "version 1")
    lake.make(snapshot(JUNE), "june 1")
    assert lake.why(training(JUNE)) is None
    lake.make(snapshot(JUNE), "june 2")
    assert lake.why(training(JUNE)) == "features.customer_snapshot of 2024-06-01 changed"


def test_a_changed_formula_is_another_generation(lake: Lake) -> None:
    newer = Target(snapshot(JUNE).output, (LINES, ORDERS), generation=2)
    assert lake.why(newer) == "it was made by another version of crm_spark"


def test_a_further_or_missing_input_is_named(lake: Lake) -> None:
    products = Output("core.products")
    more = Target(snapshot(JUNE).output, (LINES, ORDERS, products))
    assert lake.why(more) == "it now reads core.products"
    fewer = Target(snapshot(JUNE).output, (LINES,))
    assert lake.why(fewer) == "it no longer reads features.customer_orders"


def test_an_optional_input_that_comes_to_be_stales_what_was_made_without_it(lake: Lake) -> None:
    segments = Target(Output("scores.segments", JUNE))
    report = Target(Output("report", JUNE), (), optional=(segments.output,))
    lake.make(report, "page 1")
    assert lake.why(report) is None
    lake.make(segments, "segments 1")
    assert lake.why(report) == "scores.segments of 2024-06-01 changed"


def test_what_cannot_be_had_is_not_tried_again_until_what_it_reads_changes(lake: Lake) -> None:
    lake.make(training(JUNE), "", status="unavailable")
    assert lake.why(training(JUNE)) is None
    lake.make(snapshot(JUNE), "june 2")
    assert lake.why(training(JUNE)) == "features.customer_snapshot of 2024-06-01 changed"


def test_a_score_does_not_read_a_model_that_cannot_be_had(lake: Lake) -> None:
    lake.make(training(JUNE), "", status="unavailable")
    scores = Target(Output("scores.churn", JUNE), (training(JUNE).output,))
    (model,) = lake.state().input_versions(scores)
    assert model.version is None


def test_an_output_that_is_rightly_empty_is_current(lake: Lake) -> None:
    empty = Target(Output("scores.offers", JUNE), (snapshot(JUNE).output,))
    lake.make(empty, "0-0000000000000000-0000000000000000")
    assert lake.why(empty) is None


def test_upkeep_and_a_restore_after_a_dead_run_stale_nothing(lake: Lake) -> None:
    lake.make(Target(LINES), "lines 1", changed_from=UNTOUCHED, replaces_all=False)
    assert lake.why(snapshot(JUNE)) is None
    lake.deliver("lines 2", changed_from=midnight(JULY))
    assert lake.why(snapshot(JUNE)) is None
    assert lake.why(snapshot(JULY)) is None


def test_a_table_restored_by_an_operator_stales_what_read_the_newer_one(lake: Lake) -> None:
    lake.deliver("lines 2", changed_from=midnight(JUNE) - timedelta(days=2))
    lake.make(snapshot(JUNE), "june 2")
    lake.deliver("lines 1")
    assert lake.why(snapshot(JUNE)) == f"{LINES} changed"


def test_forced_everything_is_to_be_made_once_more(lake: Lake) -> None:
    state = lake.state()
    state.force()
    assert state.why_not_current(snapshot(JUNE)) == "it is to be made anew"


def test_changes_since_a_version_are_the_rows_after_it(lake: Lake) -> None:
    lake.deliver("lines 2", changed_from=midnight(JUNE))
    lake.deliver("lines 3", changed_from=midnight(JULY))
    changes = lake.state().changes_since(LINES, 2)
    assert [row.checksum for row in changes] == ["lines 3"]
    assert len(lake.state().changes_since(LINES, None)) == 3


def test_rows_hold_by_their_sequence_in_whatever_order_they_are_read(lake: Lake) -> None:
    lake.deliver("lines 2")
    turned = State(reversed(lake.rows), midnight=midnight)
    newest = turned.newest(LINES)
    assert newest is not None and newest.checksum == "lines 2"
    assert turned.next_sequence == len(lake.rows) + 1


def test_what_is_computed_of_outputs_is_computed_again_when_one_of_them_changed(lake: Lake) -> None:
    computed: list[str] = []
    state = lake.state()

    def ask(name: str, *outputs: Output) -> int:
        def compute() -> int:
            computed.append(name)
            return len(computed)

        return state.once(name, outputs, compute)

    assert [ask("a", LINES, ORDERS), ask("a", LINES, ORDERS), ask("b", LINES, ORDERS)] == [1, 1, 2]
    lake.make(Target(ORDERS, (LINES,)), "orders 2")
    state.add(lake.rows[-1:])
    assert [ask("a", LINES, ORDERS), ask("a", LINES, ORDERS), ask("b", LINES)] == [3, 3, 4]
