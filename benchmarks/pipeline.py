"""Pipeline: run_pipeline whole on samples of several sizes, with what the jobs say they cost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.data import AS_OF, flags_below, sample
from benchmarks.measure import Row, Run, run_job

# Some 0.3, 1 and 3 million lines.
SIZES = (3_000, 10_000, 30_000)


@dataclass(frozen=True)
class Whole:
    """A whole pipeline on a sample: the run, and how many lines it loaded."""

    run: Run
    n_lines: int

    def seconds_of(self, job: str) -> float | None:
        """Give the seconds of one job, all its runs together; None where there was none."""
        found = [one["seconds"] for one in self.run.found["jobs"] if one["job"] == job]
        return sum(found) if found else None


def measured(place: Path, *, sizes: Sequence[int]) -> Iterator[Row]:
    """Give a row for each number of customers."""
    for n_customers in sizes:
        whole = whole_pipeline(place, n_customers)
        yield Row(
            "pipeline",
            f"{whole.n_lines:,} lines: {costs(whole.run.found)}",
            [whole.run.said_seconds],
            n_rows=whole.n_lines,
            ours_peak_bytes=whole.run.peak_bytes,
        )


@cache  # the sections pipeline and growth share a run
def whole_pipeline(place: Path, n_customers: int) -> Whole:
    """Run everything anew on a sample of so many customers."""
    source, work = sample(place, n_customers), place / "pipeline"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    run = run_job(
        "run_pipeline", "--config", source.config, *flags_below(work), "--as-of", str(AS_OF)
    )
    return Whole(run, n_lines_of(run.found))


def n_lines_of(summary: dict[str, Any]) -> int:
    """Give the lines that the ingest of a pipeline wrote."""
    tables = [job["tables"].get("core.transactions") for job in summary["jobs"]]
    return sum(table["rows_written"] for table in tables if table)


def costs(summary: dict[str, Any]) -> str:
    """Say what a run shuffled, spilled and computed, as its summary has it."""
    shuffled, spilled = (summary[name] for name in ("shuffle_bytes", "spill_bytes"))
    words = [
        f"{_gigabytes(shuffled)} shuffled",
        f"{_gigabytes(spilled)} spilled",
        "? core-seconds"
        if summary["core_seconds"] is None
        else f"{summary['core_seconds']:,.0f} core-seconds",
    ]
    return ", ".join(words)


def _gigabytes(n_bytes: int | None) -> str:
    return "? GB" if n_bytes is None else f"{n_bytes / 1e9:.1f} GB"
