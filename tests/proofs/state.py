"""What asking for the state costs in a fresh process, after a year of daily runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from conftest import REPOSITORY
from pyspark.sql import SparkSession

from crm_spark.lake.delta import APPENDS_BETWEEN_COMPACTIONS, Lake
from crm_spark.lake.outputs import OutputLog
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import InputVersion, Output, OutputRow
from crm_spark.lake.storage import StorageSection
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.session import open_session

FIRST_DAY = date(2024, 1, 1)
LINES = Output("core.transactions")
OUTPUTS_A_DAY = 55
SETTINGS = json.dumps(
    {"horizon_days": 28, "forest": {"n_trees": 200}, "features": ["n_orders"] * 9}
)


@dataclass(frozen=True)
class Asked:
    """What a fresh process took, in seconds: for Spark's start, then for the state."""

    n_rows: int
    start_seconds: float
    state_seconds: float


def rows_of_daily_runs(n_rows: int) -> Iterator[OutputRow]:
    """Give what daily runs leave, some 55 outputs a day, each of three inputs."""
    for number in range(n_rows):
        day = FIRST_DAY + timedelta(days=number // OUTPUTS_A_DAY)
        output = Output(f"features.table_{number % OUTPUTS_A_DAY}", day)
        inputs = tuple(
            InputVersion(LINES, number, f"{number:x}-{place:032x}") for place in range(3)
        )
        yield OutputRow(
            output,
            "written",
            "build_features",
            sequence=number + 1,
            run_id=f"run-{number}",
            version=number,
            checksum=f"{number:x}-{0:032x}",
            inputs=inputs,
            settings=SETTINGS,
            fingerprint="0123456789abcdef",
            facts={"n_rows": str(number), "made_for": str(day)},
            finished_at=datetime.now(UTC),
        )


def write_year(spark: SparkSession, root: Path, n_rows: int) -> None:
    """Write the rows as they lie right before small files are put together: the worst case."""
    log = OutputLog(Lake(spark, StorageSection(root=str(root)), "year"))
    rows = list(rows_of_daily_runs(n_rows))
    n_single = min(APPENDS_BETWEEN_COMPACTIONS - 3, n_rows)
    log.append(rows[: n_rows - n_single])
    for row in rows[n_rows - n_single :]:
        log.append([row])


def ask_in_a_fresh_process(root: Path) -> Asked:
    """Ask for the state of a lake as a scheduled job does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "proofs.state", str(root)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"},
    )
    return Asked(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print what the state of the lake at the given path took, as JSON."""
    start = time.monotonic()
    with open_session("state") as spark:
        started = time.monotonic()
        storage = StorageSection(root=sys.argv[1])
        run = LakeRun(spark, storage, RunSummary("status"), time_zone="UTC")
        outputs = run.state.outputs()
        whole = run.state.newest(outputs[-1])
        assert whole is not None
        ended = time.monotonic()
    asked = Asked(run.state.next_sequence - 1, started - start, ended - started)
    sys.stdout.write(json.dumps(asdict(asked)) + "\n")


if __name__ == "__main__":
    main()
