"""Means of candidates: of amounts over all members, of orders what the model of orders says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from crm_spark.models.purchases import MBG_NBD, PurchaseModel
from crm_spark.models.value.average import Average, order_process
from crm_spark.models.value.buy_till_you_die import BuyTillYouDie
from crm_spark.models.value.candidates import candidate_named
from crm_spark.models.value.model import Customers, Predicted

ONE = np.ones(2)
TWO_CUSTOMERS = Customers(ONE, ONE, 2 * ONE, ONE, ONE, {28: np.array([10.0, 0.0])})


@dataclass(frozen=True)
class _Says:
    """A member that says the same of everybody."""

    amount: float
    order_days: float | None = None
    order_probability: float | None = None

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        scale = horizon_days * (1 - discount_rate)
        days, chance = (
            None if one is None else one * ONE for one in (self.order_days, self.order_probability)
        )
        return Predicted(self.amount * scale * ONE, days, chance)

    def spec(self) -> dict[str, Any]:
        return {}


def test_amounts_are_the_mean_of_all_members_at_the_horizon_and_rate_asked_for() -> None:
    average = Average((("one", _Says(1.0)), ("two", _Says(4.0)), ("three", _Says(10.0))))
    assert average.predict(TWO_CUSTOMERS, 28).amount == pytest.approx([140.0, 140.0])
    assert average.predict(TWO_CUSTOMERS, 84).amount == pytest.approx([420.0, 420.0])
    later = average.predict(TWO_CUSTOMERS, 28, discount_rate=0.5)
    assert later.amount == pytest.approx([70.0, 70.0])


def test_orders_are_those_of_the_model_of_orders_whatever_others_say_of_one_horizon() -> None:
    of_orders = BuyTillYouDie(PurchaseModel(MBG_NBD, 0.8, 5.0, 0.7, 3.0), None, 20.0)
    members = (("rule", _Says(1.0)), ("forest", _Says(1.0, 6.0, 0.99)), ("model", of_orders))
    average = Average(members)
    assert order_process(average) is of_orders
    chances = []
    for days in (7, 28, 84):
        found, alone = (one.predict(TWO_CUSTOMERS, days) for one in (average, of_orders))
        assert found.order_days is not None and found.order_probability is not None
        assert alone.order_days is not None
        assert found.order_days.tolist() == alone.order_days.tolist()
        chances.append(found.order_probability[0])
    assert chances == sorted(chances)
    without = Average(members[:2]).predict(TWO_CUSTOMERS, 28)
    assert (without.order_days, without.order_probability) == (None, None)


def test_each_member_is_stored_under_its_name() -> None:
    candidate = candidate_named("average_of_two")
    members = {"carried_forward": {"known_days": 90}, "own_rate": {"least_days": 7}}
    stored = {"members": [{"name": name, "spec": spec} for name, spec in members.items()]}
    loaded = candidate.load(stored)
    assert json.loads(json.dumps(loaded.spec())) == stored
    # Known for 2 weeks and a day: 1 spent, and 10 or nothing in the last 28 days.
    expected = [(10 + 28 / 15) / 2, (0 + 28 / 15) / 2]
    assert loaded.predict(TWO_CUSTOMERS, 28).amount == pytest.approx(expected)
