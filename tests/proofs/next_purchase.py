"""Who orders when, where the truth is known: chance is no champion, and chances and days are true.

scripts/prove next_purchase --times 30 --seed 17; no Spark.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from models.next_purchase.planted import PARAMS, STEP, alike, compared, own_rates, trials_of

from crm_spark.models.choice import better_for_sure
from crm_spark.models.next_purchase.candidates import CANDIDATES, candidate
from crm_spark.models.next_purchase.definition import NextPurchase
from crm_spark.models.next_purchase.metrics import COVERAGE, GAIN, of_horizon

SIZES = (400, 2000)
CHALLENGERS = tuple(one.name for one in CANDIDATES if not one.is_rule)
# Chance may look better than the best rule in five of a hundred: twice what 95 % intervals leave.
MOST_BY_CHANCE = 0.05
MOST_OFF = 0.03
LONGEST = max(PARAMS.horizons_days)


def by_chance(times: int, seed: int) -> list[str]:
    """Count how often a challenger becomes champion where customers are all alike."""
    faults = []
    for n_customers in SIZES:
        n = 0
        for turn in range(times):
            found = compared(trials_of(alike(n_customers), seed=seed + turn))
            choice = better_for_sure(found, NextPurchase.criteria, gain=GAIN)
            n += choice.champion in CHALLENGERS
        said = f"all alike, {n_customers} customers: a champion by chance in {n} of {times}"
        print(said, flush=True)
        if n > MOST_BY_CHANCE * times:
            faults.append(said)
    return faults


def true_chances(times: int, seed: int) -> list[str]:
    """Compare chances with those that orders were drawn by, and intervals with the days."""
    faults = []
    for n_customers in SIZES:
        off: dict[str, list[float]] = {name: [] for name in CHALLENGERS}
        error: dict[str, list[float]] = {name: [] for name in ("own_rate", *CHALLENGERS)}
        covered: dict[str, list[float]] = {name: [] for name in CHALLENGERS}
        for turn in range(times):
            rates = own_rates(n_customers, seed=seed + turn)
            trials = trials_of(rates, seed=seed + turn)
            customers = trials.customers(STEP.test)
            truth = 1 - (1 - rates[customers.places]) ** PARAMS.horizon_days
            for name in ("own_rate", *CHALLENGERS):
                model = trials.fitted(candidate(name), STEP.training, STEP.test)
                said = model.of_horizon(model.chances(customers), PARAMS.horizon_days)
                assert said is not None
                error[name].append(float(np.sqrt(((said - truth) ** 2).mean())))
                if name not in off:
                    continue
                parts = np.array_split(np.argsort(said), 10)
                off[name].append(
                    float(np.mean([abs(said[part].mean() - truth[part].mean()) for part in parts]))
                )
                found = {one.name: one.value for one in trials.measured(candidate(name), STEP)}
                share = found[of_horizon(COVERAGE, LONGEST)]
                assert share is not None
                covered[name].append(share)
        for name in CHALLENGERS:
            print(
                f"own rates, {n_customers} customers, {name}: said and true chances differ by "
                f"{np.mean(off[name]):.4f} on average of ten bins, {np.max(off[name]):.4f} at "
                f"most; root mean squared {np.mean(error[name]):.4f}, own rate "
                f"{np.mean(error['own_rate']):.4f}; {np.mean(covered[name]):.1%} of the days in "
                "the interval",
                flush=True,
            )
            if np.mean(off[name]) > MOST_OFF:
                faults.append(f"{name}, {n_customers}: chances off by {np.mean(off[name]):.4f}")
            if np.mean(covered[name]) < 0.78:
                faults.append(f"{name}, {n_customers}: {np.mean(covered[name]):.1%} in 80 %")
    return faults


def main() -> None:
    """Run the proofs; end with 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=17)
    given = parser.parse_args()
    faults = by_chance(given.times, given.seed) + true_chances(given.times, given.seed)
    for fault in faults:
        print(f"FAILED: {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
