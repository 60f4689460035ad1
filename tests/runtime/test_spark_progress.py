"""What is told of a running stage: its number, rows and tasks, and only what is known of them."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from crm_spark.runtime.progress import stage
from crm_spark.runtime.spark_progress import (
    LINE_WIDTH,
    Job,
    Progress,
    SparkProgress,
    StageCount,
    progress_line,
    stages_to_come,
)

SNAPSHOT = "features.customer_snapshot of 8 dates"

# --- wording -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (None, "x: 30 s"),
        (Progress(0, 0), "x: 30 s"),
        (Progress(0, 2), "x: 30 s, 0 of 2 tasks"),
        (Progress(1, 1), "x: 30 s, 1 of 1 task"),
        (Progress(0, 2, number=4), "x: 30 s, stage 4, 0 of 2 tasks"),
        (Progress(0, 2, 4, 6), "x: 30 s, stage 4 of 6, 0 of 2 tasks"),
        (Progress(0, 2, 4, 6, is_again=True), "x: 30 s, stage 4 of 6 again, 0 of 2 tasks"),
        (Progress(0, 2, 4, 6, rows_read=1), "x: 30 s, stage 4 of 6, 1 row read, 0 of 2 tasks"),
        (
            Progress(0, 2, 4, 6, rows_read=1_204_000, rows_to_read=3_633_072),
            "x: 30 s, stage 4 of 6, 1,204,000 rows read of 3,633,072, 0 of 2 tasks",
        ),
        (
            Progress(1, 2, 4, rows_read=7, rows_to_read=7, rows_written=5_000),
            "x: 30 s, stage 4, 7 rows read of 7, 5,000 written, 1 of 2 tasks",
        ),
        (Progress(1, 2, 4, rows_written=1), "x: 30 s, stage 4, 1 row written, 1 of 2 tasks"),
        (Progress(0, 2, 4, rows_to_read=7), "x: 30 s, stage 4, 0 of 2 tasks"),
    ],
)
def test_a_line_tells_what_is_done_of_what_is_known(
    progress: Progress | None, expected: str
) -> None:
    assert progress_line("x", 30.4, progress) == expected


def test_a_number_of_rows_that_is_exceeded_was_none() -> None:
    progress = Progress(0, 2, 4, rows_read=8, rows_to_read=7)
    assert progress_line("x", 1, progress) == "x: 1 s, stage 4, 8 rows read, 0 of 2 tasks"


FULL = Progress(0, 2, 4, 6, rows_read=1_204_000, rows_to_read=3_633_072, rows_written=512_000)


@pytest.mark.parametrize(
    ("n_letters", "expected"),
    [
        (5, "stage 4 of 6, 1,204,000 rows read of 3,633,072, 512,000 written, 0 of 2 tasks"),
        (20, "stage 4 of 6, 1,204,000 rows read of 3,633,072, 512,000 written"),
        (len(SNAPSHOT), "stage 4 of 6, 1,204,000 rows read of 3,633,072"),
        (45, "1,204,000 rows read of 3,633,072"),
        (100, "1,204,000 rows read of 3,633,072"),
    ],
)
def test_of_a_long_line_what_matters_less_is_left_out(n_letters: int, expected: str) -> None:
    begin = "x" * n_letters
    line = progress_line(begin, 30, FULL)
    assert line == f"{begin}: 30 s, {expected}"
    assert len(line) <= LINE_WIDTH or n_letters == 100


# --- counting ------------------------------------------------------------------------------------


def test_stages_are_numbered_as_they_begin_whatever_ended_between_two_looks() -> None:
    count = StageCount()
    first = Job(0, is_running=True, stages_done=0)
    assert count.number([first], [3, 4], 3) == (1, 0)
    # The later of the two has ended, and another has begun: the first keeps its number.
    assert count.number([Job(0, True, 1)], [3, 7], 3) == (1, 1)
    assert count.number([Job(0, True, 3)], [9], 9) == (4, 3)


def test_jobs_that_have_ended_are_counted_once_and_not_looked_at_again() -> None:
    count = StageCount(after_job=-1)
    assert count.number([Job(2, True, 0), Job(1, False, 2), Job(0, False, 1)], [5], 5) == (4, 3)
    assert count.after_job == 1
    assert count.number([Job(2, True, 0)], [5], 5) == (4, 3)
    assert count.number([Job(4, True, 0), Job(3, False, 1), Job(2, False, 1)], [9], 9) == (6, 5)
    assert count.after_job == 3


def test_a_job_that_ended_before_an_older_one_is_counted_once() -> None:
    count = StageCount()
    jobs = [Job(1, False, 2), Job(0, True, 0)]
    assert count.number(jobs, [5], 5) == (3, 2)
    assert count.after_job == -1
    assert count.number(jobs, [5], 5) == (3, 2)


@pytest.mark.parametrize(
    ("stage_ids", "active", "expected"),
    [
        ([0, 1, 2], [0], [1, 2]),
        ([5, 6, 7, 8], [7], [8]),  # 5 and 6 have ended or are skipped
        ([5, 6, 7, 8], [5, 7], [6, 8]),
        ([5], [5], []),
        ([5, 6], [], []),  # between two stages nothing is known
        ([5, 6], [4, 5], [6]),  # 4 is of another job
        ([], [5], []),
    ],
)
def test_what_waits_for_an_active_stage_comes_after_it(
    stage_ids: list[int], active: list[int], expected: list[int]
) -> None:
    assert stages_to_come(Job(0, True, 0, stage_ids), active) == expected


# --- what is told where Spark tells less ---------------------------------------------------------


def tracker_of(*stages: tuple[int, int] | None) -> Any:
    """Give a StatusTracker of active stages, with tasks and those done; None has just ended."""
    infos = [one and SimpleNamespace(numTasks=one[0], numCompletedTasks=one[1]) for one in stages]
    return SimpleNamespace(
        getActiveStageIds=lambda: list(range(len(infos))), getStageInfo=infos.__getitem__
    )


def test_without_a_status_store_the_public_tracker_tells_of_tasks() -> None:
    context = SimpleNamespace(statusTracker=lambda: tracker_of((8, 3), None, (2, 0)))
    assert SparkProgress(SimpleNamespace(sparkContext=context)).read() == Progress(3, 10)
    context = SimpleNamespace(statusTracker=tracker_of)
    assert SparkProgress(SimpleNamespace(sparkContext=context)).read() is None


class Refusing:
    """Everything of it fails, as of a JVM that has gone."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError(name)


@pytest.mark.parametrize("make", [lambda: None, object, Refusing])
def test_where_spark_tells_nothing_the_line_has_the_seconds(make: Any) -> None:
    assert SparkProgress(SimpleNamespace(sparkContext=make())).read() is None
    assert SparkProgress(object()).read() is None


def test_a_stage_without_a_spark_context_is_told_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session: Any = object()
    with caplog.at_level(logging.INFO, "crm_spark"), stage(session, "x", seconds_between_lines=0.1):
        while "x: 0 s" not in caplog.messages:
            pass
    assert caplog.messages[0] == "x ..."
    assert caplog.messages[-1].startswith("x: 0.")
