"""The columns that candidates read, by hand, and what no customer may do to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from models.next_purchase.packed import customers_of

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.next_purchase.candidates import (
    CANDIDATES,
    NextPurchaseCandidate,
    all_columns,
    candidate,
    decayed_counts,
    own_gap,
    own_rate,
    recency_frequency,
    usual_share,
)
from crm_spark.models.next_purchase.customers import Customers
from crm_spark.models.next_purchase.predictors import Columns, Learnt

STEPS = (1, 7, 28)
ALL_COLUMNS = (
    usual_share,
    own_rate,
    own_gap,
    recency_frequency,
    decayed_counts,
    all_columns,
)
each_columns = pytest.mark.parametrize("columns", ALL_COLUMNS, ids=lambda one: one.__name__)
each_candidate = pytest.mark.parametrize("one", CANDIDATES, ids=lambda one: one.name)

# One day, yesterday; one day, years ago; every day; twice in years; two days in a row, years ago.
EDGES: tuple[Sequence[int], ...] = (
    [0],
    [2_500],
    range(700),
    [3_000, 0],
    [3_000, 2_999],
    range(0, 2_000, 7),
)


@each_columns
def test_columns_of_edge_customers_are_finite(columns: Columns) -> None:
    customers = customers_of(*EDGES)
    found = columns(customers)
    assert found.ndim == 2 and len(found) == len(EDGES)
    assert np.isfinite(found).all()


@each_columns
def test_nobody_has_no_rows(columns: Columns) -> None:
    n_columns = columns(customers_of([3])).shape[1]
    assert columns(customers_of()).shape == (0, n_columns)


@each_columns
def test_a_customer_has_the_same_columns_whoever_is_read_beside(columns: Columns) -> None:
    whole = columns(customers_of(*EDGES))
    for place, days in enumerate(EDGES):
        assert columns(customers_of(days))[0] == pytest.approx(whole[place], rel=1e-12)


@each_candidate
def test_chances_of_edge_customers_are_probabilities(one: NextPurchaseCandidate) -> None:
    random = np.random.default_rng(1)
    usual = [random.integers(0, 300, random.integers(1, 20)).tolist() for _ in range(80)]
    known = customers_of(*usual)
    learnt = Learnt(known, random.geometric(0.05, len(known)).astype(float), 28)
    found = one.fit([learnt], known, STEPS).chances(customers_of(*EDGES), STEPS)
    assert found.shape == (len(EDGES), len(STEPS))
    assert np.isfinite(found).all()
    assert (found >= 0).all() and (found <= 1).all()
    assert (np.diff(found, axis=1) >= 0).all()


@each_candidate
def test_candidates_learn_from_edge_customers_alone(one: NextPurchaseCandidate) -> None:
    customers = customers_of(*EDGES)
    days = np.array([1.0, math.inf, 1.0, 20.0, math.inf, 5.0])
    found = one.fit([Learnt(customers, days, 28)], customers, STEPS).chances(customers, STEPS)
    assert np.isfinite(found).all()


def test_rules_come_first_and_names_are_told_apart() -> None:
    names = [one.name for one in CANDIDATES]
    assert len(set(names)) == len(names)
    kinds = [one.is_rule for one in CANDIDATES]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {True, False}
    assert [candidate(name).name for name in names] == names


def test_the_usual_share_knows_nothing_of_a_customer() -> None:
    assert usual_share(customers_of(*EDGES)).shape == (len(EDGES), 0)


def test_the_own_rate_is_order_days_by_days_since_the_first_and_four_weeks() -> None:
    found = own_rate(customers_of([72, 30, 4], [0]))
    assert found == pytest.approx(np.log([[3 / 100], [1 / 28]]))


def test_the_own_gap_is_told_with_how_much_of_it_has_passed() -> None:
    # Gaps of 20 on average, 5 or 29 days ago; a single day; a gap of 2 days, 999 days ago.
    found = own_gap(customers_of([45, 21, 5], [69, 29], [9], [1_001, 999]))
    assert found[:, 0].tolist() == [1, 1, 0, 1]
    assert found[:, 1] == pytest.approx(np.log([21, 41, 1, 3]))
    # The next day is the first on which an order may come.
    assert found[:, 2] == pytest.approx([6 / 20, 30 / 40, 0, 8])
    assert found[:, 3] == pytest.approx([0, 0, 0, 7])
    assert found[:, 4] == pytest.approx([0, 0, math.log(10), 0])


def test_recency_frequency_and_tenure_are_told_by_their_logarithms() -> None:
    found = recency_frequency(customers_of([72, 30, 4], [0]))
    assert found == pytest.approx(np.log([[5, 3, 73], [1, 1, 1]]))


def test_decayed_counts_are_told_by_half_lives() -> None:
    found = decayed_counts(customers_of([7, 0]))
    assert found.shape == (1, 4)
    assert found[0, 0] == pytest.approx(math.log(1 + 1.5))


@pytest.mark.parametrize("columns", [recency_frequency, all_columns], ids=lambda one: one.__name__)
def test_longer_silences_than_two_years_are_alike(columns: Columns) -> None:
    customers = customers_of([900])

    def silent(days: float) -> Floats:
        return columns(replace(customers, silence_days=np.array([days])))

    # Of who has ordered once the silence stands for the gap that has not come yet, too.
    last = slice(0, None) if columns is recency_frequency else slice(0, 4)
    assert np.array_equal(silent(730)[:, last], silent(5_000)[:, last])
    assert not np.array_equal(silent(729), silent(730))


def test_the_pooled_columns_hold_those_of_all_rules() -> None:
    customers = customers_of(*EDGES)
    whole = {tuple(column) for column in all_columns(customers).T.tolist()}
    for columns in (own_rate, own_gap, recency_frequency, decayed_counts):
        assert {tuple(column) for column in columns(customers).T.tolist()} <= whole


def test_the_pooled_columns_know_all_that_is_told_of_a_customer() -> None:
    customers = customers_of([90, 60, 40, 10], [200, 30, 20])
    told = [one.name for one in fields(Customers) if one.name != "places"]
    for name in told:
        changed = replace(customers, **{name: getattr(customers, name) * 1.1})
        differs = (all_columns(changed) != all_columns(customers)).any(axis=1)
        assert differs.all(), name


def test_who_orders_regularly_is_told_from_who_does_not() -> None:
    # The same days, tenure and silence; gaps of 20 thrice, and of 1, 1 and 58.
    found = all_columns(customers_of([70, 50, 30, 10], [70, 69, 68, 10]))
    logs = np.log([1, 1, 58])
    spread = [0, np.std(logs)]
    is_spread = [column == pytest.approx(spread, abs=1e-6) for column in found.T]
    assert any(is_spread)
