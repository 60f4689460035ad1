"""Purchases whose truth is known: where nothing is to be learnt, and where there are tastes."""

from __future__ import annotations

import numpy as np
import pytest
from models.propensity.planted import (
    PARAMS,
    STEP,
    alike,
    compared,
    own_tastes,
    trials_of,
)

from crm_spark.models.choice import best_rule_or_challenger, better_for_sure
from crm_spark.models.propensity.definition import Propensity
from crm_spark.models.propensity.metrics import GAIN
from crm_spark.models.propensity.model import candidate
from crm_spark.models.propensity.trials import Trials


def champion(trials: Trials) -> str:
    return better_for_sure(compared(trials), Propensity.criteria, gain=GAIN).champion


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_all_customers_are_alike_nothing_beats_the_rule(seed: int) -> None:
    assert champion(trials_of(alike(400, 8), seed=seed)) != "pooled_regression"


def test_where_the_own_rate_is_all_there_is_a_lead_by_chance_is_not_enough() -> None:
    leads = 0
    for seed in range(12):
        trials = trials_of(own_tastes(300, 6, seed=seed), seed=seed)
        found = compared(trials)
        leads += best_rule_or_challenger(found, Propensity.criteria).champion == "pooled_regression"
        assert champion(trials) != "pooled_regression"
    # Without the interval it would be champion now and then.
    assert leads


def test_probabilities_are_the_true_ones_of_customers_with_tastes() -> None:
    chances = own_tastes(800, 8, seed=5)
    trials = trials_of(chances, seed=5)
    truth = 1 - (1 - chances) ** PARAMS.horizon_days
    customers = trials.customers(STEP.test)
    fitted = trials.fitted(candidate("pooled_regression"), STEP.training)
    probability = fitted.probability(customers)
    assert np.corrcoef(probability.ravel(), truth.ravel())[0, 1] > 0.95
    # By bins of the probability: the true chances of those of whom so much is said.
    order = np.argsort(probability.ravel())
    for part in np.array_split(order, 10):
        said, true = probability.ravel()[part].mean(), truth.ravel()[part].mean()
        assert said == pytest.approx(true, abs=0.04)
    values = {one.name: one.value for one in compared(trials)[-1].metrics}
    assert values["calibration_error"] is not None
    assert values["calibration_error"] < 0.02


def test_a_customers_own_rate_beats_what_is_usual() -> None:
    rules = {one.name: one for one in compared(trials_of(own_tastes(300, 6, seed=9), seed=9))}
    own, usual = rules["own_rate"], rules["usual_share"]
    own_value, usual_value = own.value("average_precision"), usual.value("average_precision")
    assert own_value is not None
    assert usual_value is not None
    assert own_value > usual_value + 0.2
