"""Trees of spend: read by numpy as scikit-learn does, put together and calibrated as told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestRegressor,
)

from crm_spark.models.purchases import Floats
from crm_spark.models.value.candidates import CANDIDATES
from crm_spark.models.value.machine import (
    FEWEST_ROWS,
    Kind,
    TooFewError,
    columns_of,
    fit_direct,
    fit_three_parts,
    load_direct,
    load_three_parts,
)
from crm_spark.models.value.model import Customers, mean_present_value
from crm_spark.models.value.section import ValueSection
from crm_spark.models.value.trees import Trees, averaged, boosted

HORIZON = 28
KINDS: tuple[Kind, ...] = ("trees", "forest")


def drawn(n: int, *, seed: int, share: float = 0.6, level: float = 1.0) -> Customers:
    """Give customers of whom a share goes on at an own rate and spend, and the others are gone."""
    draw = np.random.default_rng(seed)
    x = draw.integers(0, 30, n).astype(float)
    T = draw.integers(8, 52, n).astype(float)
    stays = draw.random(n) < share
    t_x = np.where(x > 0, np.where(stays, T - draw.random(n), T * draw.uniform(0, 0.6, n)), 0.0)
    amount_a_day = draw.uniform(5, 50, n)
    days = np.where(stays, draw.poisson((x + 1) / T * HORIZON / 7), 0).astype(float)
    amount = (x + 1) * amount_a_day
    recent = np.where(stays, (x + 1) / T * HORIZON / 7, 0.0) * amount_a_day
    return Customers(
        x,
        t_x,
        T,
        amount,
        x * amount_a_day,
        {HORIZON: recent},
        actual_amount=level * days * amount_a_day,
        actual_order_days=days,
    )


CLOSED = [drawn(1_500, seed=seed) for seed in (1, 2, 3)]
NEXT = drawn(1_500, seed=9)


def actual(customers: Customers) -> Floats:
    assert customers.actual_amount is not None
    return customers.actual_amount


def test_trees_give_what_scikit_learn_gives() -> None:
    draw = np.random.default_rng(4)
    columns = draw.normal(size=(400, 5))
    values = columns[:, 0] * 3 + (columns[:, 1] > 0) + draw.normal(size=400)
    others = draw.normal(size=(300, 5))
    forest = RandomForestRegressor(n_estimators=20, max_depth=5, random_state=1)
    forest.fit(columns, values)
    assert averaged(forest).values(others) == pytest.approx(forest.predict(others), abs=1e-6)
    regressor = GradientBoostingRegressor(n_estimators=30, random_state=1).fit(columns, values)
    found = boosted(regressor, float(values.mean())).values(others)
    assert found == pytest.approx(regressor.predict(others), abs=1e-6)
    outcomes = values > 1
    classifier = GradientBoostingClassifier(n_estimators=30, random_state=1)
    classifier.fit(columns, outcomes)
    share = float(outcomes.mean())
    logit = boosted(classifier, float(np.log(share / (1 - share)))).values(others)
    assert logit == pytest.approx(classifier.decision_function(others), abs=1e-6)


def test_rows_on_a_threshold_go_the_way_scikit_learn_sends_them() -> None:
    columns = np.repeat(np.array([[0.1], [0.3], [0.7]]), 20, axis=0)
    values = np.repeat([1.0, 2.0, 5.0], 20)
    forest = RandomForestRegressor(n_estimators=3, bootstrap=False, random_state=1)
    forest.fit(columns, values)
    trees = averaged(forest)
    edges = np.concatenate([one.threshold[one.left >= 0] for one in trees.trees])[:, None]
    assert trees.values(edges) == pytest.approx(forest.predict(edges), abs=1e-9)


def test_trees_are_the_same_from_their_spec() -> None:
    columns = np.random.default_rng(2).normal(size=(100, 3))
    forest = RandomForestRegressor(n_estimators=5, random_state=1).fit(columns, columns[:, 0])
    trees = averaged(forest)
    assert (Trees.of(trees.spec()).values(columns) == trees.values(columns)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_three_parts_say_what_comes_and_who_spends_most(kind: Kind) -> None:
    model = fit_three_parts(CLOSED, HORIZON, kind=kind, seed=1)
    found = model.predict(NEXT, HORIZON)
    assert found.order_probability is not None and found.order_days is not None
    came = actual(NEXT)
    assert found.amount.sum() == pytest.approx(came.sum(), rel=0.1)
    assert np.corrcoef(found.amount, came)[0, 1] > 0.7
    assert NEXT.actual_order_days is not None
    ordered = NEXT.actual_order_days > 0
    assert found.order_probability.mean() == pytest.approx(ordered.mean(), abs=0.04)
    assert found.order_days.sum() == pytest.approx(NEXT.actual_order_days.sum(), rel=0.1)
    # The probability is one: of customers told alike as many order.
    for part in np.array_split(np.argsort(found.order_probability), 5):
        said, was = found.order_probability[part].mean(), ordered[part].mean()
        assert said == pytest.approx(was, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_spend_alone_is_told_as_well(kind: Kind) -> None:
    found = fit_direct(CLOSED, HORIZON, kind=kind, seed=1).predict(NEXT, HORIZON)
    assert found.amount.sum() == pytest.approx(actual(NEXT).sum(), rel=0.1)
    assert np.corrcoef(found.amount, actual(NEXT))[0, 1] > 0.7
    assert found.order_days is None and found.order_probability is None


@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_those_of_the_latest_cut_off(kind: Kind) -> None:
    # On the latest everybody spends a third more than was learnt.
    latest = drawn(1_500, seed=5, level=4 / 3)
    for model in (
        fit_three_parts([latest, *CLOSED], HORIZON, kind=kind, seed=1),
        fit_direct([latest, *CLOSED], HORIZON, kind=kind, seed=1),
    ):
        total = model.predict(latest, HORIZON).amount.sum()
        assert total == pytest.approx(actual(latest).sum(), rel=1e-6)


def test_with_one_cut_off_half_of_the_customers_calibrate() -> None:
    (latest,) = closed = [CLOSED[0]]
    model = fit_three_parts(closed, HORIZON, kind="forest", seed=1)
    is_odd = np.arange(len(latest)) % 2 == 1
    expected = model.predict(latest, HORIZON).amount[is_odd].sum()
    assert expected == pytest.approx(actual(latest)[is_odd].sum(), rel=1e-6)


def test_other_horizons_are_in_proportion_and_money_is_worth_less_later() -> None:
    three = fit_three_parts(CLOSED, HORIZON, kind="forest", seed=1)
    direct = fit_direct(CLOSED, HORIZON, kind="forest", seed=1)
    for model in (three, direct):
        once, thrice = model.predict(NEXT, HORIZON), model.predict(NEXT, 3 * HORIZON)
        assert thrice.amount == pytest.approx(3 * once.amount)
        assert thrice.order_probability is None
        later = model.predict(NEXT, HORIZON, discount_rate=0.1)
        assert later.amount == pytest.approx(once.amount * mean_present_value(0.1, HORIZON))


def test_what_comes_after_the_cut_off_is_not_among_the_columns() -> None:
    other = replace(NEXT, actual_amount=actual(NEXT) * 7, actual_order_days=None)
    assert (columns_of(other) == columns_of(NEXT)).all()


def test_columns_are_finite_whoever_it_is() -> None:
    odd = Customers(
        np.array([0.0, 0.0, 400.0]),
        np.array([0.0, 0.0, 60.0]),
        np.array([0.0, 200.0, 60.0]),
        np.array([0.0, -50.0, 1e9]),
        np.array([0.0, 0.0, 1e9]),
        {HORIZON: np.array([0.0, -50.0, 1e8])},
    )
    assert np.isfinite(columns_of(odd)).all()
    found = fit_three_parts(CLOSED, HORIZON, kind="forest", seed=1).predict(odd, HORIZON)
    assert np.isfinite(found.amount).all() and (found.amount >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_the_same_from_their_specs(kind: Kind) -> None:
    three = fit_three_parts(CLOSED, HORIZON, kind=kind, seed=1)
    again = load_three_parts(three.spec()).predict(NEXT, HORIZON)
    assert (again.amount == three.predict(NEXT, HORIZON).amount).all()
    direct = fit_direct(CLOSED, HORIZON, kind=kind, seed=1)
    found = load_direct(direct.spec()).predict(NEXT, HORIZON).amount
    assert (found == direct.predict(NEXT, HORIZON).amount).all()


def test_the_same_customers_make_the_same_trees() -> None:
    first, second = (fit_three_parts(CLOSED, HORIZON, kind="trees", seed=3) for _ in range(2))
    assert first.spec() == second.spec()


def test_of_few_customers_trees_are_not_had() -> None:
    few = drawn(FEWEST_ROWS - 1, seed=1)
    for fit in (fit_three_parts, fit_direct):
        with pytest.raises(TooFewError, match=f"trees need {FEWEST_ROWS}"):
            fit([few], HORIZON, kind="forest", seed=1)
        with pytest.raises(TooFewError):
            fit([], HORIZON, kind="forest", seed=1)


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_where_hardly_anybody_ordered_there_are_no_parts(share: float) -> None:
    gone = [drawn(500, seed=seed, share=share) for seed in (1, 2)]
    with pytest.raises(TooFewError, match="ordered in the horizon"):
        fit_three_parts(gone, HORIZON, kind="forest", seed=1)


def test_every_kind_that_may_be_named_is_a_candidate() -> None:
    known = {one.name for one in CANDIDATES if not one.is_rule}
    everything = ValueSection.model_validate({"candidates": sorted(known)})
    assert set(everything.candidates) == known
    assert set(ValueSection().candidates) <= known
