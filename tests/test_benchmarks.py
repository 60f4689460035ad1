"""The table of benchmarks: medians, ratios, and goals that are missed."""

from __future__ import annotations

import json

from benchmarks.__main__ import table
from benchmarks.measure import Row, run_python

BESIDE_A_PEER = Row(
    "ingest", "9 lines", [40.0, 20.0, 30.0], "plain Spark", [10.0, 8.0], 3.0, 9000, 2 * 10**9, 10**9
)
ALONE = Row("small", "run_pipeline", [61.0], goal=60.0)


def cells(row: Row) -> list[str]:
    """Give the cells of a row in the table."""
    return [cell.strip() for cell in table([row]).splitlines()[-1].strip("|").split("|")]


def test_a_row_gives_medians_with_their_spread_beside_the_peers() -> None:
    assert cells(BESIDE_A_PEER) == [
        *("ingest", "9 lines", "30.0 (20.0 to 40.0)", "plain Spark", "9.0 (8.0 to 10.0)"),
        *("3.33", "3, missed", "300", "2.0 / 1.0"),
    ]
    assert not Row("a", "b", [30.0], "c", [10.0], goal=3.0).is_missed


def test_a_goal_without_a_peer_is_in_seconds() -> None:
    assert cells(ALONE) == ["small", "run_pipeline", "61.0", "", "", "", "60 s, missed", "", ""]
    assert not Row("small", "run_pipeline", [60.0], goal=60.0).is_missed
    assert not Row("small", "run_pipeline", [600.0]).is_missed


def test_a_row_as_json_names_what_is_compared() -> None:
    assert json.loads(json.dumps(BESIDE_A_PEER.as_json())) == {
        **{"section": "ingest", "case": "9 lines", "ours_seconds": 30.0, "peer": "plain Spark"},
        **{"peer_seconds": 9.0, "ratio": 30 / 9, "goal": 3.0},
    }
    assert ALONE.as_json()["ratio"] is None


def test_a_command_is_measured_with_its_memory() -> None:
    held = "x = bytearray(300_000_000); import time; time.sleep(1); print('{\"seconds\": 0.5}')"
    run = run_python(["-c", held])
    assert run.said_seconds == 0.5
    assert run.seconds >= 1
    assert 300_000_000 <= run.peak_bytes < 600_000_000
