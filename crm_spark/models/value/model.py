"""A value model: arrays of customers in, what to expect of them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from crm_spark.models.purchases import Floats
from crm_spark.models.value.histories import (
    ACTUAL_AMOUNT,
    ACTUAL_DAYS,
    AMOUNT,
    DAYS_A_WEEK,
    REPEAT_AMOUNT,
    REPEATS,
    SPAN,
    TENURE,
    later_amount,
    recent_amount,
)
from crm_spark.models.value.intervals import AlikeGroup, interval_of

DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Customers:
    """Histories of customers at one cut-off, and what came after where it is known.

    Times are in weeks: x order days after the first, t_x from the first to the last of them, T to
    the cut-off. `amount` is the net spend so far, `repeat_amount` that of the repeat days, `recent`
    that of the last days, by their number. `later` is what came in horizons other than the first,
    by their days, where these have closed.
    """

    x: Floats
    t_x: Floats
    T: Floats
    amount: Floats
    repeat_amount: Floats
    recent: Mapping[int, Floats]
    actual_amount: Floats | None = None
    actual_order_days: Floats | None = None
    later: Mapping[int, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: pd.DataFrame, horizons_days: tuple[int, ...]) -> Customers:
        """Give the customers of rows of value_histories()."""

        def column(name: str) -> Floats:
            return rows[name].to_numpy(float)

        is_closed = ACTUAL_AMOUNT in rows
        later = {
            days: column(name)
            for days in horizons_days
            if (name := later_amount(days)) in rows and rows[name].notna().all()
        }
        return cls(
            column(REPEATS),
            column(SPAN) / DAYS_A_WEEK,
            column(TENURE) / DAYS_A_WEEK,
            column(AMOUNT),
            column(REPEAT_AMOUNT),
            {days: column(recent_amount(days)) for days in horizons_days},
            column(ACTUAL_AMOUNT) if is_closed else None,
            column(ACTUAL_DAYS) if is_closed else None,
            later,
        )

    def __len__(self) -> int:
        """How many."""
        return len(self.x)

    @property
    def silence_days(self) -> Floats:
        """Days since the last order; 0: ordered on the day before the cut-off."""
        return np.rint((self.T - self.t_x) * DAYS_A_WEEK)


@dataclass(frozen=True)
class Predicted:
    """What is expected of customers in a horizon; a rule of spend knows nothing of orders."""

    amount: Floats
    order_days: Floats | None = None
    order_probability: Floats | None = None


class Predictor(Protocol):
    """A fitted candidate."""

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        """Give what is expected in the days from the cut-off on, spend at its present value."""

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""


@dataclass(frozen=True)
class TestedOn:
    """The cut-off that a kind was tested on, and the predictor that what was known then made."""

    __test__: ClassVar[bool] = False  # no test, whatever pytest makes of its name

    cutoff: date
    predictor: Predictor


@dataclass(frozen=True)
class ValueModel:
    """A predictor with its name and settings, and how far it was off on closed cut-offs.

    `groups` are those of each horizon that has closed, by its days. `tested` is the same kind as it
    was tested; None before it is.
    """

    kind: str
    predictor: Predictor
    horizons_days: tuple[int, ...]
    discount_rate: float = 0.0
    groups: Mapping[int, tuple[AlikeGroup, ...]] = field(default_factory=dict)
    tested: TestedOn | None = None

    def predict(self, customers: Customers, horizon_days: int) -> Predicted:
        """Give what is expected in a horizon."""
        return self.predictor.predict(customers, horizon_days, discount_rate=self.discount_rate)

    def interval(self, amount: Floats, horizon_days: int) -> tuple[Floats, Floats] | None:
        """Give the 80 % interval of undiscounted amounts of a horizon; None: not known."""
        groups = self.groups.get(horizon_days)
        return interval_of(groups, amount) if groups else None

    def undiscounted(self) -> ValueModel:
        """Give the same model of amounts as they come."""
        return replace(self, discount_rate=0.0)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "kind": self.kind,
            "predictor": self.predictor.spec(),
            "horizons_days": list(self.horizons_days),
            "discount_rate": self.discount_rate,
            "groups": {
                str(days): [asdict(group) for group in groups]
                for days, groups in self.groups.items()
            },
            "tested": self.tested
            and {
                "cutoff": self.tested.cutoff.isoformat(),
                "predictor": self.tested.predictor.spec(),
            },
        }

    @classmethod
    def of(
        cls, spec: Mapping[str, Any], load: Callable[[Mapping[str, Any]], Predictor]
    ) -> ValueModel:
        """Put a model together again from its spec; `load` does so with a predictor."""
        tested = spec.get("tested")
        return cls(
            spec["kind"],
            load(spec["predictor"]),
            tuple(spec["horizons_days"]),
            spec["discount_rate"],
            {
                int(days): tuple(AlikeGroup(**group) for group in groups)
                for days, groups in spec["groups"].items()
            },
            tested and TestedOn(date.fromisoformat(tested["cutoff"]), load(tested["predictor"])),
        )


def mean_present_value(discount_rate: float, horizon_days: int) -> float:
    """Give what a unit of money is worth now that comes at any moment of the horizon alike."""
    rate = float(np.log1p(discount_rate)) * horizon_days / DAYS_A_YEAR
    return float(-np.expm1(-rate) / rate) if rate else 1.0
