"""One customer: a million lines of a single customer beside the same lines of many."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import AS_OF, Sample, config_with, deliver, sample
from benchmarks.measure import Row, Run, lines_loaded, load_and_build

# The customers beside whom the lines are loaded.
N_OTHERS = 3_000


def measured(place: Path, *, n_customers: int) -> Iterator[Row]:
    """Give a row for each job: the lines of so many customers, as one customer's and as theirs."""
    others, lines = sample(place, N_OTHERS), sample(place, n_customers)
    of_one = _runs(place, others, lines, customer="'BIG'")
    of_many = _runs(place, others, lines, customer="concat('X', customer_id)")
    n_lines, of_theirs = (lines_loaded(runs["ingest_sources"]) for runs in (of_one, of_many))
    assert n_lines == of_theirs, "the same lines were not loaded the same"
    for job in of_one:
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
    # Orders stay those that they are, and none of the others'.
    of_others = {"customer_id": customer, "order_id": "concat('X', order_id)"}
    deliver(lines, work / "lines/more.parquet", **of_others)
    config = config_with(
        others,
        work / "one_customer.yml",
        lines=work / "lines",
        storage={"root": str(work / "lake")},
    )
    return load_and_build(config, AS_OF)
