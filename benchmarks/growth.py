"""Growth: how the time of a whole pipeline, and the memory of its driver, grow with the lines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cluster import config_on_cluster, run_on_cluster
from benchmarks.data import AS_OF, flags_below, sample
from benchmarks.measure import Row, Run
from benchmarks.pipeline import Whole, whole_pipeline

GOAL, N_SIZES = 1.05, 3


def measured(place: Path, *, sizes: Sequence[int]) -> Iterator[Row]:
    """Give the exponent over the last three sizes, of each job too, and the driver's memory.

    Raises ValueError with fewer than two sizes.
    """
    last = sorted(set(sizes))[-N_SIZES:]
    _require_sizes(last)
    used = [whole_pipeline(place, n_customers) for n_customers in last]
    yield growth_row("run_pipeline", used, [whole.run.said_seconds for whole in used], goal=GOAL)
    for job in dict.fromkeys(one["job"] for one in used[0].run.found["jobs"]):
        seconds = [whole.seconds_of(job) for whole in used]
        known = [one for one in seconds if one is not None]
        if len(known) == len(used):
            yield growth_row(job, used, known)
    least, most = (_on_cluster(place, n_customers) for n_customers in (last[0], last[-1]))
    yield Row(
        "growth",
        f"memory of the driver alone, {used[-1].n_lines:,} lines",
        [most.said_seconds],
        f"{used[0].n_lines:,} lines",
        [least.said_seconds],
        ours_peak_bytes=most.driver_bytes,
        peer_peak_bytes=least.driver_bytes,
        figure=most.driver_bytes / least.driver_bytes,
    )


def growth_row(
    name: str, sizes: Sequence[Whole], seconds: Sequence[float], *, goal: float | None = None
) -> Row:
    """Give the row of an exponent: the largest size beside the smallest, taken times the lines."""
    lines = [whole.n_lines for whole in sizes]
    return Row(
        "growth",
        f"{name}: exponent over {', '.join(f'{n:,}' for n in lines)} lines",
        [seconds[-1]],
        "the least of them, times the lines",
        [seconds[0] * lines[-1] / lines[0]],
        goal,
        lines[-1],
        sizes[-1].run.peak_bytes,
        sizes[0].run.peak_bytes,
        growth_exponent(lines, seconds),
    )


def growth_exponent(lines: Sequence[int], seconds: Sequence[float]) -> float:
    """Give b of seconds = a lines^b, by least squares of the logarithms.

    Raises ValueError where there are fewer than two different numbers of lines.
    """
    _require_sizes(lines)
    x, y = np.log(lines), np.log(seconds)
    centred = x - x.mean()
    return float((centred * (y - y.mean())).sum() / (centred**2).sum())


def _require_sizes(sizes: Sequence[int]) -> None:
    if len(set(sizes)) < 2:
        raise ValueError("growth needs two sizes at least, as in --customers 3000,10000,30000")


def _on_cluster(place: Path, n_customers: int) -> Run:
    """Run everything with an executor that is no part of the driver's process."""
    source, work = sample(place, n_customers), place / "growth"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    config = config_on_cluster(source, work / "cluster.yml", n_executors=1, cores=2)
    flags = ["--config", config, *flags_below(work), "--as-of", str(AS_OF)]
    return run_on_cluster("run_pipeline", *flags)
