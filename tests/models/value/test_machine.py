"""Trees of spend: read by numpy as scikit-learn does, put together and calibrated as told."""

from __future__ import annotations

import subprocess
import sys
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


def test_with_one_cut_off_the_customers_who_are_not_learnt_from_calibrate() -> None:
    (latest,) = closed = [CLOSED[0]]
    model = fit_three_parts(closed, HORIZON, kind="forest", seed=1)
    expected = model.predict(latest, HORIZON).amount
    # Half of them add up exactly, so that all do nearly.
    assert expected.sum() == pytest.approx(actual(latest).sum(), rel=0.1)
    one_half = np.random.default_rng(1).permutation(len(latest))[: len(latest) // 2]
    assert expected[one_half].sum() == pytest.approx(actual(latest)[one_half].sum(), rel=1e-6)


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


def test_trees_refuse_other_columns_than_they_were_fitted_on() -> None:
    model = fit_direct(CLOSED, HORIZON, kind="forest", seed=1)
    other = replace(NEXT, recent={**NEXT.recent, 84: NEXT.amount})
    with pytest.raises(ValueError, match="train again"):
        model.predict(other, HORIZON)


def test_in_each_leaf_the_product_of_means_is_the_mean_spend() -> None:
    # Whoever orders does so on one day for 100 or on nine for 10 each: 95 on average.
    draw = np.random.default_rng(6)
    n = 1_500
    once = draw.random(n) < 0.5
    orders = draw.random(n) < 0.7
    days = np.where(orders, np.where(once, 1.0, 9.0), 0.0)
    customers = replace(
        NEXT,
        actual_order_days=days,
        actual_amount=days * np.where(once, 100.0, 10.0),
    )
    model = fit_three_parts([customers, customers], HORIZON, kind="forest", seed=1)
    _, parts_days, amount = model.parts(columns_of(customers))
    assert (parts_days * amount).mean() == pytest.approx(95, rel=0.03)
    assert model.ratio == pytest.approx(1.0, abs=0.05)


def test_customers_who_are_gone_for_good_do_not_bend_the_chances_of_the_others() -> None:
    draw = np.random.default_rng(8)

    def half_gone(seed: int) -> tuple[Customers, Floats]:
        base = drawn(4_000, seed=seed)
        gone = np.arange(len(base)) % 2 == 0
        chance = np.where(gone, 0.002, 0.1 + 0.8 * (base.x / 30))
        days = (draw.random(len(base)) < chance).astype(float)
        t_x = np.where(gone, base.T * 0.1, base.T)
        came = replace(base, t_x=t_x, actual_order_days=days, actual_amount=days * 10)
        return came, chance

    closed = [half_gone(seed)[0] for seed in (1, 2, 3)]
    now, truth = half_gone(4)
    model = fit_three_parts(closed, HORIZON, kind="forest", seed=1)
    said = model.predict(now, HORIZON).order_probability
    assert said is not None
    stays = truth > 0.05
    for part in np.array_split(np.argsort(truth[stays]), 5):
        assert said[stays][part].mean() == pytest.approx(truth[stays][part].mean(), abs=0.03)
    assert said[~stays].mean() < 0.02


def test_what_comes_is_corrected_by_no_more_than_a_factor_of_two() -> None:
    latest = drawn(1_500, seed=5, level=10.0)
    for model in (
        fit_three_parts([latest, *CLOSED], HORIZON, kind="forest", seed=1),
        fit_direct([latest, *CLOSED], HORIZON, kind="forest", seed=1),
    ):
        assert model.ratio == 2.0


def test_scores_are_made_where_scikit_learn_is_not_there() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; import crm_spark.models.value.machine;"
        "import crm_spark.models.value.scoring"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
