"""Buy-till-you-die models against what is published, and against other ways to work them out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from models.value.cdnow import HOLD_OUT_WEEKS, calibration
from scipy.special import hyp2f1, roots_genlaguerre, roots_jacobi

from benchmarks.made_purchases import simulated
from crm_spark.models.purchases import (
    BG_NBD,
    MBG_NBD,
    PARAMETERS,
    Histories,
    Kind,
    PurchaseModel,
    alive_probability,
    expected_orders,
    fit,
    fit_regular,
    intervals_of,
    log_likelihood,
    order_probability,
    regular_kind,
)

KINDS = (BG_NBD, MBG_NBD, Kind("bg_cnbd_k", 2, drops_at_first=False), regular_kind(3))


def histories_of(rows: pd.DataFrame) -> Histories:
    log_gaps = float(rows["log_gaps"].sum())
    return Histories.of(rows["x"], rows["t_x"], rows["T"], log_gaps=log_gaps)


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    return calibration()


def test_bg_nbd_on_cdnow_is_what_fader_hardie_and_lee_published(cdnow: pd.DataFrame) -> None:
    model = fit(BG_NBD, histories_of(cdnow))
    assert model.parameters == pytest.approx((0.243, 4.414, 0.793, 2.426), rel=0.01)
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.1)


def test_what_bg_nbd_expects_of_the_hold_out_is_what_they_published(cdnow: pd.DataFrame) -> None:
    model, histories = fit(BG_NBD, histories_of(cdnow)), histories_of(cdnow)
    found = expected_orders(model, histories.x, histories.t_x, histories.T, HOLD_OUT_WEEKS)
    assert cdnow["later"].sum() == 1882
    assert found.n_orders.sum() == pytest.approx(1653, abs=2)
    published = [0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157]
    by_repeats = [found.n_orders[np.minimum(histories.x, 7) == n].mean() for n in range(8)]
    assert by_repeats == pytest.approx(published, abs=0.01)


def likelihood_by_integration(
    kind: Kind, parameters: tuple[float, ...], history: tuple[float, float, float]
) -> float:
    """Add up what customers of all rates and chances to be lost do, by Gauss' points."""
    r, alpha, a, b = parameters
    x, t_x, T = history
    rates, of_rate = roots_genlaguerre(80, r - 1)
    rates, of_rate = rates[:, None] / alpha, of_rate[:, None] / math.gamma(r)
    p, of_p = roots_jacobi(40, b - 1, a - 1)
    p, of_p = (p + 1) / 2, of_p / of_p.sum()
    survived = (1 - p) ** (x + kind.drops_at_first)
    # Of Erlang gaps: rate^(k x) exp(-rate t_x); the gaps' own terms are left to log_gaps.
    gaps = rates ** (kind.k * x) * np.exp(-rates * t_x)
    silent = sum(
        np.exp(-rates * (T - t_x)) * (rates * (T - t_x)) ** j / math.factorial(j)
        for j in range(kind.k)
    )
    is_lost = np.zeros_like(p)
    if x or kind.drops_at_first:
        is_lost = p * (1 - p) ** (x - 1 + kind.drops_at_first)
    return float((of_rate * of_p * gaps * (survived * silent + is_lost)).sum())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("history", [(0.0, 0.0, 6.0), (2.0, 3.5, 6.0), (4.0, 5.0, 5.0)])
def test_the_likelihood_is_the_sum_over_customers_of_all_kinds(
    kind: Kind, history: tuple[float, float, float]
) -> None:
    parameters = (1.7, 2.3, 1.4, 2.6)
    model = PurchaseModel(kind, *parameters)
    (x, t_x, T) = history
    found = log_likelihood(model, Histories.of([x], [t_x], [T]))
    expected = math.log(likelihood_by_integration(kind, parameters, history))
    expected -= x * math.lgamma(kind.k)
    assert found == pytest.approx(expected, abs=1e-6)


def test_mbg_nbd_on_cdnow_is_at_the_top_of_the_likelihood_worked_out_otherwise(
    cdnow: pd.DataFrame,
) -> None:
    # Batislam and others (2007), with gamma functions instead of logarithms, on a few customers.
    def naive(parameters: tuple[float, ...], rows: pd.DataFrame) -> float:
        r, alpha, a, b = parameters
        total = 0.0
        for x, t_x, T in rows[["x", "t_x", "T"]].itertuples(index=False):
            first = math.gamma(r + x) * alpha**r / math.gamma(r)
            share = math.gamma(a + b) * math.gamma(b + x + 1) / math.gamma(b)
            share /= math.gamma(a + b + x + 1)
            lost = a / (b + x) * (alpha + t_x) ** -(r + x)
            total += math.log(first * share * ((alpha + T) ** -(r + x) + lost))
        return total

    model = fit(MBG_NBD, histories_of(cdnow))
    rows = cdnow[cdnow["x"] < 40]
    assert len(rows) == len(cdnow)
    best = naive(model.parameters, rows)
    assert model.log_likelihood == pytest.approx(best, abs=1e-6)
    for index in range(len(PARAMETERS)):
        for factor in (0.99, 1.01):
            moved = list(model.parameters)
            moved[index] *= factor
            assert naive(tuple(moved), rows) < best


@pytest.mark.parametrize("t", [1.0, 39.0, 400.0])
def test_expected_orders_of_bg_nbd_are_those_of_the_hypergeometric_formula(t: float) -> None:
    r, alpha, a, b = parameters = (0.243, 4.414, 0.793, 2.426)
    x, t_x, T = np.array([0.0, 2, 29]), np.array([0.0, 30.43, 38]), np.array([38.86, 38.86, 38.5])
    # Equation 10 of Fader, Hardie and Lee (2005).
    ratio = (alpha + T) / (alpha + T + t)
    above = 1 - ratio ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + T + t))
    below = 1 + (x > 0) * a / (b + x - 1 + (x == 0)) * ((alpha + T) / (alpha + t_x)) ** (r + x)
    expected = (a + b + x - 1) / (a - 1) * above / below
    found = expected_orders(PurchaseModel(BG_NBD, *parameters), x, t_x, T, t)
    assert found.n_orders == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_expected_is_what_comes_of_customers_drawn_alike(kind: Kind) -> None:
    model = PurchaseModel(kind, r=1.5, alpha=3.0, a=1.2, b=4.0)
    rows = simulated(
        6000,
        r=model.r,
        alpha=model.alpha,
        a=model.a,
        b=model.b,
        k=kind.k,
        drops_at_first=kind.drops_at_first,
        weeks=20.0,
        later_weeks=10.0,
        seed=3,
    )
    arrays = [rows[name].to_numpy() for name in ("x", "t_x", "T")]
    found = expected_orders(model, *arrays, 10.0)
    noise = 4 * rows["later"].std() / len(rows) ** 0.5
    assert found.n_orders.mean() == pytest.approx(rows["later"].mean(), abs=noise)
    came = (rows["later"] > 0).mean()
    assert found.order_probability.mean() == pytest.approx(came, abs=4 * 0.5 / len(rows) ** 0.5)
    alive = alive_probability(model, *arrays)
    assert (found.order_probability <= alive + 1e-12).all()


def test_parameters_come_back_from_customers_drawn_by_them() -> None:
    truth = (0.8, 6.0, 0.7, 2.5)
    rows = simulated(
        8000,
        **dict(zip(PARAMETERS, truth, strict=True)),
        k=1,
        drops_at_first=False,
        weeks=52.0,
        later_weeks=0.0,
        seed=11,
    )
    model = fit(BG_NBD, histories_of(rows))
    for value, (low, high) in zip(truth, intervals_of(model.parameters, model.errors), strict=True):
        assert low is not None and high is not None
        # 95 % of intervals hold the truth: twice their width nearly all.
        middle, half = math.sqrt(low * high), math.sqrt(high / low)
        assert middle / half**2 < value < middle * half**2


def test_of_regular_buyers_the_regular_model_finds_k_and_is_half_as_far_off() -> None:
    rows = simulated(
        3000, r=4.0, alpha=3.0, a=0.8, b=4.0, k=3, drops_at_first=True,
        weeks=40.0, later_weeks=20.0, seed=5,
    )  # fmt: skip
    histories = histories_of(rows)
    regular, bg_nbd = fit_regular(histories, most=4), fit(BG_NBD, histories)
    assert regular.kind.k == 3
    came = rows["later"].sum()
    error = {
        model.kind.name: abs(
            expected_orders(model, histories.x, histories.t_x, histories.T, 20.0).n_orders.sum()
            - came
        )
        for model in (regular, bg_nbd)
    }
    assert error["mbg_cnbd_k"] < error["bg_nbd"] / 2


def test_long_histories_of_many_orders_run_over_nowhere() -> None:
    x, t_x, T = np.array([5000.0, 0.0]), np.array([7300.0, 0.0]), np.array([7300.0, 7300.0])
    for kind in KINDS:
        model = PurchaseModel(kind, 0.5, 2.0, 0.1, 3.0)
        found = expected_orders(model, x, t_x, T, 90.0)
        assert np.isfinite(found.n_orders).all() and (found.order_probability <= 1).all()
        # Some 0.68 steps a unit, k of them an order, hardly anybody lost.
        assert found.n_orders[0] == pytest.approx(90 * 5000 / 7300, rel=0.02)
        assert found.n_orders[1] < 0.05


def test_a_probability_never_passes_one_however_sure_an_order_is() -> None:
    x = np.full(5000, 26.0)
    histories = Histories.of(x, x * 2, x * 2, log_gaps=float(26 * 5000 * math.log(2)))
    found = expected_orders(fit_regular(histories, most=4), x[:9], x[:9] * 2, x[:9] * 2, 52.0)
    assert (found.order_probability > 0.999).all() and (found.order_probability <= 1).all()


def test_counted_histories_are_the_same_as_customers_one_by_one(cdnow: pd.DataFrame) -> None:
    counted = cdnow.groupby(["x", "t_x", "T"]).size().reset_index(name="n")
    assert len(counted) < len(cdnow)
    columns = (counted[name] for name in ("x", "t_x", "T", "n"))
    both = fit(BG_NBD, Histories.of(*columns)), fit(BG_NBD, histories_of(cdnow))
    assert both[0].parameters == pytest.approx(both[1].parameters, rel=1e-4)


def test_nobody_known_for_any_time_is_refused() -> None:
    with pytest.raises(ValueError, match="no customer was known"):
        fit(BG_NBD, Histories.of([0.0, 0.0], [0.0, 0.0], [0.0, 0.0]))
    with pytest.raises(ValueError, match="no customer was known"):
        fit(BG_NBD, Histories.of([], [], []))


def test_where_all_are_alike_a_parameter_at_its_bound_has_no_error() -> None:
    # Every week an order, of all of them: no spread of rates, and nobody ever lost.
    model = fit(BG_NBD, Histories.of([10.0] * 50, [10.0] * 50, [10.0] * 50))
    assert None in model.errors
    found = expected_orders(model, np.array([10.0]), np.array([10.0]), np.array([10.0]), 5.0)
    assert found.n_orders[0] == pytest.approx(5.0, rel=0.05)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("horizon", [1 / 7, 4.0, 52.0])
def test_the_chance_of_any_order_alone_is_the_one_that_is_expected(
    kind: Kind, horizon: float
) -> None:
    model = PurchaseModel(kind, r=1.2, alpha=3.0, a=0.8, b=2.5)
    x = np.array([0.0, 0, 1, 3, 40, 26])
    t_x = np.array([0.0, 0, 5, 9.5, 39, 52])
    T = np.array([0.0, 60, 6, 40, 40, 52])
    found = order_probability(model, x, t_x, T, horizon)
    expected = expected_orders(model, x, t_x, T, horizon)
    assert np.array_equal(found, expected.order_probability)
    assert ((found > 0) & (found <= 1)).all()
