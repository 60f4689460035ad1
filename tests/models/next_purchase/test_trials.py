"""Trials of customers whose truth is known: where all are alike, and where there are own rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from models.next_purchase.packed import ALWAYS, Ordered, histories_of
from models.next_purchase.planted import (
    DAY,
    FIRST,
    N_DAYS,
    PARAMS,
    PLAN,
    STEP,
    alike,
    compared,
    own_rates,
    trials_of,
)

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.choice import better_for_sure
from crm_spark.models.cutoffs import Plan
from crm_spark.models.next_purchase.candidates import CANDIDATES, candidate
from crm_spark.models.next_purchase.customers import Customers
from crm_spark.models.next_purchase.data import moments_of
from crm_spark.models.next_purchase.definition import NextPurchase
from crm_spark.models.next_purchase.metrics import GAIN
from crm_spark.models.next_purchase.predictors import Learnt
from crm_spark.models.next_purchase.section import (
    NextPurchaseSection,
    step_of_horizon,
    walk_over,
)
from crm_spark.models.next_purchase.trials import Trials
from crm_spark.models.results import Measured, Tested

CHALLENGERS = {one.name for one in CANDIDATES if not one.is_rule}
LONG_TEST = DAY - timedelta(days=90)
INF = math.inf


def by_name(tested: Tested[None]) -> dict[str, Measured]:
    found = {one.name: one for one in tested.metrics}
    assert len(found) == len(tested.metrics)
    return found


@pytest.fixture(scope="module")
def rates() -> Floats:
    return own_rates(1_500, seed=5)


@pytest.fixture(scope="module")
def trials(rates: Floats) -> Trials:
    return trials_of(rates, seed=5)


@pytest.fixture(scope="module")
def tested(trials: Trials) -> dict[str, dict[str, Measured]]:
    return {one.name: by_name(one) for one in compared(trials)}


def value(tested: dict[str, dict[str, Measured]], name: str, metric: str) -> float:
    found = tested[name][metric].value
    assert found is not None
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_all_customers_are_alike_no_challenger_is_champion(seed: int) -> None:
    choice = better_for_sure(
        compared(trials_of(alike(400), seed=seed)), NextPurchase.criteria, gain=GAIN
    )
    assert choice.champion not in CHALLENGERS


@pytest.mark.parametrize("one", CANDIDATES, ids=lambda one: one.name)
def test_as_many_order_as_were_expected_to(
    tested: dict[str, dict[str, Measured]], one: Tested[None]
) -> None:
    for horizon in ("", ".7d", ".90d"):
        expected = value(tested, one.name, f"expected_customers{horizon}")
        actual = value(tested, one.name, f"actual_customers{horizon}")
        # What is drawn varies by some 3 %, and the shares that it is learnt from do, too.
        assert expected == pytest.approx(actual, rel=0.1)
        assert actual > 200


@pytest.mark.parametrize("name", ["recency_frequency", "mbg_cnbd_k", "hazard_regression"])
def test_probabilities_are_the_true_ones_of_customers_with_rates_of_their_own(
    trials: Trials, rates: Floats, name: str
) -> None:
    customers = trials.customers(STEP.test)
    model = trials.fitted(candidate(name), STEP.training, STEP.test)
    chances = model.chances(customers)
    for horizon in (7, 28):
        probability = model.of_horizon(chances, horizon)
        assert probability is not None
        truth = 1 - (1 - rates[customers.places]) ** horizon
        assert np.corrcoef(probability, truth)[0, 1] > 0.85
        # By bins of the probability: the true chances of those of whom so much is said.
        for part in np.array_split(np.argsort(probability), 8):
            assert probability[part].mean() == pytest.approx(truth[part].mean(), abs=0.06)


def test_a_customers_own_rate_beats_what_is_usual(
    tested: dict[str, dict[str, Measured]],
) -> None:
    assert value(tested, "own_rate", "auc") > value(tested, "usual_share", "auc") + 0.2
    assert value(tested, "own_rate", "log_loss") < value(tested, "usual_share", "log_loss") - 0.1
    assert value(tested, "own_rate", "crps_days.90d") < value(
        tested, "usual_share", "crps_days.90d"
    )
    # Where nothing is known of a customer, all pairs are ties.
    assert value(tested, "usual_share", "auc") == 0.5


def test_as_many_days_lie_in_the_interval_as_were_said_to(
    tested: dict[str, dict[str, Measured]],
) -> None:
    for name in CHALLENGERS:
        covers, says = (
            value(tested, name, f"{one}.90d")
            for one in ("coverage_80_percent", "expected_coverage")
        )
        # Four standard errors of a share of 1,500 are 0.03, and what is learnt varies, too.
        assert covers == pytest.approx(says, abs=0.04)
        assert says > 0.8


def test_eight_tenths_of_the_days_lie_in_the_interval(
    tested: dict[str, dict[str, Measured]],
) -> None:
    for name in CHALLENGERS:
        # Whole days, both ends of them in it, hold a little more.
        assert 0.75 < value(tested, name, "coverage_80_percent.90d") < 0.9


def test_whoever_is_due_in_a_horizon_mostly_orders_in_it(
    tested: dict[str, dict[str, Measured]],
) -> None:
    for name in CHALLENGERS:
        # Due is by when the chance is a half, so that it is more than half by the end.
        assert value(tested, name, "due_within_7_days.90d") > 0.5
        shares = [
            tested[name][f"{one}.90d"]
            for one in ("due_within_7_days", "due_within_28_days", "due_within_90_days")
        ]
        customers = tested[name]["log_loss.90d"].n
        assert sum(one.n for one in shares) + tested[name]["due_after_90_days.90d"].n == customers


def test_only_challengers_have_a_gain_and_it_is_over_the_best_rule(
    tested: dict[str, dict[str, Measured]],
) -> None:
    assert {name for name, found in tested.items() if GAIN in found} == CHALLENGERS
    rules = set(tested) - CHALLENGERS
    best = min(value(tested, name, "log_loss") for name in rules)
    for name in CHALLENGERS:
        gained = best - value(tested, name, "log_loss")
        assert value(tested, name, GAIN) == pytest.approx(gained, abs=1e-6)


def test_figures_of_a_longer_horizon_are_of_a_cut_off_that_closes_with_the_steps_test(
    tested: dict[str, dict[str, Measured]],
) -> None:
    closes = STEP.test + PARAMS.closed_after
    for found in tested.values():
        for name, one in found.items():
            if name.endswith(".90d"):
                assert one.cutoff == LONG_TEST
                assert one.cutoff + PARAMS.wait(90) <= closes
            elif name.endswith(".7d"):
                assert one.cutoff == STEP.test
            else:
                assert one.cutoff is None
        assert {"log_loss", "auc.7d", "auc.90d", "days_off.90d", "due_after_90_days.90d"} <= set(
            found
        )


def test_what_ordered_is_counted_of_the_customers_of_the_cut_off(
    trials: Trials, tested: dict[str, dict[str, Measured]]
) -> None:
    assert value(tested, "own_rate", "actual_customers") == trials.n_ordered(STEP.test)
    histories = trials.histories
    start = (STEP.test - FIRST).days + histories.day.min()
    in_horizon = (histories.day >= start) & (histories.day < start + 28)
    known = set(histories.customer[histories.day < start].tolist())
    came = set(histories.customer[in_horizon].tolist())
    assert trials.n_ordered(STEP.test) == len(known & came)


def test_a_candidate_is_fitted_once_for_the_same_cut_offs(trials: Trials) -> None:
    fits = 0

    def fit(learnt: object, now: Customers, steps: object) -> object:
        nonlocal fits
        fits += 1
        return object()

    one = replace(candidate("own_rate"), name="counted", fit=fit)  # type: ignore[arg-type]
    first = trials.fitted(one, STEP.training, STEP.test)
    assert trials.fitted(one, STEP.training, STEP.test) is first
    assert trials.fitted(one, list(STEP.training), STEP.test) is first
    assert fits == 1
    assert trials.fitted(one, STEP.all, DAY) is not first
    assert trials.fitted(one, STEP.training[:1], STEP.test) is not first
    assert fits == 3


def test_customers_of_a_date_are_read_once(trials: Trials) -> None:
    assert trials.customers(STEP.test) is trials.customers(STEP.test)


def test_a_fit_is_given_what_had_closed_and_the_customers_of_its_date() -> None:
    params = NextPurchaseSection(horizons_days=(28, 90), grace_days=3)
    plan = NextPurchase().plan(params, DAY, FIRST)
    trials = trials_of(alike(60), seed=1, params=params)
    given: list[tuple[list[Learnt], Customers, tuple[int, ...]]] = []

    def fit(learnt: list[Learnt], now: Customers, steps: tuple[int, ...]) -> object:
        given.append((learnt, now, steps))
        return object()

    one = replace(candidate("own_rate"), fit=fit)  # type: ignore[arg-type]
    step = plan.quoted
    model = trials.fitted(one, step.training[:2], step.test)
    ((learnt, now, steps),) = given
    # Cut-offs lie 28 and 3 days apart: 28 and 59 days are known with their days of grace.
    assert [each.closed_days for each in learnt] == [28, 59]
    assert steps == model.steps_days == (1, 2, 3, 5, 7, 10, 14, 21, 28, 42)
    assert model.horizons_days == (28, 90)
    assert now is trials.customers(step.test)
    for each, cutoff in zip(learnt, step.training, strict=False):
        assert each.customers is trials.customers(cutoff)
        assert each.days_to_order.shape == (len(each.customers),)
        days = each.days_to_order[np.isfinite(each.days_to_order)]
        assert days.min() >= 1
        assert days.max() <= (step.test - cutoff).days


def test_orders_from_the_test_on_change_no_fit() -> None:
    whole = trials_of(own_rates(80, seed=2), seed=2)
    histories = whole.histories
    moments = list(histories.moments)
    start = (STEP.test - FIRST).days + histories.day.min()
    keeps = histories.day < start
    cut = replace(
        histories,
        **{
            name: getattr(histories, name)[keeps]
            for name in ("customer", "day", "known_from", "known_to")
        },
    )
    # And what came before, but was known later only.
    late = replace(
        histories,
        known_from=np.where(keeps, histories.known_from, len(moments) - 1),
        day=np.where(keeps, histories.day, histories.day - 50),
    )
    for other in (cut, late):
        again = Trials(other, PARAMS, FIRST)
        for name in ("own_rate", "hazard_regression"):
            found = again.fitted(candidate(name), STEP.training, STEP.test)
            told = whole.fitted(candidate(name), STEP.training, STEP.test)
            assert found.spec() == told.spec()


def test_every_date_that_trials_ask_for_is_one_of_the_moments() -> None:
    params = NextPurchaseSection(horizons_days=(14, 5, 40, 61), grace_days=2)
    trials = trials_of(alike(60), seed=4, params=params)
    plan = NextPurchase().plan(params, DAY, FIRST)
    assert plan.choice is not None
    one = candidate("own_rate")
    for step in (plan.quoted, plan.choice):
        found = {each.name: each for each in trials.measured(one, step)}
        for horizon in (5, 40, 61):
            of = step_of_horizon(params, step, horizon, FIRST)
            assert of is not None
            assert found[f"log_loss.{horizon}d"].cutoff == of.test
    assert trials.fitted(one, plan.quoted.all, DAY).steps_days == params.steps_days


def test_a_horizon_that_nothing_has_closed_for_is_left_out() -> None:
    params = NextPurchaseSection(horizons_days=(28, 7, 365))
    step = NextPurchase().plan(params, DAY, FIRST).quoted
    trials = trials_of(alike(60), seed=1, params=params)
    assert trials.step_of(step, 365) is None
    assert trials.step_of(step, 7) == trials.step_of(step, 28) == step
    found = trials.measured(candidate("own_rate"), step)
    names = {one.name for one in found}
    assert not [name for name in names if name.endswith(".365d")]
    # The days are those of the longest that there is.
    assert {"auc.7d", "crps_days.28d", "due_within_28_days.28d", "due_after_28_days.28d"} <= names
    assert "due_within_365_days.28d" not in names


def test_a_horizon_that_nobody_was_a_customer_early_enough_for_is_left_out() -> None:
    moments = moments_of(PARAMS, PLAN, DAY, FIRST)
    random = np.random.default_rng(1)
    # All orders are of less than 90 days ago; an earlier one was not theirs.
    orders = [
        Ordered(customer, DAY - timedelta(days=int(days)))
        for customer in range(60)
        for days in (89, *random.integers(1, 89, 3))
    ]
    trials = Trials(histories_of(orders, moments), PARAMS, FIRST)
    assert len(trials.customers(LONG_TEST)) == 0
    found = {one.name: one for one in trials.measured(candidate("own_rate"), STEP)}
    assert found["log_loss"].n == 60
    assert not [name for name in found if name.endswith(".90d")]
    assert found["crps_days.28d"].cutoff == STEP.test


class Asked(list[date]):
    """Moments that note which of them were asked for."""

    def __init__(self, days: Sequence[date]) -> None:
        super().__init__(days)
        self.found: set[date] = set()

    def index(self, day: date, *args: Any) -> int:
        self.found.add(day)
        return super().index(day, *args)


EARLY = DAY - timedelta(days=2_000)


def plans_of(params: NextPurchaseSection) -> list[Plan]:
    """Give the plan of a training and that of a backtest."""
    *earlier, last = walk_over(params, DAY, EARLY, DAY - timedelta(days=5))
    return [NextPurchase().plan(params, DAY, EARLY), Plan(last, earlier=tuple(earlier))]


@pytest.mark.parametrize("place", [0, 1], ids=["train", "backtest"])
@pytest.mark.parametrize("grace", [0, 30])
@pytest.mark.parametrize("horizons", [(28, 7, 90), (7,), (90, 7), (28, 84), (30, 60, 90, 180)])
def test_no_date_is_asked_for_that_is_none_of_the_moments(
    horizons: tuple[int, ...], grace: int, place: int
) -> None:
    params = NextPurchaseSection(horizons_days=horizons, grace_days=grace)
    plan = plans_of(params)[place]
    moments = Asked(moments_of(params, plan, DAY, EARLY))
    orders = [
        Ordered(customer, EARLY + timedelta(days=3 * customer + gap * number))
        for customer, gap in enumerate((5, 11, 23, 41, 67, 130, 220, 390))
        for number in range((2_000 - 30) // gap)
    ]
    trials = Trials(histories_of(orders, moments), params, EARLY)
    one = candidate("usual_share")
    for step in (plan.quoted, *([plan.choice] if plan.choice else []), *plan.earlier):
        assert len(step.training) == params.n_cutoffs or step == plan.choice
        # An index that is not there raises.
        found = {each.name for each in trials.measured(one, step)}
        assert {f"log_loss.{horizon}d" for horizon in horizons[1:]} <= found
        assert trials.n_ordered(step.test) <= len(orders)
        trials.fitted(one, step.training, step.test)
    if plan.quoted.test + params.closed_after <= DAY:
        trials.fitted(one, plan.quoted.all, DAY)
    assert moments.found <= set(moments)
    # And what longer horizons had closed on was asked for, not what the first one had alone.
    longest = params.wait(max(horizons))
    oldest = min(plan.quoted.training)
    assert {oldest, oldest + params.closed_after, oldest + longest} <= moments.found


# A training cut-off for which the longest horizon had closed by the test.
OLD = STEP.training[4]


def known_between(
    moments: Sequence[date],
    customer: int,
    day: date,
    *,
    first: date | None = None,
    last: date | None = None,
) -> Ordered:
    """Give an order that is known from one of the moments on, up to the one before another."""
    known_from = moments.index(first) if first else 0
    return Ordered(customer, day, known_from, moments.index(last) if last else ALWAYS)


def learnt_of(trials: Trials, cutoff: date, known_on: date) -> Learnt:
    """Give what a candidate is given of one cut-off."""
    given: list[Learnt] = []

    def fit(learnt: list[Learnt], now: Customers, steps: tuple[int, ...]) -> object:
        given.extend(learnt)
        return object()

    one = replace(candidate("own_rate"), fit=fit)  # type: ignore[arg-type]
    trials.fitted(one, (cutoff,), known_on)
    (found,) = given
    return found


def test_outcomes_are_told_as_they_were_known_when_their_horizon_closed() -> None:
    moments = moments_of(PARAMS, PLAN, DAY, FIRST)
    closes, closes_later = OLD + PARAMS.closed_after, OLD + PARAMS.wait(90)
    assert closes < closes_later <= STEP.test
    after_closing = min(one for one in moments if one > closes)
    after_later = min(one for one in moments if one > closes_later)
    day = OLD + timedelta(days=9)
    orders = [Ordered(customer, OLD - timedelta(days=40)) for customer in range(6)]
    orders += [
        known_between(moments, 0, day),
        # Cancelled after the first horizon had closed; arrived after it.
        known_between(moments, 1, day, last=after_closing),
        known_between(moments, 2, day, first=after_closing),
        # The same of the longer one.
        known_between(moments, 3, day, last=after_later),
        known_between(moments, 4, day, first=after_later),
        known_between(moments, 5, OLD + timedelta(days=49), first=after_later),
    ]
    trials = Trials(histories_of(orders, moments), PARAMS, FIRST)
    for known_on in (STEP.test, DAY):
        found = learnt_of(trials, OLD, known_on)
        first, later = [10, 10, INF, 10, INF, INF], [10, INF, 10, 10, INF, INF]
        for ends in (1, 7, 10, 28):
            assert found.days_by(ends).tolist() == first
        for ends in (29, 42, 90):
            assert found.days_by(ends).tolist() == later


def test_an_outcome_that_is_open_yet_is_told_as_it_is_known_on_the_date() -> None:
    moments = moments_of(PARAMS, PLAN, DAY, FIRST)
    newest = STEP.training[1]
    known_on = STEP.test
    assert newest + PARAMS.closed_after < known_on < newest + PARAMS.wait(90)
    orders = [Ordered(customer, newest - timedelta(days=40)) for customer in range(3)]
    day = newest + timedelta(days=35)
    orders += [
        known_between(moments, 0, day),
        known_between(moments, 1, day, last=known_on),
        known_between(moments, 2, day, first=min(one for one in moments if one > known_on)),
    ]
    trials = Trials(histories_of(orders, moments), PARAMS, FIRST)
    assert learnt_of(trials, newest, known_on).days_by(42).tolist() == [36, INF, INF]


def test_a_step_of_each_longer_horizon_is_told_as_it_was_known_when_that_closed() -> None:
    params = NextPurchaseSection(horizons_days=(28, 90, 7, 42), grace_days=3)
    plan = NextPurchase().plan(params, DAY, FIRST)
    moments = moments_of(params, plan, DAY, FIRST)
    cutoff, known_on = plan.quoted.training[4], plan.quoted.test
    assert cutoff + params.wait(90) <= known_on
    day = cutoff + timedelta(days=5)
    orders = [Ordered(customer, cutoff - timedelta(days=30)) for customer in range(3)]
    orders += [
        known_between(moments, place, day, first=cutoff + params.wait(horizon))
        for place, horizon in enumerate((28, 42, 90))
    ]
    trials = Trials(histories_of(orders, moments), params, FIRST)
    found = learnt_of(trials, cutoff, known_on)
    for ends, days in (
        (7, [6, INF, INF]),
        (28, [6, INF, INF]),
        (29, [6, 6, INF]),
        (42, [6, 6, INF]),
        (60, [6, 6, 6]),
        (90, [6, 6, 6]),
    ):
        assert found.days_by(ends).tolist() == days


def test_what_is_tested_is_what_was_known_when_its_horizon_closed() -> None:
    moments = moments_of(PARAMS, PLAN, DAY, FIRST)
    closes = LONG_TEST + PARAMS.closed_after
    later = min(one for one in moments if one > closes)
    random = np.random.default_rng(3)
    orders = [
        Ordered(customer, LONG_TEST - timedelta(days=int(days)))
        for customer in range(20)
        for days in random.integers(1, 200, 6)
    ]
    # Half of them order on day 6, of which one is known after 28 days only, one not any more.
    day = LONG_TEST + timedelta(days=5)
    orders += [Ordered(customer, day) for customer in range(2, 10)]
    orders += [
        known_between(moments, 0, day, first=later),
        known_between(moments, 1, day, last=later),
    ]
    trials = Trials(histories_of(orders, moments), PARAMS, FIRST)
    found = {one.name: one for one in trials.measured(candidate("usual_share"), STEP)}
    assert found["actual_customers.90d"].value == 9
    assert found["actual_customers.90d"].cutoff == LONG_TEST


def late_shop() -> Trials:
    """Give a shop of which nothing was known until 100 days before the date."""
    moments = moments_of(PARAMS, PLAN, DAY, FIRST)
    known_from = sum(one < DAY - timedelta(days=100) for one in moments)
    random = np.random.default_rng(6)
    orders = [
        Ordered(customer, DAY - timedelta(days=int(days)), known_from)
        for customer in range(80)
        for days in (N_DAYS - 5, *random.integers(1, N_DAYS, 9))
    ]
    return Trials(histories_of(orders, moments), PARAMS, FIRST)


@pytest.mark.parametrize("one", CANDIDATES, ids=lambda one: one.name)
def test_a_shop_that_is_known_for_a_hundred_days_only_has_its_first_horizon_tested(
    one: Any,
) -> None:
    trials = late_shop()
    has_customers = [day for day in STEP.all if len(trials.customers(day))]
    assert has_customers == [day for day in STEP.all if day >= DAY - timedelta(days=100)]
    assert len(has_customers) == 3
    # The cut-off of 90 days has customers itself, but none before it do.
    assert len(trials.customers(LONG_TEST)) == 80
    assert step_of_horizon(PARAMS, STEP, 90, FIRST) is not None
    assert trials.step_of(STEP, 90) is None
    assert trials.step_of(STEP, 28) == trials.step_of(STEP, 7) == STEP
    found = {each.name: each for each in trials.measured(one, STEP)}
    assert found["log_loss"].n == found["log_loss.7d"].n == 80
    assert not [name for name in found if "90" in name]
    assert found["crps_days.28d"].cutoff == STEP.test


def test_cut_offs_without_customers_are_left_out_of_a_fit() -> None:
    trials = late_shop()
    given: list[int] = []

    def fit(learnt: list[Learnt], now: Customers, steps: tuple[int, ...]) -> object:
        given.extend(len(one.customers) for one in learnt)
        # Steps are those that had closed on the cut-offs that are left.
        assert steps == (1, 2, 3, 5, 7, 10, 14, 21, 28, 42)
        return object()

    one = replace(candidate("own_rate"), name="noted", fit=fit)  # type: ignore[arg-type]
    trials.fitted(one, STEP.training, STEP.test)
    assert given == [80, 80]
    own = candidate("own_rate")
    alone = trials.fitted(own, STEP.training[:2], STEP.test)
    assert trials.fitted(own, STEP.training, STEP.test).spec() == alone.spec()
    with pytest.raises(ValueError, match="nobody had ordered before any of them"):
        trials.fitted(own, STEP.training[2:], STEP.test)
    with pytest.raises(ValueError, match="nobody had ordered before any of them"):
        trials.fitted(own, (), STEP.test)


def test_a_horizon_is_learnt_once_it_has_closed_on_a_cut_off_with_customers() -> None:
    everybody, late = trials_of(alike(60), seed=1), late_shop()
    whole = STEP.training
    assert everybody.is_learnt(90, whole, STEP.test)
    # 112 days before the test is the fourth; 84 are too few.
    assert everybody.is_learnt(90, whole[3:], STEP.test)
    assert not everybody.is_learnt(90, whole[:3], STEP.test)
    assert not everybody.is_learnt(90, (), STEP.test)
    # To the day.
    old = whole[3]
    assert everybody.is_learnt(90, (old,), old + timedelta(days=90))
    assert not everybody.is_learnt(90, (old,), old + timedelta(days=89))
    assert not late.is_learnt(90, whole, STEP.test)
    assert late.is_learnt(28, whole, STEP.test) and late.is_learnt(7, whole, STEP.test)
    assert not late.is_learnt(28, whole[2:], STEP.test)


def test_days_of_grace_are_waited_for_before_a_horizon_is_learnt() -> None:
    params = NextPurchaseSection(grace_days=3)
    trials = trials_of(alike(60), seed=1, params=params)
    cutoff = NextPurchase().plan(params, DAY, FIRST).quoted.training[3]
    for n_days, is_learnt in ((92, False), (93, True)):
        known_on = cutoff + timedelta(days=n_days)
        assert trials.is_learnt(90, (cutoff,), known_on) == is_learnt


def test_one_horizon_has_figures_of_its_days() -> None:
    params = NextPurchaseSection(horizons_days=(28,))
    found = trials_of(alike(60), seed=1, params=params).measured(candidate("own_rate"), STEP)
    by = {one.name: one for one in found}
    assert by["crps_days.28d"].cutoff == STEP.test
    assert {"due_within_28_days.28d", "due_after_28_days.28d"} <= set(by)


def test_what_nobody_is_left_to_learn_from_is_refused() -> None:
    histories = histories_of(
        [Ordered(0, DAY - timedelta(days=3))], sorted({DAY, STEP.test, *STEP.training})
    )
    trials = Trials(histories, PARAMS, FIRST)
    for one in CANDIDATES:
        with pytest.raises(ValueError):
            trials.fitted(one, STEP.training, STEP.test)


def test_the_plan_of_these_tests_is_the_one_of_the_model() -> None:
    assert PLAN.quoted.test == DAY - PARAMS.closed_after
    assert len(STEP.training) == PARAMS.n_cutoffs
