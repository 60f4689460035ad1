"""Contract customers whose reason to leave is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from crm_spark.tables.core import CONTRACTS

SCHEMA = "customer_id string, has_left boolean, numbers {}, categories {}".format(
    *(CONTRACTS.column(kind).type.simpleString() for kind in ("numbers", "categories"))
)


def contract(
    customer_id: str,
    has_left: bool | None,
    numbers: dict[str, float | None],
    categories: dict[str, str | None],
) -> tuple[Any, ...]:
    """Give a row of core.contracts."""
    return customer_id, has_left, sorted(numbers.items()), sorted(categories.items())


def contracts(spark: SparkSession, rows: list[tuple[Any, ...]]) -> DataFrame:
    """Give rows of core.contracts without their provenance."""
    return spark.createDataFrame(rows, SCHEMA)


def made(n: int, *, seed: int = 1, effect: float = 2.0) -> list[tuple[Any, ...]]:
    """Give customers of whom those on a monthly contract who pay much leave, by `effect`.

    With an effect of 0 nothing tells who leaves. `luck` and `colour` never do. Every ninth spend is
    not known, and every tenth customer's label.
    """
    random = np.random.default_rng(seed)
    is_monthly = random.random(n) < 0.5
    spend, luck = random.normal(size=n), random.normal(size=n)
    colour = random.choice(["red", "green", "blue"], size=n)
    logit = -1.0 + effect * (is_monthly - 0.5) + effect * spend / 2
    has_left = random.random(n) < 1 / (1 + np.exp(-logit))
    return [
        contract(
            f"c{place:05d}",
            None if place % 10 == 0 else bool(has_left[place]),
            {"spend": None if place % 9 == 0 else float(spend[place]), "luck": float(luck[place])},
            {
                "term": "monthly" if is_monthly[place] else "two years",
                "colour": str(colour[place]),
            },
        )
        for place in range(n)
    ]
