"""Who buys what, where the truth is known: chance is no champion, and probabilities are true.

scripts/prove propensity --times 100 --seed 17; no Spark.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from models.propensity.planted import (
    PARAMS,
    STEP,
    alike,
    compared,
    own_tastes,
    trials_of,
)

from crm_spark.models.choice import better_for_sure
from crm_spark.models.propensity.definition import Propensity
from crm_spark.models.propensity.metrics import GAIN
from crm_spark.models.propensity.model import candidate

N_TARGETS = 8
CHALLENGER = "pooled_regression"
# Chance may look better than the best rule in five of a hundred: twice what 95 % intervals leave.
MOST_BY_CHANCE = 0.05
MOST_OFF = 0.02


def by_chance(times: int, seed: int) -> list[str]:
    """Count how often the challenger becomes champion where it knows no more than a rule.

    Where all customers are alike there is nothing to know; where each has tastes that stay, their
    own rate is all there is.
    """
    faults = []
    for n_customers in (400, 2000):
        for what in ("all alike", "own tastes"):
            n = 0
            for turn in range(times):
                chances = (
                    alike(n_customers, N_TARGETS)
                    if what == "all alike"
                    else own_tastes(n_customers, N_TARGETS, seed=seed + turn)
                )
                found = compared(trials_of(chances, seed=seed + turn))
                choice = better_for_sure(found, Propensity.criteria, gain=GAIN)
                n += choice.champion == CHALLENGER
            said = f"{what}, {n_customers} customers: a champion by chance in {n} of {times}"
            print(said)
            if n > MOST_BY_CHANCE * times:
                faults.append(said)
    return faults


def true_probabilities(times: int, seed: int) -> list[str]:
    """Compare probabilities with the chances that purchases were drawn by."""
    faults = []
    for n_customers in (400, 2000):
        off, errors, ratios = [], [], []
        for turn in range(times):
            chances = own_tastes(n_customers, N_TARGETS, seed=seed + turn)
            trials = trials_of(chances, seed=seed + turn)
            model = trials.fitted(candidate(CHALLENGER), STEP.training)
            said = model.probability(trials.customers(STEP.test)).ravel()
            truth = (1 - (1 - chances) ** PARAMS.horizon_days).ravel()
            parts = np.array_split(np.argsort(said), 10)
            off.append(np.mean([abs(said[part].mean() - truth[part].mean()) for part in parts]))
            errors.append(float(np.sqrt(((said - truth) ** 2).mean())))
            rule = trials.fitted(candidate("own_rate"), STEP.training)
            by_rule = rule.probability(trials.customers(STEP.test)).ravel()
            ratios.append(errors[-1] / float(np.sqrt(((by_rule - truth) ** 2).mean())))
        print(
            f"own tastes, {n_customers} customers: said and true chances differ by "
            f"{np.mean(off):.4f} on average of ten bins, {np.max(off):.4f} at most; root mean "
            f"squared {np.mean(errors):.4f}, {np.mean(ratios):.2f} of the own rate's"
        )
        if np.mean(off) > MOST_OFF:
            faults.append(f"{n_customers} customers: chances off by {np.mean(off):.4f}")
    return faults


def main() -> None:
    """Run the proofs; end with 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=17)
    given = parser.parse_args()
    faults = by_chance(given.times, given.seed) + true_probabilities(given.times, given.seed)
    for fault in faults:
        print(f"FAILED: {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
