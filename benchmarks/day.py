"""A day between training days: the whole pipeline beside the same day with trainings of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.data import AS_OF, config_with, deliver, flags_below, sample
from benchmarks.measure import Row, run_job
from benchmarks.pipeline import n_lines_of


def measured(place: Path, *, n_customers: int) -> Iterator[Row]:
    """Give the row of a day, on the lake that the day before left, scored by its week's models."""
    source, work, newest = sample(place, n_customers), place / "day", AS_OF - timedelta(days=1)
    shutil.rmtree(work, ignore_errors=True)
    lines, own = work / "lines", work / "own"
    lines.mkdir(parents=True)
    config = config_with(source, work / "day.yml", lines=lines, training={"every_days": 7})
    deliver(source, lines / "before.parquet", where=f"arrived_at < TIMESTAMP '{newest}'")
    run = ["run_pipeline", "--config", config]
    before = run_job(*run, *flags_below(work), "--as-of", newest.isoformat())
    is_newest = f"arrived_at >= TIMESTAMP '{newest}' AND arrived_at < TIMESTAMP '{AS_OF}'"
    deliver(source, lines / "newest.parquet", where=is_newest)
    own.mkdir()
    shutil.copytree(work / "lake", own / "lake")
    shutil.copy(work / "mlflow.db", own / "mlflow.db")
    between = run_job(*run, *flags_below(work), "--as-of", AS_OF.isoformat())
    daily = ["--set", "training.every_days=1", "--as-of", AS_OF.isoformat()]
    trained = run_job(*run, *flags_below(own), *daily)
    n_lines = n_lines_of(before.found)
    case = f"run_pipeline of a day with its week's models, {n_lines:,} lines"
    yield Row.of_runs("day", case, [between], "with trainings of its own", [trained])
