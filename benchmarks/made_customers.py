"""Customers with 40 features and a known chance to leave: what both forests learn from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from crm_spark.features.families import FEATURES
from crm_spark.models.churn.labels import LABEL
from crm_spark.runtime.progress import log

N_FEATURES = 40
# Under the names of features of the snapshot, since a model of ours knows no others.
LEARNT = FEATURES[:N_FEATURES]
NAMES: Sequence[str] = tuple(feature.name for feature in LEARNT)
CHANCE = "chance"
_DAY = date(2025, 1, 1)


def made_customers(place: Path, n: int, *, seed: int) -> Path:
    """Give a parquet file of so many customers, made where it is not there yet."""
    target = place / f"{n}_made_customers_{seed}.parquet"
    if not target.exists():
        log.info("making %s customers with %d features", f"{n:,}", N_FEATURES)
        draw_customers(n, seed=seed).to_parquet(target, index=False)
    return target


def draw_customers(n: int, *, seed: int) -> pd.DataFrame:
    """Draw customers: customer_id, as_of_date, the features, their chance to leave and the label.

    Half of the features are counts and half amounts, both log-normal. The log odds are a sum of the
    logarithms of eleven, the square of another and two products of two; the others say nothing.
    About one in four leaves.
    """
    random = np.random.default_rng(seed)
    normal = random.standard_normal((n, N_FEATURES))
    weights = np.array([0.8, -0.7, 0.6, -0.5, 0.5, -0.4, 0.4, -0.3, 0.3, -0.2, 0.2])
    log_odds = -1.9 + normal[:, :11] @ weights + 0.4 * normal[:, 11] ** 2
    log_odds += 0.6 * normal[:, 0] * normal[:, 3] + 0.5 * normal[:, 12] * normal[:, 13]
    chance = 1 / (1 + np.exp(-log_odds))
    table = {"customer_id": [f"c{number:08}" for number in range(n)], "as_of_date": [_DAY] * n}
    for place, name in enumerate(NAMES):
        drawn = np.exp(normal[:, place])
        table[name] = np.floor(4 * drawn) if place % 2 else np.round(50 * drawn, 2)
    table[CHANCE] = chance
    table[LABEL] = (random.random(n) < chance).astype(float)
    return pd.DataFrame(table)
