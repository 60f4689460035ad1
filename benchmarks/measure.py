"""Commands in processes of their own: seconds, peak memory, and the median of several runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import psutil

# The class that Java runs in a process that is an executor.
EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """What a command took: seconds by the clock, those that it says itself, and memory.

    `said_seconds` leave the start of the process and of Spark out; `found` is the last line that it
    printed, read as JSON. `driver_bytes` are the peak of all but executors of a cluster.
    """

    seconds: float
    said_seconds: float
    peak_bytes: int
    found: dict[str, Any]
    driver_bytes: int = 0


@dataclass(frozen=True)
class Row:
    """A line of the table: ours beside a peer, each the median of its runs, with least and most.

    `goal` is the largest ratio, or number of seconds where there is no peer, that is wanted.
    `figure` stands in for the ratio of seconds where something else is compared.
    """

    section: str
    case: str
    ours: Sequence[float]
    peer: str | None = None
    peers: Sequence[float] = ()
    goal: float | None = None
    n_rows: int | None = None
    ours_peak_bytes: int = 0
    peer_peak_bytes: int = 0
    figure: float | None = None

    @classmethod
    def of_runs(
        cls,
        section: str,
        case: str,
        ours: Sequence[Run],
        peer: str,
        peers: Sequence[Run],
        *,
        goal: float | None = None,
        n_rows: int | None = None,
    ) -> Row:
        """Give the row of runs: the seconds that they say themselves, and their largest memory."""
        return cls(
            section,
            case,
            [run.said_seconds for run in ours],
            peer,
            [run.said_seconds for run in peers],
            goal,
            n_rows,
            max(run.peak_bytes for run in ours),
            max(run.peak_bytes for run in peers),
        )

    @property
    def ours_seconds(self) -> float:
        """The median of our runs."""
        return median(self.ours)

    @property
    def peer_seconds(self) -> float | None:
        """The median of the peer's runs; None without a peer."""
        return median(self.peers) if self.peers else None

    @property
    def ratio(self) -> float | None:
        """How many times as long ours takes, or the figure; None without a peer."""
        if self.figure is not None:
            return self.figure
        return self.ours_seconds / self.peer_seconds if self.peer_seconds else None

    @property
    def is_missed(self) -> bool:
        """Whether the goal is not reached."""
        reached = self.ours_seconds if self.ratio is None else self.ratio
        return self.goal is not None and reached > self.goal

    def as_json(self) -> dict[str, Any]:
        """Give the row as scripts/benchmark --json writes it."""
        return {
            "section": self.section,
            "case": self.case,
            "ours_seconds": self.ours_seconds,
            "peer": self.peer,
            "peer_seconds": self.peer_seconds,
            "ratio": self.ratio,
            "goal": self.goal,
        }


def run_python(arguments: Sequence[str]) -> Run:
    """Run Python with arguments, and measure it.

    Raises CalledProcessError, after its last lines were printed, where it fails.
    """
    command = [sys.executable, *arguments]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = _Peak(process.pid)
    peak.start()
    printed, errors = process.communicate()
    seconds = time.perf_counter() - start
    peak.ended.set()
    peak.join()
    if process.returncode:
        sys.stderr.write(errors[-3000:])
        raise subprocess.CalledProcessError(process.returncode, command)
    found = json.loads(printed.strip().splitlines()[-1])
    return Run(seconds, float(found["seconds"]), peak.n_bytes, found, peak.driver_bytes)


def run_job(*arguments: str) -> Run:
    """Run a job of ours: `found` is its RunSummary."""
    return run_python(["-m", "crm_spark", *arguments])


def lines_loaded(run: Run) -> int:
    """Give the order lines that a run of ingest_sources wrote."""
    return int(run.found["tables"]["core.transactions"]["rows_written"])


def load_and_build(config: str, day: date) -> dict[str, Run]:
    """Run ingest_sources, and build_features of a day; give each run by the job's name."""
    return {
        "ingest_sources": run_job("ingest_sources", "--config", config),
        "build_features": run_job("build_features", "--config", config, "--as-of", str(day)),
    }


class _Peak(threading.Thread):
    """The most memory that a process and its children held at once, with executors and without."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.n_bytes, self.driver_bytes = 0, 0
        self.ended, self._process = threading.Event(), psutil.Process(pid)

    def run(self) -> None:
        while not self.ended.wait(0.2):
            driver, executors = self._held(self._process)
            self.n_bytes = max(self.n_bytes, driver + executors)
            self.driver_bytes = max(self.driver_bytes, driver)

    def _held(self, process: psutil.Process) -> tuple[int, int]:
        """Give the bytes of a process and of all below it: of the driver, and of executors."""
        try:
            driver, executors = process.memory_info().rss, 0
            for child in process.children():
                below = self._held(child)
                driver, executors = driver + below[0], executors + below[1]
            is_executor = EXECUTOR in process.cmdline()
        except psutil.Error:
            return 0, 0
        return (0, driver + executors) if is_executor else (driver, executors)


def machine() -> str:
    """Say what was measured on."""
    gigabytes = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} threads, {gigabytes:.0f} GB"
