"""One customer: a million lines of a single customer beside the same lines of many."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.data import AS_OF, Sample, sample
from benchmarks.measure import Row, Run, run_job

# The customers beside whom the lines are loaded.
N_OTHERS = 3_000
JOBS = ("ingest_sources", "build_features")


def measured(place: Path, *, n_customers: int) -> Iterator[Row]:
    """Give a row for each job: the lines of so many customers, as one customer's and as theirs."""
    others, lines = sample(place, N_OTHERS), sample(place, n_customers)
    of_one = _runs(place, others, lines, customer="'BIG'")
    of_many = _runs(place, others, lines, customer="concat('X', customer_id)")
    n_lines = _written(of_one)
    assert n_lines == _written(of_many), "the same lines were not loaded the same"
    for job in JOBS:
        yield Row.of_runs(
            "one_customer",
            f"{job}, {n_lines:,} lines, most of one customer",
            [of_one[job]],
            f"of {n_customers:,} customers",
            [of_many[job]],
            n_rows=n_lines,
        )


def _runs(place: Path, others: Sample, lines: Sample, *, customer: str) -> dict[str, Run]:
    work = place / "one_customer"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(others.lines, work / "lines")
    _deliver(lines, work / "lines/more.parquet", customer)
    config: dict[str, Any] = yaml.safe_load(Path(others.config).read_text(encoding="utf-8"))
    config["sources"]["transactions"]["path"] = str(work / "lines")
    config["storage"] = {"root": str(work / "lake")}
    path = work / "one_customer.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    flags = ["--config", str(path)]
    return {
        "ingest_sources": run_job("ingest_sources", *flags),
        "build_features": run_job("build_features", *flags, "--as-of", str(AS_OF)),
    }


def _deliver(lines: Sample, target: Path, customer: str) -> None:
    """Write the lines for other customers; orders stay those that they are."""
    import duckdb  # of the extra benchmark, which tests of this package do without

    replaced = [f"{customer} AS customer_id", "concat('X', order_id) AS order_id"]
    # Stamps in the files are UTC, and are written as what they are.
    replaced += [f"{name} AT TIME ZONE 'UTC' AS {name}" for name in ("ordered_at", "arrived_at")]
    files = f"read_parquet('{lines.lines}/*.parquet')"
    rows = f"SELECT * REPLACE ({', '.join(replaced)}) FROM {files}"
    duckdb.sql(f"COPY ({rows}) TO '{target}' (FORMAT parquet)")


def _written(runs: dict[str, Run]) -> int:
    return int(runs["ingest_sources"].found["tables"]["core.transactions"]["rows_written"])
