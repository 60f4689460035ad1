"""Ingest: a load beside plain Spark, which reads the same files and writes them by customer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import sample
from benchmarks.measure import Row, lines_loaded, run_job, run_python

GOAL = 3.0


def measured(place: Path, *, n_customers: int, repeats: int) -> Iterator[Row]:
    """Give the row of each format."""
    for files in ("parquet", "csv", "json"):
        yield _of(place, n_customers, files, repeats)


def _of(place: Path, n_customers: int, files: str, repeats: int) -> Row:
    source, lake, plain = sample(place, n_customers, files=files), place / "lake", place / "plain"
    ours, peers = [], []
    for _ in range(repeats):
        for written in (lake, plain):
            shutil.rmtree(written, ignore_errors=True)
        ours.append(
            run_job("ingest_sources", "--config", source.config, "--set", f"storage.root={lake}")
        )
        peers.append(
            run_python(["-m", "benchmarks.plain_spark", str(source.lines), files, str(plain)])
        )
    n_rows = lines_loaded(ours[-1])
    assert n_rows == peers[-1].found["n_rows"], "plain Spark wrote another number of lines"
    case = f"{n_rows:,} lines, {files}"
    return Row.of_runs("ingest", case, ours, "plain Spark", peers, goal=GOAL, n_rows=n_rows)
