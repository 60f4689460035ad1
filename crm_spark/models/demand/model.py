"""A demand model: the series as of a date in, what will be sold of each out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from crm_spark.models.demand.hierarchy import reconcile
from crm_spark.models.demand.intervals import Ends, interval_of
from crm_spark.models.demand.series import Floats, Sales, Tree


class Forecaster(Protocol):
    """A fitted candidate, of one measure."""

    def forecast(self, sales: Sales, tree: Tree, horizon: int) -> Floats:
        """Give what is expected of each series, a column a period; it need not add up."""

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""


@dataclass(frozen=True)
class DemandModel:
    """Forecasters by measure, with how far they were off when they were last tested."""

    kind: str
    forecasters: Mapping[str, Forecaster]
    horizon: int
    season: int
    ends: Mapping[str, Ends] = field(default_factory=dict)

    def forecast(self, measure: str, sales: Sales, tree: Tree) -> Floats:
        """Give what is expected of each series, a column a period, so that it adds up.

        `measure` is one of `forecasters`: a model knows those that there were when it was fitted.
        """
        found = self.forecasters[measure].forecast(sales, tree, self.horizon)
        return reconcile(found, tree.parent, _variances(sales))

    def interval(
        self, measure: str, sales: Sales, tree: Tree, forecasts: Floats
    ) -> tuple[Floats, Floats] | None:
        """Give the 80 % interval of forecasts; None where too little has closed."""
        return interval_of(self.ends.get(measure, {}), tree, sales, forecasts, self.season)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "kind": self.kind,
            "forecasters": {name: one.spec() for name, one in self.forecasters.items()},
            "horizon": self.horizon,
            "season": self.season,
            "ends": {name: dict(ends) for name, ends in self.ends.items()},
        }

    @classmethod
    def of(cls, spec: Mapping[str, Any], forecasters: Mapping[str, Forecaster]) -> DemandModel:
        """Put a model together again from its spec and its loaded forecasters."""
        ends = {
            name: {group: tuple(pair) for group, pair in of.items()}
            for name, of in spec["ends"].items()
        }
        return cls(spec["kind"], forecasters, spec["horizon"], spec["season"], ends)


def _variances(sales: Sales) -> Floats:
    """Give how much each series moves from a period to the next: the same for all candidates."""
    moves = np.diff(np.nan_to_num(sales.values), axis=1) ** 2
    return np.asarray(moves.mean(axis=1) if moves.shape[1] else np.ones(len(moves)), np.float64)
