"""Means of candidates: of amounts over all members, of orders over those that know them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from crm_spark.models.value.average import Average
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


def test_orders_are_the_mean_of_the_members_that_know_them() -> None:
    members = (("rule", _Says(1.0)), ("one", _Says(1.0, 2.0, 0.4)), ("two", _Says(1.0, 6.0)))
    found = Average(members).predict(TWO_CUSTOMERS, 28)
    assert found.order_days is not None and found.order_probability is not None
    assert found.order_days == pytest.approx([4.0, 4.0])
    assert found.order_probability == pytest.approx([0.4, 0.4])
    of_a_rule = Average(members[:1]).predict(TWO_CUSTOMERS, 28)
    assert (of_a_rule.order_days, of_a_rule.order_probability) == (None, None)


def test_each_member_is_stored_under_its_name() -> None:
    candidate = candidate_named("average_of_two")
    members = {"carried_forward": {}, "own_rate": {"least_days": 7}}
    stored = {"members": [{"name": name, "spec": spec} for name, spec in members.items()]}
    loaded = candidate.load(stored)
    assert json.loads(json.dumps(loaded.spec())) == stored
    # Known for 2 weeks and a day: 1 spent, and 10 or nothing in the last 28 days.
    expected = [(10 + 28 / 15) / 2, (0 + 28 / 15) / 2]
    assert loaded.predict(TWO_CUSTOMERS, 28).amount == pytest.approx(expected)
