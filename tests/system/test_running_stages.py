"""What is told of a stage while Spark runs it: rows as they move, and only those that it knows."""

from __future__ import annotations

import re

import pytest
from system.runs import found_by

N_ROWS = 800


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Give the lines that running_stages was told, by case."""
    folder = tmp_path_factory.mktemp("running_stages")
    found: dict[str, list[str]] = found_by("running_stages.py", folder, timeout=300)
    return found


def _numbers(pattern: str, lines: list[str]) -> list[int]:
    """Give the first number of each line that has the pattern."""
    return [int(match[1]) for match in (re.fullmatch(pattern, line) for line in lines) if match]


def _only_rises(numbers: list[int]) -> bool:
    return numbers == sorted(numbers) and len(set(numbers)) > 1


@pytest.mark.parametrize(("adaptive", "place"), [("false", "stage 2 of 2"), ("true", "stage 2")])
def test_of_few_long_tasks_the_rows_are_told_of_those_that_were_written_for_them(
    told: dict[str, list[str]], adaptive: str, place: str
) -> None:
    lines = told[f"shuffled, adaptive {adaptive}"]
    pattern = rf"x: \d+ s, {place}, (\d+) rows? read of {N_ROWS}, 0 of 2 tasks"
    found = _numbers(pattern, lines)
    assert _only_rises(found), lines
    assert 0 < found[0] < found[-1] <= N_ROWS


def test_rows_of_files_are_told_and_no_number_of_all(told: dict[str, list[str]]) -> None:
    lines = told["of files"]
    found = _numbers(r"x: \d+ s, stage 1, (\d+) rows read, 0 of \d tasks", lines)
    assert _only_rises(found), lines


def test_batches_of_a_cached_frame_are_not_told_as_rows(told: dict[str, list[str]]) -> None:
    lines = told["cached"]
    assert any("0 of 2 tasks" in line for line in lines), lines
    assert not any("read" in line for line in lines), lines
