"""Buy-till-you-die models on a large scale: errors, parameters, regular buyers, cells.

scripts/prove value --times 100 --seed 17; only the last of them takes Spark.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from models.value.cdnow import calibration

from benchmarks.made_purchases import DAY, in_days, simulated
from crm_spark.models.purchases import (
    BG_NBD,
    MBG_NBD,
    PARAMETERS,
    Histories,
    Kind,
    PurchaseModel,
    expected_orders,
    fit,
    fit_regular,
    intervals_of,
)
from crm_spark.models.value.cells import history_cells
from crm_spark.runtime.session import open_session

# Kind, r, alpha, a, b: CDNOW's own, weekly shoppers who stay long, and buyers who leave soon.
SETTINGS: tuple[tuple[Kind, tuple[float, float, float, float]], ...] = (
    (BG_NBD, (0.243, 4.414, 0.793, 2.426)),
    (MBG_NBD, (1.5, 1.5, 0.8, 8.0)),
    (BG_NBD, (0.9, 3.0, 1.2, 2.0)),
)
N_CUSTOMERS = 5000
FEWEST_COVERED = 0.90
MOST_OFF = 0.10
# Customers whose histories are put together, in steps of the logarithm, and how far parameters may
# be off by it.
ALIKE = {"weekly buyers": (4.0, 3.0, 0.4, 8.0), "rare ones": (0.5, 6.0, 0.8, 2.4)}
N_ALIKE, MOST_WEEKS = 400_000, 104
MOST_OFF_BY_STEPS = {40.0: 0.001, 20.0: 0.002, 10.0: 0.01}


def drawn(
    kind: Kind, parameters: Sequence[float], n: int, *, weeks: object, later: float, seed: int
) -> pd.DataFrame:
    """Draw customers of a kind."""
    of_kind = dict(zip(PARAMETERS, parameters, strict=True))
    return simulated(
        n,
        **of_kind,
        k=kind.k,
        drops_at_first=kind.drops_at_first,
        weeks=weeks,  # type: ignore[arg-type]
        later_weeks=later,
        seed=seed,
    )


def histories_of(rows: pd.DataFrame) -> Histories:
    """Give the histories of rows, one customer each."""
    return Histories.of(rows["x"], rows["t_x"], rows["T"], log_gaps=float(rows["log_gaps"].sum()))


def recovered(times: int, seed: int) -> list[str]:
    """Count how often the 95 % intervals hold the parameters that customers were drawn by."""
    faults = []
    for kind, truth in SETTINGS:
        held = np.zeros(len(PARAMETERS))
        for turn in range(times):
            rows = drawn(kind, truth, N_CUSTOMERS, weeks=52.0, later=0.0, seed=seed + turn)
            model = fit(kind, histories_of(rows))
            for place, (low, high) in enumerate(intervals_of(model.parameters, model.errors)):
                held[place] += low is not None and high is not None and low < truth[place] < high
        shown = ", ".join(f"{name} {n:.0f}" for name, n in zip(PARAMETERS, held, strict=True))
        print(f"{kind.name} {truth}: of {times} intervals hold the truth: {shown}", flush=True)
        if held.min() < FEWEST_COVERED * times:
            faults.append(f"{kind.name} {truth}: intervals too narrow")
    return faults


def bootstrapped(times: int, seed: int) -> list[str]:
    """Compare standard errors with the spread of fits to customers drawn by the fit to CDNOW."""
    rows = calibration()
    model = fit(BG_NBD, Histories.of(rows["x"], rows["t_x"], rows["T"]))
    weeks = rows["T"].to_numpy()
    logs = []
    for turn in range(times):
        again = drawn(BG_NBD, model.parameters, len(rows), weeks=weeks, later=0.0, seed=seed + turn)
        logs.append(np.log(fit(BG_NBD, histories_of(again)).parameters))
    spread = np.std(logs, axis=0, ddof=1)
    faults = []
    for name, error, of_fits in zip(PARAMETERS, model.errors, spread, strict=True):
        assert error is not None
        print(
            f"BG/NBD on CDNOW, log {name}: standard error {error:.4f}, of {times} fits "
            f"{of_fits:.4f}, {error / of_fits - 1:+.1%}",
            flush=True,
        )
        if abs(error / of_fits - 1) > MOST_OFF:
            faults.append(f"the standard error of {name} is {error / of_fits - 1:+.1%} off")
    return faults


def regular_buyers(times: int, seed: int) -> list[str]:
    """Compare what BG/NBD and the regular model expect in all of buyers whose gaps are Erlang-3."""
    kind, truth = Kind("mbg_cnbd_k", 3, drops_at_first=True), (4.0, 3.0, 0.8, 4.0)
    off: dict[str, list[float]] = {"mbg_cnbd_k": [], "bg_nbd": []}
    n_right = 0
    for turn in range(times):
        rows = drawn(kind, truth, N_CUSTOMERS, weeks=40.0, later=20.0, seed=seed + turn)
        histories, came = histories_of(rows), rows["later"].sum()
        regular = fit_regular(histories, most=4)
        n_right += regular.kind.k == 3
        models: tuple[PurchaseModel, ...] = (regular, fit(BG_NBD, histories))
        for model in models:
            found = expected_orders(model, histories.x, histories.t_x, histories.T, 20.0)
            off[model.kind.name].append(abs(found.n_orders.sum() / came - 1))
    of_regular, of_bg = np.mean(off["mbg_cnbd_k"]), np.mean(off["bg_nbd"])
    print(
        f"Erlang-3 buyers, {times} times {N_CUSTOMERS:,}: k = 3 found {n_right} times; all orders "
        f"of 20 weeks {of_regular:.1%} off, BG/NBD {of_bg:.1%}",
        flush=True,
    )
    return [] if of_regular < of_bg / 2 and n_right == times else ["regular buyers"]


def put_together(seed: int) -> list[str]:
    """Compare parameters of histories near each other put together with those of each by itself."""
    weeks = np.random.default_rng(seed).integers(1, MOST_WEEKS * 7, N_ALIKE) / 7
    faults = []
    with tempfile.TemporaryDirectory() as folder, open_session("prove") as spark:
        for who, truth in ALIKE.items():
            rows = drawn(MBG_NBD, truth, N_ALIKE, weeks=weeks, later=0.0, seed=seed)
            file = Path(folder) / f"{who}.parquet"
            in_days(rows).to_parquet(file, index=False)
            histories = spark.read.parquet(str(file))
            exact = history_cells(histories, DAY, most=N_ALIKE)
            right = np.array(fit(MBG_NBD, exact).parameters)
            print(f"{N_ALIKE:,} {who}: {len(exact.n):,} histories differ", flush=True)
            for steps, most_off in MOST_OFF_BY_STEPS.items():
                alike = history_cells(histories, DAY, most=1, time_steps=(steps,))
                off = np.array(fit(MBG_NBD, alike).parameters) / right - 1
                shown = ", ".join(
                    f"{name} {one:+.2%}" for name, one in zip(PARAMETERS, off, strict=True)
                )
                print(f"  {steps:g} steps, {len(alike.n):,} cells: {shown}", flush=True)
                if np.abs(off).max() > most_off:
                    faults.append(f"{who} in {steps:g} steps: {shown}")
    return faults


def main() -> None:
    """Prove all four, and end with 1 where one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=17)
    given = parser.parse_args()
    faults = [
        *recovered(given.times, given.seed),
        *bootstrapped(5 * given.times, given.seed),
        *regular_buyers(max(1, given.times // 10), given.seed),
        *put_together(given.seed),
    ]
    print("; ".join(faults) or "all of it holds")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
