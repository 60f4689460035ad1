"""A next-purchase model: customers in, chances of an order by horizon and its day out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crm_spark.models.binary_metrics import DECIMALS, Floats
from crm_spark.models.next_purchase.candidates import candidate
from crm_spark.models.next_purchase.curves import day_reached
from crm_spark.models.next_purchase.customers import Customers
from crm_spark.models.next_purchase.predictors import Predictor

# The ends of the interval of the day, as chances to have ordered by then: 80 % of all days.
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class ExpectedDays:
    """The days from a date on, 1 being the date, by which chances are a tenth, a half, nine tenths.

    Infinite where they are later than anything that has closed.
    """

    low: Floats
    median: Floats
    high: Floats


@dataclass(frozen=True)
class NextPurchaseModel:
    """A fitted candidate: chances up to the last of `steps_days`, beyond which nothing has closed.

    `horizons_days` are all that were asked for, the one that chooses first.
    """

    kind: str
    predictor: Predictor
    steps_days: tuple[int, ...]
    horizons_days: tuple[int, ...]

    def chances(self, customers: Customers) -> Floats:
        """Give the chance of each customer to have ordered by the end of each step.

        To six decimals, and never 0 or 1: as it is tested and as it is scored.
        """
        found = np.round(self.predictor.chances(customers, self.steps_days), DECIMALS)
        return np.clip(found, 10.0**-DECIMALS, 1 - 10.0**-DECIMALS)

    def of_horizon(self, chances: Floats, horizon_days: int) -> Floats | None:
        """Give the column of a horizon; None where nothing so long had closed."""
        if horizon_days not in self.steps_days:
            return None
        return chances[:, self.steps_days.index(horizon_days)]

    def days(self, chances: Floats) -> ExpectedDays:
        """Give when orders are to be expected."""
        low, median, high = (
            day_reached(chances, self.steps_days, share) for share in (LOW, 0.5, HIGH)
        )
        return ExpectedDays(low, median, high)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "kind": self.kind,
            "steps_days": list(self.steps_days),
            "horizons_days": list(self.horizons_days),
            "predictor": self.predictor.spec(),
        }

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> NextPurchaseModel:
        """Put a model together again from its spec."""
        return cls(
            spec["kind"],
            candidate(spec["kind"]).load(spec["predictor"]),
            tuple(spec["steps_days"]),
            tuple(spec["horizons_days"]),
        )


def closed_steps(steps_days: Sequence[int], closed_days: int) -> tuple[int, ...]:
    """Give the steps that had ended on the cut-off that is known longest."""
    return tuple(one for one in steps_days if one <= closed_days)
