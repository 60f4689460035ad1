"""The regression that all series share, on relations planted in many series."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from models.demand.planted import sales_of, tree_of

from crm_spark.models.demand import regression
from crm_spark.models.demand.regression import PooledRegression, fit_regression, load_regression
from crm_spark.models.demand.rules import recent_mean
from crm_spark.models.demand.series import Floats, Sales, mean_of_last

pytestmark = pytest.mark.filterwarnings("error")
USUAL = {7: 28, 52: 8}


def planted(products: Floats, log_prices: Floats | None = None) -> Sales:
    """Give sales of products with those of their one department and the total before them."""
    both = np.concatenate([products.sum(axis=0, keepdims=True)] * 2)
    if log_prices is not None:
        log_prices = np.concatenate([np.zeros(both.shape), log_prices])
    return sales_of(np.concatenate([both, products]), log_prices)


TREE = tree_of({"food": [f"{one}" for one in range(60)]})


def fitted(sales: Sales, horizon: int, season: int) -> PooledRegression:
    return fit_regression(sales, TREE, horizon=horizon, season=season, usual_periods=USUAL[season])


def improvement(
    products: Floats, horizon: int, season: int, log_prices: Floats | None = None
) -> float:
    """Give how much less of the products' last periods it misses than the mean of late."""
    cut = products.shape[1] - horizon
    known = planted(products[:, :cut], None if log_prices is None else log_prices[:, :cut])
    found = fitted(known, horizon, season).forecast(known, TREE)
    usual = recent_mean(known, horizon, USUAL[season])
    off, off_usual = (np.abs(one[2:] - products[:, cut:]).sum() for one in (found, usual))
    return 1 - float(off / off_usual)


def noise(n_periods: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).gamma(100, 1 / 100, (60, n_periods))


SIZES = np.geomspace(10, 1000, 60)[:, None]


def test_what_follows_the_last_period_is_found() -> None:
    random = np.random.default_rng(2)
    ratio = np.ones((60, 120))
    for at in range(1, 120):  # half of what is unusual stays
        ratio[:, at] = 1 + 0.9 * (ratio[:, at - 1] - 1) + random.normal(0, 0.1, 60)
    assert improvement(np.maximum(SIZES * ratio, 0), 1, 52) > 0.2


def test_a_weekday_pattern_is_continued() -> None:
    days = np.tile([3.0, 1, 4, 1, 5, 9, 2], 20)
    assert improvement(SIZES * days * noise(140), 10, 7) > 0.5


def test_a_season_of_the_year_is_continued() -> None:
    weeks = np.ones(160)
    weeks[[50, 51, 102, 103, 154, 155]] = 3  # before the holidays
    assert improvement((SIZES * weeks * noise(160))[:, :157], 4, 52) > 0.3


def test_what_was_cheaper_of_late_sells_more() -> None:
    log_prices = np.random.default_rng(3).normal(0, 0.3, (60, 121))
    of_late = np.stack([log_prices[:, at : at + 118] for at in range(4)]).mean(axis=0)
    # What is sold depends on the four prices before it.
    sold, known = 100 * np.exp(-2 * of_late) * noise(118), log_prices[:, 4:]
    assert improvement(sold[:, :117], 1, 52, known) > improvement(sold[:, :117], 1, 52) + 0.1
    sales = planted(sold[:, :117], known)
    cheaper = Sales(sales.values, sales.log_prices.copy())
    cheaper.log_prices[2:, -4:] -= 0.2
    model = fitted(sales, 1, 52)
    assert (model.forecast(cheaper, TREE)[2:] > model.forecast(sales, TREE)[2:]).all()


def test_coefficients_are_those_of_least_squares_with_a_penalty() -> None:
    products = SIZES * noise(70)
    products[5, :64] = 0  # too young to be learnt from
    products[6] = 0
    sales, horizon, usual_periods = planted(products), 2, 8
    found = fitted(sales, horizon, 52).coefficients["lower"]
    lower = Sales(sales.values[2:], sales.log_prices[2:])
    for step in range(horizon):
        columns, targets, weights = [], [], []
        # The last 52 periods whose horizon is over, each series older than eight periods.
        for at in range(70 - horizon - 51, 70 - horizon + 1):
            features = regression.Past(lower, at, 52, usual_periods).features(step)
            for row in (one for one in range(60) if one not in (5, 6)):
                usual = products[row, at - 8 : at].mean()
                columns.append(features[row])
                targets.append(products[row, at + step] / usual)
                weights.append(usual)
        X, y, root = np.array(columns), np.array(targets), np.sqrt(weights)
        ridge = np.sqrt(0.3 * (root[:, None] ** 2 * X**2).sum(axis=0))
        ridge[0] = 0
        left = np.concatenate([root[:, None] * X, np.diag(ridge)])
        right = np.concatenate([root * y, np.zeros(len(ridge))])
        expected = np.linalg.lstsq(left, right, rcond=None)[0]
        assert found[step] == pytest.approx(expected, abs=1e-6)
        # What it says of all series together is what was sold of all.
        assert (root**2) @ (X @ found[step]) == pytest.approx((root**2) @ y)


def test_features_are_by_the_mean_of_late() -> None:
    values = noise(70)[:1] * 50
    v, prices = values[0].tolist(), np.log(noise(70, seed=2)[:1])
    p = prices[0].tolist()

    def mean(of: list[float]) -> float:
        return sum(of) / len(of)

    def by(usual: float, *of: float) -> list[float]:
        return [one / usual - 1 for one in of]

    usual = mean(v[57:65])  # eight weeks before week 65
    late = [v[64], v[63], v[62], v[61], mean(v[61:65]), mean(v[39:65])]
    year_ago = by(mean(v[5:13]), v[65 + 3 - 52])  # of the fourth week ahead
    price = mean(p[61:65]) - mean(p[:65])
    found = regression.Past(sales_of(values, prices), 65, 52, 8).features(3)
    assert found[0] == pytest.approx([1, *by(usual, *late), price, *year_ago])

    usual = mean(v[37:65])
    weekday = mean([v[65 + 9 - 7 * weeks] for weeks in (2, 3, 4, 5)])  # of the tenth day ahead
    late[-1] = mean(v[:65])  # of 91 days those that there are
    found = regression.Past(sales_of(values), 65, 7, 28).features(9)
    assert found[0] == pytest.approx([1, *by(usual, *late), 0, 0, *by(usual, weekday)])


@pytest.mark.parametrize("season", [7, 52])
@pytest.mark.parametrize("step", [0, 3, 6, 7, 60])
def test_nothing_after_the_cut_off_is_looked_at(season: int, step: int) -> None:
    products = SIZES * noise(150)
    prices = np.log(noise(150, seed=2))
    before, changed = planted(products, prices), planted(products, prices)
    changed.values[:, 90:] = 1e6
    changed.log_prices[:, 90:] = 3
    one, other = (
        regression.Past(sales, 90, season, USUAL[season]).features(step)
        for sales in (before, changed)
    )
    assert np.array_equal(one, other)
    cut = Sales(before.values[:, :90], before.log_prices[:, :90])
    assert np.array_equal(one, regression.Past(cut, 90, season, USUAL[season]).features(step))


@pytest.mark.parametrize("season", [7, 52])
def test_what_never_moved_stays_and_what_is_no_longer_sold_does_not_come_back(season: int) -> None:
    products = np.repeat(SIZES, 150, axis=1)
    products[7] = 0
    sales = planted(products)
    model = fitted(sales, 9, season)
    expected = np.repeat(np.nan_to_num(sales.values[:, -1:]), 9, axis=1)
    assert model.forecast(sales, TREE) == pytest.approx(expected)
    sales.values[5, 100:] = expected[5] = 0
    assert model.forecast(sales, TREE) == pytest.approx(expected)


@pytest.mark.parametrize("season", [7, 52])
def test_forecasts_are_in_whatever_money_and_never_below_zero(season: int) -> None:
    random = np.random.default_rng(4)
    products = random.poisson(random.gamma(0.5, 4, (60, 1)), (60, 150)).astype(float)
    products[:20] *= np.maximum(1 - np.arange(150) / 140, 0)
    plain, tenfold = planted(products), planted(products * 10)
    model = fitted(plain, 9, season)
    found = model.forecast(plain, TREE)
    assert (found >= 0).all() and found.max() > 0
    below = {name: -rows for name, rows in model.coefficients.items()}
    assert (replace(model, coefficients=below).forecast(plain, TREE) >= 0).all()
    again = fitted(tenfold, 9, season).forecast(tenfold, TREE)
    assert again == pytest.approx(found * 10, rel=1e-6, abs=1e-6)


def test_a_regression_says_the_same_after_it_was_stored() -> None:
    sales = planted(SIZES * noise(80))
    model = fitted(sales, 3, 52)
    loaded = load_regression(json.loads(json.dumps(model.spec())))
    assert np.array_equal(loaded.forecast(sales, TREE), model.forecast(sales, TREE))


def test_it_learns_from_one_past_period_with_the_horizon_after_it_else_it_is_the_mean() -> None:
    sales = planted(SIZES * noise(12))
    usual = np.repeat(mean_of_last(sales.values, 8)[:, None], 5, axis=1)
    assert not np.allclose(fitted(sales, 4, 52).forecast(sales, TREE), usual[:, :4])
    assert fitted(sales, 5, 52).forecast(sales, TREE) == pytest.approx(usual)


@pytest.mark.parametrize("season", [7, 52])
@pytest.mark.parametrize("n_periods", [1, 3, 10])
def test_a_short_history_has_forecasts_too(season: int, n_periods: int) -> None:
    sales = planted(np.repeat(SIZES, n_periods, axis=1))
    found = fitted(sales, 9, season).forecast(sales, TREE)
    assert found == pytest.approx(np.repeat(sales.values[:, :1], 9, axis=1))


def test_where_all_series_are_too_young_it_is_the_mean_of_late() -> None:
    products = SIZES * noise(40)
    products[:, :-6] = 0
    sales = planted(products)
    found = fitted(sales, 3, 52).forecast(sales, TREE)
    assert found == pytest.approx(np.repeat(mean_of_last(sales.values, 8)[:, None], 3, axis=1))


@pytest.mark.parametrize("season", [7, 52])
def test_a_young_series_is_forecast_by_the_periods_it_has(season: int) -> None:
    products = SIZES * noise(150) * np.resize([3.0, 1, 4, 1, 5, 9, 2], 150)
    sales = planted(products)
    model = fitted(sales, 9, season)
    n = 10
    young = Sales(sales.values.copy(), sales.log_prices)
    young.values[:, :-n] = np.nan
    young.values[:, -n:] = 7
    assert model.forecast(young, TREE) == pytest.approx(
        model.forecast(Sales(np.full((62, 150), 7.0), sales.log_prices), TREE)
    )


@pytest.mark.parametrize("departments", [{}, {"food": []}, {"food": ["a"]}])
def test_few_series_do(departments: dict[str, list[str]]) -> None:
    tree = tree_of(departments)
    sales = sales_of(np.repeat(50 * noise(80)[:1], len(tree), axis=0))
    found = fit_regression(sales, tree, horizon=12, season=7, usual_periods=28).forecast(
        sales, tree
    )
    assert found == pytest.approx(np.full((len(tree), 12), 50.0), rel=0.2)
