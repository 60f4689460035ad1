"""A next-purchase model: chances by horizon, and the days that are expected of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.next_purchase.packed import CUTOFF, Ordered, after, before, customers_of, rows_of

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.next_purchase.candidates import CANDIDATES, NextPurchaseCandidate
from crm_spark.models.next_purchase.customers import Customers
from crm_spark.models.next_purchase.model import NextPurchaseModel, closed_steps
from crm_spark.models.next_purchase.predictors import Learnt
from crm_spark.models.next_purchase.scoring import _scorer

STEPS = (1, 7, 28)
SOME = customers_of([0], [50, 20], [9, 8, 7])
quickly = settings(max_examples=200, derandomize=True, database=None, deadline=None)
each_candidate = pytest.mark.parametrize("one", CANDIDATES, ids=lambda one: one.name)


@dataclass(frozen=True)
class Fixed:
    """Says the same of all customers, or a row to each."""

    rows: tuple[tuple[float, ...], ...]

    def chances(self, customers: Customers, steps_days: Sequence[int]) -> Floats:
        rows = np.array(self.rows)[:, : len(steps_days)]
        return np.tile(rows, (len(customers), 1)) if len(rows) == 1 else rows

    def spec(self) -> dict[str, Any]:
        return {}


def model(*rows: tuple[float, ...], horizons: tuple[int, ...] = (7, 28, 90)) -> NextPurchaseModel:
    return NextPurchaseModel("fixed", Fixed(rows), STEPS, horizons)


def fitted(one: NextPurchaseCandidate) -> NextPurchaseModel:
    random = np.random.default_rng(1)
    known = customers_of(
        *[random.integers(0, 300, random.integers(1, 20)).tolist() for _ in range(80)]
    )
    learnt = Learnt(known, random.geometric(0.05, len(known)).astype(float), 28)
    return NextPurchaseModel(one.name, one.fit([learnt], known, STEPS), STEPS, (7, 28, 90))


def test_chances_are_never_0_or_1_and_have_six_decimals() -> None:
    found = model((0.0, 0.1234567, 1.0)).chances(SOME)
    assert found == pytest.approx(np.array([[1e-6, 0.123457, 0.999999]] * 3), abs=1e-12)


@each_candidate
def test_chances_of_all_candidates_rise_with_the_steps(one: NextPurchaseCandidate) -> None:
    found = fitted(one).chances(customers_of([0], [2_500], range(700), [40, 20, 0], [3_000, 2_999]))
    assert ((found > 0) & (found < 1)).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert np.array_equal(found, np.round(found, 6))


def test_the_chance_of_a_horizon_is_that_of_the_step_that_ends_with_it() -> None:
    one = model((0.1, 0.2, 0.4))
    chances = one.chances(SOME)
    for horizon, chance in ((7, 0.2), (28, 0.4)):
        found = one.of_horizon(chances, horizon)
        assert found is not None
        assert found.tolist() == [chance] * 3


def test_of_a_horizon_that_was_not_learnt_nothing_is_known() -> None:
    one = model((0.1, 0.2, 0.4))
    assert one.of_horizon(one.chances(SOME), 90) is None


def test_days_are_those_of_a_tenth_a_half_and_nine_tenths() -> None:
    # Constant rates: a tenth on the first day, then to 0.5 by day 7, and to 0.9 by day 28.
    days = model((0.1, 0.5, 0.9)).days(np.array([[0.1, 0.5, 0.9], [0.09, 0.49, 0.89]]))
    assert days.low.tolist() == [1, 2]
    assert days.median.tolist() == [7, 8]
    assert days.high.tolist() == [28, math.inf]


@quickly
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_days_are_in_order_whatever_the_chances(parts: list[float]) -> None:
    one = model(tuple(sorted(parts)))
    days = one.days(one.chances(SOME))
    assert (days.low <= days.median).all()
    assert (days.median <= days.high).all()
    assert (days.low >= 1).all()


@each_candidate
def test_a_model_that_was_stored_is_the_same_again(one: NextPurchaseCandidate) -> None:
    stored = fitted(one)
    again = NextPurchaseModel.of(json.loads(json.dumps(stored.spec())))
    assert (again.kind, again.steps_days, again.horizons_days) == (one.name, STEPS, (7, 28, 90))
    assert np.array_equal(again.chances(SOME), stored.chances(SOME))


@pytest.mark.parametrize(
    ("closed_days", "steps"),
    [(0, ()), (1, (1,)), (6, (1,)), (7, (1, 7)), (27, (1, 7)), (28, STEPS), (999, STEPS)],
)
def test_steps_are_learnt_once_they_have_ended(closed_days: int, steps: tuple[int, ...]) -> None:
    assert closed_steps(STEPS, closed_days) == steps


def scored(one: NextPurchaseModel, *orders: Ordered, n: int) -> list[dict[str, Any]]:
    names = pa.array([f"c{place}" for place in range(n)])
    (batch,) = rows_of(orders, n).append_column("customer_id", names).to_batches()
    return [
        row for part in _scorer(one, CUTOFF)([batch, batch.slice(0, 0)]) for row in part.to_pylist()
    ]


def test_scores_stand_beside_whom_they_are_of() -> None:
    # The first has ordered only after the date, the last not at all.
    one = model((0.2, 0.6, 0.95), (0.01, 0.02, 0.3))
    found = scored(
        one,
        Ordered(0, after(1)),
        Ordered(1, before(9)),
        Ordered(1, before(3)),
        Ordered(2, before(40)),
        n=4,
    )
    first, second = found
    assert (first["customer_id"], first["n_order_days"], first["days_since_order"]) == ("c1", 2, 3)
    assert first["mean_gap_days"] == 6
    assert first["chances"] == [0.6, 0.95, None]
    # From day 7 to day 28 an eighth is left of 0.4: a quarter of it after two thirds.
    assert (first["low_day"], first["high_day"]) == (1, 7 + 14)
    # From 0.2 on day 1 to 0.6 on day 7: 0.5 / 0.8 are left at a rate of ln 2 / 6 a day.
    assert first["median_day"] == 1 + math.ceil(math.log(0.8 / 0.5) / (math.log(2) / 6))
    assert (second["customer_id"], second["n_order_days"]) == ("c2", 1)
    assert (second["days_since_order"], second["mean_gap_days"]) == (40, None)
    assert second["chances"] == [0.02, 0.3, None]
    assert (second["median_day"], second["high_day"]) == (None, None)


def test_of_customers_without_an_order_before_the_date_there_are_no_scores() -> None:
    assert scored(model((0.2, 0.6, 0.95)), Ordered(0, after(1)), n=2) == []


def test_the_date_alone_is_the_moment_of_what_is_scored() -> None:
    # Known on the only moment, or no longer, or later than it.
    found = scored(
        model((0.2, 0.6, 0.95)),
        Ordered(0, before(3)),
        Ordered(1, before(4), known_to=0),
        Ordered(2, before(5), known_from=1),
        Ordered(3, before(6), known_to=1),
        n=4,
    )
    assert [(row["customer_id"], row["days_since_order"]) for row in found] == [
        ("c0", 3),
        ("c3", 6),
    ]


def test_customers_are_scored_the_same_however_few_are_looked_at_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(4)
    orders = [
        Ordered(customer, before(int(days)))
        for customer in range(30)
        for days in random.integers(-20, 200, random.integers(1, 12))
    ]
    one = fitted(CANDIDATES[-1])
    whole = scored(one, *orders, n=30)
    assert len(whole) > 25
    for at_once in (1, 5, 20):
        monkeypatch.setattr("crm_spark.models.rows._ELEMENTS_AT_ONCE", at_once)
        parts = scored(one, *orders, n=30)
        assert [row["customer_id"] for row in parts] == [row["customer_id"] for row in whole]
        for part, row in zip(parts, whole, strict=True):
            # A matrix of other rows beside may add up in another order.
            assert part["chances"] == pytest.approx(row["chances"], abs=2e-6)
            assert part["n_order_days"] == row["n_order_days"]
