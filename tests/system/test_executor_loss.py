"""What writes count in passing is exact although an executor is lost in the middle of them."""

from __future__ import annotations

from typing import Any

import pytest
from system.runs import found_by

pytestmark = [pytest.mark.long, pytest.mark.cluster]

N_ROWS = 400


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Give what the writes of executor_loss counted."""
    folder = tmp_path_factory.mktemp("executor_loss")
    found: dict[str, dict[str, Any]] = found_by("executor_loss.py", folder, timeout=900)
    return found


def test_what_is_observed_before_a_shuffle_counts_twice_and_is_counted_again(
    counted: dict[str, dict[str, Any]],
) -> None:
    assert counted["before the shuffle"]["n"] > N_ROWS
    assert counted["before the shuffle"]["exact"] == N_ROWS


def test_what_is_observed_next_to_the_write_is_exact_as_it_is(
    counted: dict[str, dict[str, Any]],
) -> None:
    assert counted["after the shuffle"] == {"n": N_ROWS, "exact": N_ROWS}


def test_undisturbed_counts_are_not_taken_again(counted: dict[str, dict[str, Any]]) -> None:
    assert counted["undisturbed"] == {"n": N_ROWS, "may_count_twice": False}


@pytest.mark.parametrize("write", ["overwrite", "merge"])
def test_a_write_to_the_lake_has_exact_rows_and_checksum(
    counted: dict[str, dict[str, Any]], write: str
) -> None:
    found = counted[write]
    assert found["was lost"]
    assert found["rows"] == N_ROWS
    assert found["checksum"] == found["expected"]
    assert counted["table"]["rows"] == N_ROWS
