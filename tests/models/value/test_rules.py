"""The rules of value, and what a model makes of them, on customers worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from crm_spark.errors import DataError
from crm_spark.models.purchases import Histories
from crm_spark.models.value.buy_till_you_die import BuyTillYouDie
from crm_spark.models.value.candidates import (
    CANDIDATES,
    Known,
    ValueCandidate,
    candidate_named,
    spend_of,
)
from crm_spark.models.value.intervals import AlikeGroup
from crm_spark.models.value.model import (
    Customers,
    Predictor,
    TestedOn,
    ValueModel,
    mean_present_value,
)
from crm_spark.models.value.rules import CarriedForward, OwnRate, RfmCells, fit_rfm_cells
from crm_spark.models.value.section import ValueSection
from crm_spark.models.value.spend import Amounts


def customers(
    *, x: list[float], silence_days: list[float], tenure_days: list[float], amount: list[float]
) -> Customers:
    T = np.array(tenure_days) / 7
    repeats, total = np.array(x), np.array(amount)
    of_repeats = total * repeats / (repeats + 1)
    recent = {28: total / 4, 84: total / 2}
    return Customers(repeats, T - np.array(silence_days) / 7, T, total, of_repeats, recent)


THREE = customers(
    x=[0, 3, 9], silence_days=[5, 30, 0], tenure_days=[5, 99, 199], amount=[10, -40, 600]
)


def test_carried_forward_is_what_was_spent_in_as_many_days_and_never_below_zero() -> None:
    assert CarriedForward().predict(THREE, 28).amount.tolist() == [2.5, 0, 150]
    assert CarriedForward().predict(THREE, 84).amount.tolist() == [5, 0, 300]


def test_carried_forward_beyond_all_that_is_known_is_in_proportion() -> None:
    # Half of 84 days are known: twice as much comes in them.
    assert CarriedForward(42).predict(THREE, 84).amount.tolist() == [10, 0, 600]
    assert CarriedForward(42).predict(THREE, 28).amount.tolist() == [2.5, 0, 150]
    assert known().n_days == 211
    fitted = candidate_named("carried_forward").fit(known(), PARAMS)
    assert fitted.spec() == {"known_days": 211}


def test_repeat_days_of_no_money_are_worth_less_than_those_of_little() -> None:
    fitted = candidate_named("mbg_nbd").fit(known(), PARAMS)
    assert isinstance(fitted, BuyTillYouDie)
    x = np.full(4, 20.0)
    of_repeats = np.array([-60.0, 0.0, 0.2, 400.0])
    four = Customers(x, x, x, of_repeats, of_repeats, {28: x})
    for one in (fitted, replace(fitted, spend=None)):
        amount = one.amount_per_order_day(four)
        assert amount[0] == amount[1] < amount[2] < amount[3]
        assert amount[1] < 0.15 * amount[3]


def test_a_kind_that_this_version_does_not_have_is_named() -> None:
    with pytest.raises(DataError, match=r"kind 'pareto', which .* run train_value again"):
        candidate_named("pareto")


def test_a_customer_of_a_few_days_has_no_rate_of_their_own_yet() -> None:
    found = OwnRate(28).predict(THREE, 28).amount
    # 10 in 6 days count as 10 in 28; 600 in 200 days are 84 in 28.
    assert found == pytest.approx([10, 0, 84])


def test_a_cell_has_the_mean_of_those_in_it_and_an_empty_one_that_of_all() -> None:
    closed = customers(
        x=[0, 0, 9, 9], silence_days=[50, 50, 0, 0], tenure_days=[50, 50, 90, 90],
        amount=[10, 10, 900, 900],
    )  # fmt: skip
    closed = replace(closed, actual_amount=np.array([0.0, 2, 80, 120]))
    cells = fit_rfm_cells([closed], closed, 28)
    assert cells.predict(closed, 28).amount == pytest.approx([1, 1, 100, 100])
    assert cells.predict(closed, 56).amount == pytest.approx([2, 2, 200, 200])
    other = customers(x=[0], silence_days=[0], tenure_days=[90], amount=[900])
    assert cells.predict(other, 28).amount == pytest.approx([50.5])
    with pytest.raises(ValueError, match="no cut-off has closed"):
        fit_rfm_cells([], closed, 28)


def test_cells_are_fifths_of_their_own_date_however_much_longer_its_history_is() -> None:
    before = customers(
        x=[0, 1, 2, 3, 4], silence_days=[9] * 5, tenure_days=[90] * 5, amount=[1, 2, 3, 4, 5]
    )
    before = replace(before, actual_amount=np.array([0.0, 10, 20, 30, 40]))
    now = customers(
        x=[0, 10, 20, 30, 40], silence_days=[9] * 5, tenure_days=[900] * 5,
        amount=[10, 20, 30, 40, 50],
    )  # fmt: skip
    cells = fit_rfm_cells([before], now, 28)
    assert cells.predict(now, 28).amount.tolist() == [0, 10, 20, 30, 40]


def test_money_of_a_year_later_is_worth_less_by_the_rate() -> None:
    assert mean_present_value(0.0, 365) == 1.0
    # At 10 % a year what comes evenly over a year is worth the integral of 1.1^-t.
    assert mean_present_value(0.1, 365) == pytest.approx((1 - 1 / 1.1) / np.log(1.1), rel=1e-3)
    plain, discounted = (
        CarriedForward().predict(THREE, 84, discount_rate=rate).amount for rate in (0.0, 0.5)
    )
    assert discounted[2] == pytest.approx(plain[2] * mean_present_value(0.5, 84))


PARAMS = ValueSection(horizons_days=(28, 84), discount_rate=0.1, most_regular_k=2)


def known() -> Known:
    random = np.random.default_rng(1)
    n = 400
    x = random.poisson(2, n).astype(float)
    T = np.full(n, 30.0)
    t_x = np.where(x > 0, T * random.random(n), 0.0)
    own = random.gamma(5, 4, n)
    closed = Customers(
        x, t_x, T, own * (x + 1), own * x, {28: own, 84: 3 * own}, own * random.poisson(1, n), x
    )
    is_repeater = x > 0
    spend = spend_of(Amounts.of(x[is_repeater], own[is_repeater]))

    def fitted(name: str) -> Predictor:
        return candidate_named(name).fit(known(), PARAMS)

    return Known(Histories.of(x, t_x, T), 211, spend, 20.0, closed, [closed], fitted)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda one: one.name)
def test_every_candidate_says_the_same_after_it_was_stored(candidate: ValueCandidate) -> None:
    fitted = candidate.fit(known(), PARAMS)
    model = ValueModel(candidate.name, fitted, (28, 84), 0.1)
    groups = {28: (AlikeGroup(5.0, 0.0, 9.0),), 84: (AlikeGroup(15.0, 1.0, 20.0),)}
    model = replace(model, tested=TestedOn(date(2024, 3, 1), fitted), groups=groups)
    spec = json.loads(json.dumps(model.spec()))
    loaded = ValueModel.of(spec, candidate.load)
    assert loaded.groups == groups
    assert loaded.tested is not None
    assert loaded.tested.cutoff == date(2024, 3, 1)
    (closed,) = known().closed
    tested = loaded.tested.predictor.predict(closed, 28).amount
    assert np.array_equal(tested, fitted.predict(closed, 28).amount)
    for days in (28, 84):
        said, again = model.predict(closed, days), loaded.predict(closed, days)
        assert (said.amount >= 0).all() and said.amount.max() > 0
        assert np.array_equal(said.amount, again.amount)
    assert (model.predict(closed, 84).amount >= model.predict(closed, 28).amount - 1e-9).all()


def test_orders_later_in_a_long_horizon_are_worth_less() -> None:
    candidate = next(one for one in CANDIDATES if one.name == "bg_nbd")
    params = ValueSection(horizons_days=(364,))
    fitted = candidate.fit(known(), params)
    (closed,) = known().closed
    plain = fitted.predict(closed, 364)
    discounted = fitted.predict(closed, 364, discount_rate=0.2)
    share = discounted.amount / plain.amount
    # More than all of them at the end, less than all at once.
    assert (share > 1 / 1.2).all() and (share < 1).all()
    assert np.array_equal(plain.order_days, discounted.order_days)  # type: ignore[arg-type]


def test_without_gamma_gamma_a_day_is_the_mean_of_the_own_and_of_a_usual_one() -> None:
    assert spend_of(Amounts.of(np.array([2.0]), np.array([9.0]))) is None  # one came again
    few = replace(known(), spend=None)
    candidate = next(one for one in CANDIDATES if one.name == "bg_nbd")
    fitted = candidate.fit(few, ValueSection())
    two = customers(x=[0, 3], silence_days=[0, 0], tenure_days=[30, 30], amount=[10, 40])
    # Of 40 in four days 30 are of the three repeats.
    assert list(fitted.amount_per_order_day(two)) == [20.0, 12.5]  # type: ignore[attr-defined]


def test_equal_silence_is_equal_whatever_the_weeks_it_is_worked_out_from() -> None:
    tenure = [float(days) for days in range(30, 400)]
    n = len(tenure)
    same = customers(x=[1] * n, silence_days=[30] * n, tenure_days=tenure, amount=[1] * n)
    assert set(same.silence_days) == {30.0}


def test_cells_that_are_told_apart_by_nothing_are_one() -> None:
    alike = customers(x=[1, 1], silence_days=[3, 3], tenure_days=[9, 9], amount=[5, 5])
    cells = fit_rfm_cells([replace(alike, actual_amount=np.array([1.0, 3.0]))], alike, 28)
    assert isinstance(cells, RfmCells)
    assert cells.predict(alike, 28).amount.tolist() == [2.0, 2.0]
