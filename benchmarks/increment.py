"""A new day: what it costs beside loading and building all of it anew, and what it writes again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.data import AS_OF, Sample, sample
from benchmarks.measure import Row, Run, run_job

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
    config = _config(source, work, with_vectors=with_vectors)
    _deliver(source, work / "lines/before.parquet", f"arrived_at < TIMESTAMP '{newest}'")
    whole = _run(config, newest)
    is_newest = f"arrived_at >= TIMESTAMP '{newest}' AND arrived_at < TIMESTAMP '{AS_OF}'"
    _deliver(source, work / "lines/newest.parquet", is_newest)
    increment = _run(config, AS_OF)
    how = "" if with_vectors else ", no deletion vectors"
    for job, table in TABLES.items():
        written = _written(increment[job], whole[job], table)
        case = f"{job} of a day{how}: {written}"
        yield Row.of_runs("increment", case, [increment[job]], "all of it", [whole[job]], goal=GOAL)


def _config(source: Sample, work: Path, *, with_vectors: bool) -> str:
    config: dict[str, Any] = yaml.safe_load(Path(source.config).read_text(encoding="utf-8"))
    config["sources"]["transactions"]["path"] = str(work / "lines")
    config["storage"] = {"root": str(work / "lake"), "deletion_vectors": with_vectors}
    config["models"] = ["segments"]
    path = work / "increment.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(path)


def _deliver(source: Sample, target: Path, condition: str) -> None:
    import duckdb  # of the extra benchmark, which tests of this package do without

    # Stamps in the files are UTC, and are written as what they are.
    stamps = [f"{name} AT TIME ZONE 'UTC' AS {name}" for name in ("ordered_at", "arrived_at")]
    files = f"read_parquet('{source.lines}/*.parquet')"
    lines = f"SELECT * REPLACE ({', '.join(stamps)}) FROM {files} WHERE {condition}"
    duckdb.sql(f"COPY ({lines}) TO '{target}' (FORMAT parquet)")


def _run(config: str, day: date) -> dict[str, Run]:
    return {
        "ingest_sources": run_job("ingest_sources", "--config", config),
        "build_features": run_job("build_features", "--config", config, "--as-of", str(day)),
    }


def _written(increment: Run, whole: Run, table: str) -> str:
    """Say which share of a table's first rows it has got again."""
    again, first = (run.found["tables"][table]["rows_written"] for run in (increment, whole))
    return f"{100 * again / first:.1f} % of {table.split('.')[1]} written"
