"""Purchases that are made up: of customers who are all alike, or who have tastes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.propensity.candidates import CANDIDATES
from crm_spark.models.propensity.customers import Histories
from crm_spark.models.propensity.purchases import all_ids
from crm_spark.models.propensity.section import PropensitySection
from crm_spark.models.propensity.targets import PRODUCT, Target, Targets
from crm_spark.models.propensity.trials import Trials
from crm_spark.models.results import Tested

DAY = date(2024, 12, 1)
N_DAYS = 280
PARAMS = PropensitySection()
WAIT = PARAMS.closed_after
CUTOFFS = [DAY - step * WAIT for step in range(1, 5)]
STEP = Cutoffs(CUTOFFS[0], tuple(CUTOFFS[1:]))


def alike(n_customers: int, n_targets: int) -> Floats:
    """Give everybody the same chance a day to buy a target."""
    return np.tile(np.linspace(0.005, 0.03, n_targets), (n_customers, 1))


def own_tastes(n_customers: int, n_targets: int, *, seed: int) -> Floats:
    """Give each customer a chance a day of their own for each target."""
    draw = np.random.default_rng(seed)
    return np.minimum(draw.gamma(0.3, 0.05, size=(n_customers, n_targets)), 0.5)


def trials_of(chances: Floats, *, seed: int) -> Trials:
    """Give purchases that are drawn every day anew; anything is bought on the first day by all."""
    draw = np.random.default_rng(seed)
    n_customers, n_targets = chances.shape
    first = DAY - timedelta(days=N_DAYS)
    days = [(first + timedelta(days=day)) for day in range(N_DAYS)]
    numbers = np.array([(day - date(1970, 1, 1)).days for day in days])
    bought = (
        draw.random((n_customers, n_targets + 1, N_DAYS))
        < np.concatenate([np.full((n_customers, 1), 0.2), chances], axis=1)[:, :, None]
    )
    bought[:, 0, :] |= bought[:, 1:, :].any(axis=1)
    bought[:, 0, 0] = True
    customer, place, day = np.nonzero(bought)
    moments = sorted([DAY, *CUTOFFS])
    before = {one: (one - first).days for one in moments}
    targets = {
        one: Targets(
            tuple(
                Target(PRODUCT, f"p{at:02d}", int(_bought_in(bought, at, before[one]).sum()))
                for at in range(n_targets)
            )
        )
        for one in moments
    }
    assert all_ids(targets) == [f"product:p{at:02d}" for at in range(n_targets)]
    known_from = np.searchsorted([before[one] for one in moments], day, side="right")
    histories = Histories(
        customer,
        place,
        numbers[day],
        known_from,
        np.full(len(day), len(moments)),
        n_customers,
        moments,
        targets,
        dict.fromkeys(moments, n_customers),
    )
    return Trials(histories, {one: one + WAIT for one in CUTOFFS}, PARAMS)


def _bought_in(bought: np.ndarray, target: int, end: int) -> np.ndarray:
    start = end - PARAMS.horizon_days
    found: np.ndarray = bought[:, target + 1, start:end].any(axis=1)
    return found


def compared(trials: Trials) -> Sequence[Tested[None]]:
    """Give the figures of all candidates on the newest closed cut-off."""
    return [
        Tested(one.name, one.is_rule, None, tuple(trials.measured(one, STEP))) for one in CANDIDATES
    ]
