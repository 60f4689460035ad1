"""Demand: weekly series of 2,000 products forecast from four origins, beside `statsforecast`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, Run, run_python
from benchmarks.weekly_series import N_ORIGINS, weekly_series

N_PRODUCTS = 2_000
# Ours, and what users would pick instead.
PAIRS = (
    ("exponential_smoothing", "AutoETS"),
    ("mean_of_both", "AutoETS"),
    ("exponential_smoothing", "SimpleExponentialSmoothingOptimized"),
)


def measured(place: Path, *, repeats: int) -> Iterator[Row]:
    """Give the row of each pair, with the mean scaled error of both."""
    file = str(weekly_series(place, N_PRODUCTS))
    of_peers: dict[str, list[Run]] = {}
    for kind, model in PAIRS:
        ours = [run_python(["-m", "benchmarks.demand_ours", file, kind]) for _ in range(repeats)]
        if model not in of_peers:
            of_peers[model] = [
                run_python(["-m", "benchmarks.demand_statsforecast", file, model])
                for _ in range(repeats)
            ]
        peers = of_peers[model]
        errors = (ours[-1].found["mase"], peers[-1].found["mase"])
        case = (
            f"{kind} of {N_PRODUCTS:,} products from {N_ORIGINS} origins: MASE {errors[0]:.3f}, "
            f"{model} {errors[1]:.3f}"
        )
        yield Row.of_runs("demand", case, ours, "statsforecast", peers)
