"""A propensity model: customers by targets in, probabilities of buying out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crm_spark.models.binary_metrics import DECIMALS, Floats
from crm_spark.models.logistic import LogisticRegression
from crm_spark.models.propensity.candidates import CANDIDATES, PropensityCandidate
from crm_spark.models.propensity.customers import Customers


@dataclass(frozen=True)
class TargetTest:
    """Average precision on one target at the cut-off of the test, beside that of the best rule."""

    average_precision: float
    of_rule: float


@dataclass(frozen=True)
class PropensityModel:
    """A fitted candidate, with what it came to by target when it was tested."""

    kind: str
    regression: LogisticRegression
    horizon_days: int
    tested: Mapping[str, TargetTest] = field(default_factory=dict)

    def probability(self, customers: Customers) -> Floats:
        """Give the probability that each customer, a row, buys each target, a column.

        To six decimals, and never 0: as it is tested and as it is scored.
        """
        columns = candidate(self.kind).columns(customers, self.horizon_days)
        shape = (len(customers), len(customers.usual_share))
        found = np.round(self.regression.probability(columns), DECIMALS)
        return np.maximum(found, 10.0**-DECIMALS).reshape(shape)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "kind": self.kind,
            "regression": self.regression.spec(),
            "horizon_days": self.horizon_days,
            "tested": {
                name: [one.average_precision, one.of_rule] for name, one in self.tested.items()
            },
        }

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> PropensityModel:
        """Put a model together again from its spec."""
        return cls(
            spec["kind"],
            LogisticRegression.of(spec["regression"]),
            spec["horizon_days"],
            {name: TargetTest(*pair) for name, pair in spec["tested"].items()},
        )


def candidate(name: str) -> PropensityCandidate:
    """Give a candidate by its name."""
    return next(one for one in CANDIDATES if one.name == name)
