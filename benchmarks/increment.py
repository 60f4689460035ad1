"""A new day: what it costs beside loading and building all of it anew, and what it writes again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.data import AS_OF, Sample, config_with, deliver, sample
from benchmarks.measure import Row, Run, load_and_build

# Of the time that all of it takes.
GOAL = 0.05
# What a job brings up to date; tables by date have a date more.
TABLES = {"ingest_sources": "core.transactions", "build_features": "features.customer_orders"}


def measured(place: Path, *, n_customers: int) -> Iterator[Row]:
    """Give the rows of a day's ingest and features, with deletion vectors and without."""
    source = sample(place, n_customers)
    for with_vectors in (True, False):
        yield from _of(place, source, with_vectors=with_vectors)


def _of(place: Path, source: Sample, *, with_vectors: bool) -> Iterator[Row]:
    work, newest = place / "increment", AS_OF - timedelta(days=1)
    shutil.rmtree(work, ignore_errors=True)
    (work / "lines").mkdir(parents=True)
    config = config_with(
        source,
        work / "increment.yml",
        lines=work / "lines",
        storage={"root": str(work / "lake"), "deletion_vectors": with_vectors},
        models=["segments"],
    )
    deliver(source, work / "lines/before.parquet", where=f"arrived_at < TIMESTAMP '{newest}'")
    whole = load_and_build(config, newest)
    is_newest = f"arrived_at >= TIMESTAMP '{newest}' AND arrived_at < TIMESTAMP '{AS_OF}'"
    deliver(source, work / "lines/newest.parquet", where=is_newest)
    increment = load_and_build(config, AS_OF)
    how = "" if with_vectors else ", no deletion vectors"
    for job, table in TABLES.items():
        written = _written(increment[job], whole[job], table)
        case = f"{job} of a day{how}: {written}"
        yield Row.of_runs("increment", case, [increment[job]], "all of it", [whole[job]], goal=GOAL)


def _written(increment: Run, whole: Run, table: str) -> str:
    """Say which share of a table's first rows it has got again."""
    again, first = (run.found["tables"][table]["rows_written"] for run in (increment, whole))
    return f"{100 * again / first:.1f} % of {table.split('.')[1]} written"
