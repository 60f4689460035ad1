"""What a job costs where there is next to nothing to do: a pipeline, one job, a second run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.data import FIRST_DAY, flags_below, sample
from benchmarks.measure import Row, Run, run_job

# Some 300 lines of 20 customers.
N_CUSTOMERS, N_DAYS = 20, 150
GOALS = {"score_rfm by itself": 25.0, "run_pipeline": 60.0, "run_pipeline again": 20.0}


def measured(place: Path, *, repeats: int) -> Iterator[Row]:
    """Give a row for each case, in seconds by the clock: the start of Spark is part of the cost."""
    source, day = sample(place, N_CUSTOMERS, days=N_DAYS), FIRST_DAY + timedelta(days=N_DAYS)
    runs: dict[str, list[Run]] = {case: [] for case in GOALS}
    for _ in range(repeats):
        work = place / "small"
        shutil.rmtree(work, ignore_errors=True)
        flags = ["--config", source.config, *flags_below(work)]
        work.mkdir()
        dated = [*flags, "--as-of", day.isoformat()]
        run_job("ingest_sources", *flags)
        run_job("build_features", *dated)
        runs["score_rfm by itself"].append(run_job("score_rfm", *dated))
        shutil.rmtree(work / "lake")
        runs["run_pipeline"].append(run_job("run_pipeline", *dated))
        runs["run_pipeline again"].append(run_job("run_pipeline", *dated))
    for case, of_case in runs.items():
        seconds, peak = [run.seconds for run in of_case], max(run.peak_bytes for run in of_case)
        yield Row("small", case, seconds, goal=GOALS[case], ours_peak_bytes=peak)
