"""Executors: two of one core beside one, held against what two processes gain on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster import config_on_cluster, run_on_cluster
from benchmarks.data import AS_OF, Sample, flags_below, sample
from benchmarks.measure import Row, Run, lines_loaded, run_python

# Of what two processes gain over one.
WANTED_SHARE = 0.85
ROUNDS, REPEATS = "10", 3
JOBS = ("ingest_sources", "build_features")


@dataclass(frozen=True)
class Scaling:
    """Seconds of work of one thread: once alone, and twice at once (until both have ended).

    The least of several runs each, those that the machine disturbed least.
    """

    alone: float
    twice_at_once: float

    @property
    def speedup(self) -> float:
        """How many times as much is done in a second by two at once: from 1 to 2."""
        return 2 * self.alone / self.twice_at_once


def measured(place: Path, *, n_customers: int) -> Iterator[Row]:
    """Give the machine's own scaling, each job with one executor and two, and both jobs together.

    Only the last row has a goal: its peer is one executor, as much faster as the machine allows.
    """
    source = sample(place, n_customers)
    scaling = machine_scaling()
    yield Row(
        "executors",
        f"the machine: a process of one thread, two at once; {scaling.speedup:.2f} times as much",
        [scaling.twice_at_once],
        "one after another",
        [2 * scaling.alone],
    )
    one, two = (_runs(place, source, n_executors=n) for n in (1, 2))
    n_lines = lines_loaded(one["ingest_sources"])
    for job in JOBS:
        yield Row.of_runs(
            "executors",
            f"{job}, {n_lines:,} lines, two executors of one core, {_core_seconds(two[job])}",
            [two[job]],
            f"one executor, {_core_seconds(one[job])}",
            [one[job]],
            n_rows=n_lines,
        )
    seconds = [sum(runs[job].said_seconds for job in JOBS) for runs in (one, two)]
    yield scaled_row(n_lines, scaling, one=seconds[0], two=seconds[1])


def scaled_row(n_lines: int, scaling: Scaling, *, one: float, two: float) -> Row:
    """Give the row of both jobs beside one executor that gains what the machine does."""
    share = one / two / scaling.speedup
    return Row(
        "executors",
        f"both jobs, {n_lines:,} lines: {one / two:.2f} times as fast, {share:.0%} of the machine",
        [two],
        "one executor, scaled as the machine",
        [one / scaling.speedup],
        1 / WANTED_SHARE,
        n_lines,
    )


def machine_scaling() -> Scaling:
    """Time work of one thread alone, then twice at once, several times in turn."""
    work = ["-m", "benchmarks.one_thread", ROUNDS]
    alone, twice = [], []
    for _ in range(REPEATS):
        alone.append(run_python(work).said_seconds)
        with ThreadPoolExecutor(2) as pool:
            twice.append(max(run.said_seconds for run in pool.map(run_python, [work, work])))
    return Scaling(min(alone), min(twice))


def _core_seconds(run: Run) -> str:
    return f"{run.found['core_seconds']:,.0f} core-seconds"


def _runs(place: Path, source: Sample, *, n_executors: int) -> dict[str, Run]:
    work = place / "executors"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    config = config_on_cluster(source, work / "cluster.yml", n_executors=n_executors, cores=1)
    flags = ["--config", config, *flags_below(work), "--set", "models=[segments]"]
    return {
        "ingest_sources": run_on_cluster("ingest_sources", *flags),
        "build_features": run_on_cluster("build_features", *flags, "--as-of", str(AS_OF)),
    }
