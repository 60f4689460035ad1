"""The trivial rules: what was spent lately, at the customer's own rate, or by customers alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crm_spark.models.purchases import Floats
from crm_spark.models.value.histories import DAYS_A_WEEK
from crm_spark.models.value.model import Customers, Predicted, mean_present_value

N_PARTS = 5


@dataclass(frozen=True)
class CarriedForward:
    """A customer spends what they spent in as many days before the cut-off.

    Of a horizon longer than the `known_days` of any order in proportion; None: known for long.
    """

    known_days: int | None = None

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        """See Predictor."""
        known = min(horizon_days, self.known_days or horizon_days)
        amount = customers.recent[horizon_days] * (horizon_days / known)
        return _at_present(amount, horizon_days, discount_rate)

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return asdict(self)


@dataclass(frozen=True)
class OwnRate:
    """A customer goes on at the rate of all of their time, of at least `least_days`."""

    least_days: int

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        """See Predictor."""
        known = np.maximum(customers.T * DAYS_A_WEEK + 1, self.least_days)
        return _at_present(customers.amount / known * horizon_days, horizon_days, discount_rate)

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return asdict(self)


@dataclass(frozen=True)
class RfmCells:
    """A customer spends the mean of those in the same cell of silence, order days and spend.

    `cuts` part each of the three into five; `means` are of `horizon_days`, cell by cell. A
    cell that nobody was in has the mean of all.
    """

    cuts: tuple[tuple[float, ...], ...]
    means: tuple[float, ...]
    horizon_days: int

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        """See Predictor; horizons other than its own in proportion."""
        amount = np.array(self.means)[_cell(customers, self.cuts)]
        return _at_present(amount * horizon_days / self.horizon_days, horizon_days, discount_rate)

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return asdict(self)


def fit_rfm_cells(closed: Sequence[Customers], now: Customers, horizon_days: int) -> RfmCells:
    """Fit the rule on customers of closed cut-offs, to be told of those of now.

    Each cut-off is parted by cuts of its own, as spend and order days grow with the history. Raises
    ValueError without any closed cut-off.
    """
    if not sum(map(len, closed)):
        raise ValueError("no cut-off has closed that the means of cells could be of")
    cells = np.concatenate([_cell(one, _cuts(one)) for one in closed])
    actual = np.concatenate([_actual(one) for one in closed])
    n_cells = N_PARTS ** len(_measures(now))
    n = np.bincount(cells, minlength=n_cells)
    total = np.bincount(cells, weights=actual, minlength=n_cells)
    means = np.where(n > 0, total / np.maximum(n, 1), actual.mean())
    return RfmCells(_cuts(now), tuple(float(mean) for mean in means), horizon_days)


def _cuts(customers: Customers) -> tuple[tuple[float, ...], ...]:
    """Give the cuts that part customers into fifths of each measure."""
    shares = np.arange(1, N_PARTS) / N_PARTS
    return tuple(
        tuple(float(cut) for cut in np.quantile(values, shares)) for values in _measures(customers)
    )


def _actual(customers: Customers) -> Floats:
    assert customers.actual_amount is not None, "the cut-off has closed"
    return customers.actual_amount


def _measures(customers: Customers) -> tuple[Floats, Floats, Floats]:
    return customers.silence_days, customers.x + 1, customers.amount


def _cell(customers: Customers, cuts: Sequence[Sequence[float]]) -> Any:
    """Give the number of each customer's cell."""
    cell = np.zeros(len(customers), dtype=int)
    for values, at in zip(_measures(customers), cuts, strict=True):
        cell = cell * N_PARTS + np.searchsorted(np.array(at), values, side="right")
    return cell


def _at_present(amount: Floats, horizon_days: int, discount_rate: float) -> Predicted:
    """Give an amount that comes evenly over the horizon; what is below zero is nothing."""
    return Predicted(np.maximum(amount, 0.0) * mean_present_value(discount_rate, horizon_days))
