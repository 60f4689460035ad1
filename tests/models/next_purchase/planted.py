"""Orders that are made up: of customers who are all alike, or who have rates of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.next_purchase.candidates import CANDIDATES
from crm_spark.models.next_purchase.customers import Histories
from crm_spark.models.next_purchase.data import moments_of
from crm_spark.models.next_purchase.definition import NextPurchase
from crm_spark.models.next_purchase.section import NextPurchaseSection
from crm_spark.models.next_purchase.trials import Trials
from crm_spark.models.results import Tested

DAY = date(2024, 12, 1)
N_DAYS = 330
FIRST = DAY - timedelta(days=N_DAYS)
# Customers come in these days.
N_DAYS_OF_COMING = 120
PARAMS = NextPurchaseSection()
PLAN = NextPurchase().plan(PARAMS, DAY, FIRST)
STEP = PLAN.quoted


def alike(n: int) -> Floats:
    """Give everybody the same chance to order on a day."""
    return np.full(n, 0.03)


def own_rates(n: int, *, seed: int) -> Floats:
    """Give each customer a chance of their own to order on a day."""
    return np.clip(np.random.default_rng(seed).gamma(0.7, 0.05, size=n), 0.001, 0.5)


def trials_of(chances: Floats, *, seed: int, params: NextPurchaseSection = PARAMS) -> Trials:
    """Give orders that are drawn every day anew, from the first order of each customer on."""
    draw = np.random.default_rng(seed)
    n = len(chances)
    comes = draw.integers(0, N_DAYS_OF_COMING, n)
    comes[0] = 0
    days = np.arange(N_DAYS)
    ordered = draw.random((n, N_DAYS)) < chances[:, None]
    ordered = (ordered & (days > comes[:, None])) | (days == comes[:, None])
    customer, day = np.nonzero(ordered)
    plan = NextPurchase().plan(params, DAY, FIRST)
    moments = moments_of(params, plan, DAY, FIRST)
    # Known from the first moment after its day on.
    known_from = np.searchsorted([(one - FIRST).days for one in moments], day, side="right")
    number = day + (FIRST - date(1970, 1, 1)).days
    known_to = np.full(len(day), len(moments))
    histories = Histories(customer, number, known_from, known_to, n, moments)
    return Trials(histories, params, FIRST)


def compared(trials: Trials) -> Sequence[Tested[None]]:
    """Give the figures of all candidates on the newest closed cut-off."""
    return [
        Tested(one.name, one.is_rule, None, tuple(trials.measured(one, STEP))) for one in CANDIDATES
    ]
