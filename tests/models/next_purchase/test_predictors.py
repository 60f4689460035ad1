"""What candidates are fitted to: chances of known processes, and what is left out as still open."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from models.next_purchase.packed import customers_of

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.next_purchase.candidates import CANDIDATES, NextPurchaseCandidate, candidate
from crm_spark.models.next_purchase.customers import Customers
from crm_spark.models.next_purchase.predictors import (
    Hazards,
    Learnt,
    OrderProcess,
    Step,
    fit_hazards,
    fit_order_process,
    load_hazards,
)
from crm_spark.models.purchases import (
    Histories,
    Kind,
    PurchaseModel,
    expected_orders,
    fit_regular,
    regular_kind,
)

STEPS = (3, 7, 14)
INF = math.inf
# All but the one that learns from no outcome.
HAZARDS = [one for one in CANDIDATES if one.name != "mbg_cnbd_k"]
each_candidate = pytest.mark.parametrize("one", CANDIDATES, ids=lambda one: one.name)


def plain(n_days: Floats) -> Customers:
    """Give customers of whom nothing matters but the number of order days."""
    nothing = np.zeros(len(n_days))
    return Customers(
        n_days=n_days,
        tenure_days=nothing + 100,
        silence_days=nothing,
        mean_gap=nothing,
        last_gap=nothing,
        log_gaps=nothing,
        log_gaps_squared=nothing,
        decayed=np.zeros((len(n_days), 4)),
        places=np.arange(len(n_days)),
    )


def nothing_known(customers: Customers) -> Floats:
    return np.zeros((len(customers), 0))


def has_two(customers: Customers) -> Floats:
    """Tell apart who has two order days."""
    return (customers.n_days == 2).astype(float)[:, None]


def learnt(*days: float, closed_days: int = 14) -> Learnt:
    return Learnt(plain(np.ones(len(days))), np.array(days, float), closed_days)


def hazards_of(fitted: Hazards) -> list[float]:
    """Give the chance of a customer in each step, who has not ordered before it."""
    return [float(one.hazard(np.zeros((1, 0)))[0]) for one in fitted.steps]


def test_hazards_of_two_groups_come_back_from_what_they_did() -> None:
    random = np.random.default_rng(1)
    n = 40_000
    # The first group orders with 2 % a day, the other one with 10 %.
    group = random.integers(1, 3, n).astype(float)
    daily = np.where(group == 2, 0.1, 0.02)
    outcomes = Learnt(plain(group), random.geometric(daily).astype(float), 14)
    fitted = fit_hazards(has_two, [outcomes], STEPS)
    found = fitted.chances(plain(np.array([1.0, 2.0])), STEPS)
    expected = [[1 - (1 - p) ** days for days in STEPS] for p in (0.02, 0.1)]
    # Four standard errors of a half.
    assert found == pytest.approx(np.array(expected), abs=4 * 0.5 / math.sqrt(n / 2))


def test_a_step_is_learnt_from_who_had_not_ordered_before_it() -> None:
    # Of ten four order in the first step, two of six in the second, one of four in the third.
    days = [1, 2, 3, 3, 4, 7, 8, 15, INF, INF]
    fitted = fit_hazards(nothing_known, [learnt(*days)], STEPS)
    assert hazards_of(fitted) == pytest.approx([4 / 10, 2 / 6, 1 / 4], abs=1e-6)
    assert [one.stretch for one in fitted.steps] == [1, 1, 1]
    found = fitted.chances(plain(np.ones(1)), STEPS)
    assert found == pytest.approx(np.array([[0.4, 0.6, 0.7]]), abs=1e-6)


def test_a_cut_off_adds_to_the_steps_that_have_closed_on_it() -> None:
    first = learnt(1, 2, 3, 3, 4, 7, 8, 15, INF, INF)
    # One of ten, and three of the other nine; of later ones it knows nothing yet.
    second = learnt(2, 4, 5, 7, INF, INF, INF, INF, INF, INF, closed_days=7)
    shares = hazards_of(fit_hazards(nothing_known, [first, second], STEPS))
    assert shares == pytest.approx([5 / 20, 5 / 15, 1 / 4], abs=1e-6)


@pytest.mark.parametrize(("closed_days", "is_used"), [(6, False), (7, True), (13, True)])
def test_a_cut_off_counts_for_a_step_from_the_day_on_that_it_has_closed(
    closed_days: int, is_used: bool
) -> None:
    whole = learnt(1, 4, 8, INF)
    open_yet = learnt(2, 4, 5, INF, INF, INF, closed_days=closed_days)
    shares = hazards_of(fit_hazards(nothing_known, [whole, open_yet], STEPS))
    second = (1 + 2) / (3 + 5) if is_used else 1 / 3
    assert shares == pytest.approx([2 / 10, second, 1 / 2], abs=1e-6)


@pytest.mark.parametrize("one", HAZARDS, ids=lambda one: one.name)
def test_nonsense_that_came_after_what_has_closed_changes_nothing(
    one: NextPurchaseCandidate,
) -> None:
    random = np.random.default_rng(2)
    customers = some_customers(60, seed=2)
    days = random.geometric(0.08, 60).astype(float)
    whole = Learnt(customers, days, 14)

    def fitted(later: Floats) -> Floats:
        open_yet = Learnt(customers, np.where(days > 7, later, days), 7)
        return one.fit([open_yet, whole], customers, STEPS).chances(customers, STEPS)

    told = fitted(days)
    assert np.array_equal(fitted(np.full(60, INF)), told)
    assert np.array_equal(fitted(np.where(customers.n_days > 2, 8.0, 15.0)), told)


# A second step that begins with 10 of 1,000 still to order, of whom 4 do in its four days: in a
# third of as many days it would be 4 of 10 again, and so on by the day.
LEAVING = learnt(*[1] * 990, *[5] * 4, *[INF] * 6, closed_days=7)


def test_where_nobody_is_left_a_step_goes_on_at_the_rate_a_day_of_the_one_before() -> None:
    fitted = fit_hazards(nothing_known, [LEAVING], (3, 7, 9, 21, 22))
    second = 4 / 10
    expected = [second, *[1 - (1 - second) ** (days / 4) for days in (2, 12, 1)]]
    assert hazards_of(fitted)[1:] == pytest.approx(expected, abs=1e-6)
    # All of them relate to the last that was fitted, and none to another that was not.
    assert [one.stretch for one in fitted.steps] == [1, 1, 2 / 4, 12 / 4, 1 / 4]
    assert {one.regression for one in fitted.steps[1:]} == {fitted.steps[1].regression}
    assert fitted.steps[0].regression != fitted.steps[1].regression


def test_steps_that_go_on_are_one_curve_however_they_are_parted() -> None:
    customers = plain(np.ones(1))

    def by(*steps: int) -> float:
        found = fit_hazards(nothing_known, [LEAVING], steps).chances(customers, steps)
        return float(found[0, -1])

    assert by(3, 7, 30) == pytest.approx(by(3, 7, 8, 15, 16, 30), abs=1e-12)


def test_where_all_have_ordered_a_step_goes_on_too() -> None:
    fitted = fit_hazards(nothing_known, [learnt(1, 2, 4, 5, 5)], STEPS)
    first, second, third = fitted.steps
    assert (third.regression, third.stretch) == (second.regression, 7 / 4)
    assert first.regression != second.regression
    assert hazards_of(fitted)[2] > 0.99


def test_a_step_after_one_that_goes_on_is_learnt_where_somebody_is_left_for_it() -> None:
    # By when the longer horizon had closed, the order of one had been cancelled.
    cut_off = learnt(1, 2, 4, 5, closed_days=28)
    again = replace(cut_off, later=((14, np.array([1.0, 2, 21, INF])),))
    fitted = fit_hazards(nothing_known, [again], (3, 7, 14, 28))
    assert [one.stretch for one in fitted.steps] == [1, 1, 7 / 4, 1]
    assert hazards_of(fitted)[3] == pytest.approx(1 / 2, abs=1e-6)
    # And what goes on after that relates to it.
    longer = fit_hazards(nothing_known, [again], (3, 7, 14, 28, 35))
    assert longer.steps[4] == Step(longer.steps[3].regression, 7 / 14)


def test_a_step_counts_the_orders_as_they_were_known_for_it() -> None:
    first, second, third = np.array([1.0, 9, INF]), np.array([2.0, 9, INF]), np.array([3.0, INF, 8])
    one = Learnt(plain(np.ones(3)), first, 90, ((7, second), (28, third)))
    for ends, days in ((1, first), (7, first), (8, second), (28, second), (29, third), (90, third)):
        assert one.days_by(ends) is days
    alone = Learnt(plain(np.ones(3)), first, 90)
    assert alone.days_by(7) is alone.days_by(90) is first


def test_who_is_left_for_a_step_is_told_as_it_was_known_for_that_step() -> None:
    # Of five two order in the first step. Later on one of them is known not to have, and a third
    # one to have: two of the other three order in the second step.
    known_first = np.array([1.0, 2, INF, INF, INF])
    known_later = np.array([INF, 2.0, 3, 5, 6])
    one = Learnt(plain(np.ones(5)), known_first, 7, ((3, known_later),))
    found = hazards_of(fit_hazards(nothing_known, [one], (3, 7)))
    assert found == pytest.approx([2 / 5, 2 / 3], abs=1e-6)


def test_hazards_that_were_stored_go_on_at_the_same_rate() -> None:
    steps = (3, 7, 9, 21)
    fitted = fit_hazards(nothing_known, [LEAVING], steps)
    again = load_hazards(nothing_known, json.loads(json.dumps(fitted.spec())))
    assert again == fitted
    customers = plain(np.ones(2))
    assert np.array_equal(again.chances(customers, steps), fitted.chances(customers, steps))


def test_from_nobody_nothing_can_be_learnt() -> None:
    with pytest.raises(ValueError, match="no rows to learn from"):
        fit_hazards(nothing_known, [learnt()], STEPS)
    with pytest.raises(ValueError, match="no rows to learn from"):
        fit_hazards(nothing_known, [learnt(1, 2, closed_days=2)], STEPS)


def test_fewer_steps_than_were_fitted_have_the_same_chances() -> None:
    fitted = fit_hazards(nothing_known, [learnt(1, 4, 8, INF)], STEPS)
    customers = plain(np.ones(2))
    assert np.array_equal(
        fitted.chances(customers, STEPS[:2]), fitted.chances(customers, STEPS)[:, :2]
    )


def some_customers(n: int, *, seed: int) -> Customers:
    random = np.random.default_rng(seed)
    return customers_of(
        *[random.integers(0, 200, random.integers(1, 12)).tolist() for _ in range(n)]
    )


@each_candidate
def test_a_predictor_that_was_stored_gives_the_same_chances(one: NextPurchaseCandidate) -> None:
    customers = some_customers(80, seed=3)
    days = np.random.default_rng(3).geometric(0.05, 80).astype(float)
    fitted = one.fit([Learnt(customers, days, 14)], customers, STEPS)
    again = one.load(json.loads(json.dumps(fitted.spec())))
    others = some_customers(40, seed=4)
    found = fitted.chances(others, STEPS)
    assert found.shape == (40, len(STEPS))
    assert np.array_equal(again.chances(others, STEPS), found)
    assert json.dumps(again.spec()) == json.dumps(fitted.spec())


def test_an_order_process_that_was_stored_is_the_same_again() -> None:
    model = PurchaseModel(regular_kind(2), 1.5, 3.0, 0.7, 2.5, -123.4, (0.1, None, 0.2, 0.3))
    process = OrderProcess(model)
    stored = json.loads(json.dumps(process.spec()))
    assert candidate("mbg_cnbd_k").load(stored) == process


# Order days 100, 50 and 20 days before the last that is known, only one, one of that very day.
THREE = customers_of([100, 50, 20], [30], [0], [7, 6, 5, 4, 3, 2, 1, 0])


@pytest.mark.parametrize("kind", [regular_kind(1), regular_kind(3)], ids=["k=1", "k=3"])
def test_chances_of_an_order_process_are_those_of_its_expected_orders(kind: Kind) -> None:
    model = PurchaseModel(kind, 1.2, 4.0, 0.8, 2.5)
    x = np.array([2.0, 0, 0, 7])
    t_x, T = np.array([80.0, 0, 0, 7]) / 7, np.array([100.0, 30, 0, 7]) / 7
    found = OrderProcess(model).chances(THREE, (1, 7, 28, 90))
    for place, weeks in enumerate((1 / 7, 1, 4, 90 / 7)):
        expected = expected_orders(model, x, t_x, T, weeks).order_probability
        assert found[:, place] == pytest.approx(expected, rel=1e-12)


def test_chances_of_an_order_process_rise_with_the_steps() -> None:
    steps = (1, 2, 3, 5, 7, 28, 90, 365)
    found = OrderProcess(PurchaseModel(regular_kind(2), 1.2, 4.0, 0.8, 2.5)).chances(THREE, steps)
    assert (np.diff(found, axis=1) > 0).all()
    assert ((found > 0) & (found < 1)).all()


def test_an_order_process_is_fitted_to_gaps_in_weeks() -> None:
    random = np.random.default_rng(5)
    # Rather regular: each gap is the sum of three.
    ago = []
    for rate in random.gamma(4.0, 0.05, 300):
        gaps = np.ceil(random.gamma(3.0, 1 / (3 * rate), 30)).astype(int)
        days = 200 - np.concatenate([[0], np.cumsum(gaps)])
        ago.append(days[days >= 0].tolist())
    found = fit_order_process(customers_of(*ago)).model

    x = [len(days) - 1 for days in ago]
    t_x = [(days[0] - days[-1]) / 7 for days in ago]
    T = [days[0] / 7 for days in ago]
    log_gaps = sum(math.log((one - then) / 7) for days in ago for one, then in pairwise(days))
    expected = fit_regular(Histories.of(x, t_x, T, log_gaps=log_gaps), most=4)
    assert found.kind == expected.kind
    assert found.kind.k >= 2
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-3)
    assert found.parameters[:2] == pytest.approx(expected.parameters[:2], rel=1e-2)


def test_of_customers_of_no_time_no_order_process_can_be_learnt() -> None:
    with pytest.raises(ValueError, match="no customer was known"):
        fit_order_process(customers_of([0], [0]))


def test_an_order_process_knows_nothing_of_outcomes() -> None:
    one, customers = candidate("mbg_cnbd_k"), some_customers(20, seed=6)
    days = np.random.default_rng(6).geometric(0.05, 20).astype(float)
    outcomes = Learnt(customers, days, 14)
    others = replace(outcomes, days_to_order=np.full(20, INF))
    assert one.fit([outcomes], customers, STEPS) == one.fit([others], customers, STEPS)


def test_hazards_are_as_many_as_the_steps() -> None:
    fitted = fit_hazards(nothing_known, [learnt(1, 4, 8, INF)], STEPS)
    assert isinstance(fitted, Hazards)
    assert len(fitted.steps) == len(STEPS)
