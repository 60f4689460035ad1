"""Orders of a buy-till-you-die model, each at what Gamma-Gamma expects of an order day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crm_spark.models.purchases import (
    Floats,
    PurchaseModel,
    alive_probability,
    expected_orders,
)
from crm_spark.models.value.histories import DAYS_A_WEEK
from crm_spark.models.value.model import DAYS_A_YEAR, Customers, Predicted
from crm_spark.models.value.spend import SpendModel, expected_amount

# Present value is an integral over the horizon: by so many points of Gauss and Legendre.
N_POINTS = 6


@dataclass(frozen=True)
class BuyTillYouDie:
    """Both models.

    Without Gamma-Gamma, as hardly anybody came twice or it has no mean, a customer's order day is
    the mean of their repeat days and of one of `usual_amount`.

    Amounts are taken to be independent of how often a customer orders.
    """

    purchases: PurchaseModel
    spend: SpendModel | None
    usual_amount: float

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        """See Predictor."""
        until = expected_orders(
            self.purchases, customers.x, customers.t_x, customers.T, horizon_days / DAYS_A_WEEK
        )
        present = until.n_orders
        if discount_rate:
            present = self._at_present(customers, horizon_days, discount_rate, until.n_orders)
        amount = present * self.amount_per_order_day(customers)
        return Predicted(amount, until.n_orders, until.order_probability)

    def amount_per_order_day(self, customers: Customers) -> Floats:
        """Give the net spend to expect of a day with an order.

        Repeat days whose money all came back, or was never asked for, are days of nothing.
        """
        x, spent = customers.x, np.maximum(customers.repeat_amount, 0.0)
        if self.spend is None:
            return np.asarray((spent + self.usual_amount) / (x + 1))
        return expected_amount(self.spend, x, np.divide(spent, x, out=spent.copy(), where=x > 0))

    def alive_probability(self, customers: Customers) -> Floats:
        """Give the probability that a customer is not lost for good."""
        return alive_probability(self.purchases, customers.x, customers.t_x, customers.T)

    def _at_present(
        self, customers: Customers, horizon_days: int, discount_rate: float, n_orders: Floats
    ) -> Floats:
        """Give the orders to expect, each at its present value.

        By parts: the integral of exp(-d u) dE(u) over the horizon h is exp(-d h) E(h) and d times
        the integral of exp(-d u) E(u).
        """
        rate = float(np.log1p(discount_rate)) / DAYS_A_YEAR
        points, weights = np.polynomial.legendre.leggauss(N_POINTS)
        total = np.exp(-rate * horizon_days) * n_orders
        for point, weight in zip(points, weights, strict=True):
            days = horizon_days * (point + 1) / 2
            until = expected_orders(
                self.purchases, customers.x, customers.t_x, customers.T, days / DAYS_A_WEEK
            )
            weight_now = rate * np.exp(-rate * days) * weight * horizon_days / 2
            total = total + weight_now * until.n_orders
        return np.asarray(total)

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return asdict(self)


def load_buy_till_you_die(spec: Mapping[str, Any]) -> BuyTillYouDie:
    """Put it together again from its spec."""
    spend = spec["spend"]
    return BuyTillYouDie(
        PurchaseModel.of(spec["purchases"]),
        SpendModel(**{**spend, "errors": tuple(spend["errors"])}) if spend else None,
        spec["usual_amount"],
    )
