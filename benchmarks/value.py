"""Value: BG/NBD fitted to millions of customers, one row each, beside `lifetimes`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.made_purchases import made_purchases
from benchmarks.measure import Row, Run, run_python

# Seconds for the largest.
GOAL = 60.0
SIZES = (1_000_000, 10_000_000)
# Both are at the top of the same likelihood, but for histories that ours puts together.
AGREEMENT = 0.01


def measured(place: Path, *, repeats: int) -> Iterator[Row]:
    """Give the row of each size. Raises AssertionError where parameters differ."""
    for n in SIZES:
        file = str(made_purchases(place, n))
        ours: list[Run] = []
        peers: list[Run] = []
        for _ in range(repeats):
            ours.append(run_python(["-m", "benchmarks.value_ours", file]))
            peers.append(run_python(["-m", "benchmarks.value_lifetimes", file]))
        found, expected = ours[-1].found["parameters"], peers[-1].found["parameters"]
        off = max(abs(found[name] / expected[name] - 1) for name in expected)
        assert off <= AGREEMENT, f"ours {found}, lifetimes {expected}: {off:.1%} apart"
        shown = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
        case = f"BG/NBD of {n:,} customers: {shown}"
        yield Row.of_runs("value", case, ours, "lifetimes", peers, n_rows=n)
    yield Row(
        "value",
        f"the same of {n:,} customers, in seconds",
        [run.said_seconds for run in ours],
        goal=GOAL,
        n_rows=n,
        ours_peak_bytes=max(run.peak_bytes for run in ours),
    )
