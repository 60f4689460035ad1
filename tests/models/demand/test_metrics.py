"""Figures of demand, on forecasts whose figures are known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from models.demand.planted import tree_of

from crm_spark.models.demand.metrics import demand_metrics, mean_or_none, series_errors
from crm_spark.models.demand.series import REST, Floats, Tree
from crm_spark.models.results import Measured

pytestmark = pytest.mark.filterwarnings("error")
TREE = tree_of({"food": ["a", "b"]})
# Moves of 2, 1, 1 and 3 from a period to the next.
HISTORY = np.array([[4.0, 6, 4], [2, 3, 2], [1, 2, 1], [3, 0, 3]])
ACTUAL = np.array([[10.0, 10], [10, 10], [6, 6], [4, 4]])
FORECASTS = np.array([[12.0, 6], [10, 10], [5, 9], [4, 1]])


def measured(
    tree: Tree = TREE,
    forecasts: Floats = FORECASTS,
    actual: Floats = ACTUAL,
    history: Floats = HISTORY,
    interval: tuple[Floats, Floats] | None = None,
) -> dict[str, Measured]:
    found = demand_metrics(tree, forecasts, actual, history, season=52, interval=interval)
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


def test_errors_are_by_those_of_the_naive_forecast() -> None:
    absolute, squared = series_errors(FORECASTS, ACTUAL, HISTORY, 52)
    assert absolute == pytest.approx([3 / 2, 0, 2 / 1, 1.5 / 3])
    assert squared == pytest.approx([10 / 4, 0, 5 / 1, 4.5 / 9])


def test_figures_of_each_level_are_those_worked_out_by_hand() -> None:
    found = {name: one.value for name, one in measured().items()}
    assert found["mase.total"] == pytest.approx(1.5)
    assert found["mase.department"] == 0
    assert found["mase.product"] == pytest.approx((2 + 0.5) / 2)
    assert found["rmsse.product"] == pytest.approx((5**0.5 + 0.5**0.5) / 2)
    assert found["wape.product"] == pytest.approx((1 + 3 + 0 + 3) / 20)
    assert found["total_ratio"] == pytest.approx(18 / 20)
    assert found["mase"] == pytest.approx((1.5 + 0 + 1.25) / 3)
    assert found["rmsse"] == pytest.approx((2.5**0.5 + (5**0.5 + 0.5**0.5) / 2) / 3)
    assert "coverage_80_percent.total" not in found


def test_figures_are_the_same_in_whatever_money() -> None:
    tenfold = measured(forecasts=FORECASTS * 10, actual=ACTUAL * 10, history=HISTORY * 10)
    for name, one in measured().items():
        assert tenfold[name].value == pytest.approx(one.value)


def test_a_series_whose_history_never_moved_has_no_error_and_spoils_none() -> None:
    still = HISTORY.copy()
    still[3] = 3
    found = measured(history=still)
    assert np.isnan(series_errors(FORECASTS, ACTUAL, still, 52)[0][3])
    assert found["mase.product"] == Measured("mase.product", 2, 1)
    still[2:] = 3
    found = measured(history=still)
    assert found["mase.product"] == Measured("mase.product", None, 0)
    assert found["mase"] == Measured("mase", (1.5 + 0) / 2, 2)


def test_where_nothing_was_sold_shares_are_not_known() -> None:
    found = measured(actual=np.zeros((4, 2)), history=np.zeros((4, 3)))
    assert {one.value for one in found.values()} == {None}


def test_levels_without_series_have_no_figures_and_what_is_left_over_counts_nowhere() -> None:
    alone = measured(tree_of({}), FORECASTS[:1], ACTUAL[:1], HISTORY[:1])
    assert {name.partition(".")[2] for name in alone} == {"", "total"}
    level = TREE.level.copy()
    level[3] = REST
    found = measured(replace(TREE, level=level))
    assert found["mase.product"].value == pytest.approx(2)
    assert found["wape.product"].value == pytest.approx(4 / 12)


def test_intervals_held_as_often_as_sales_were_inside_to_the_cent() -> None:
    low, high = ACTUAL - 1, ACTUAL + 1
    low[2], high[2] = [6.004, 6.1], [7, 7]  # one is a rounding away, one below
    high[3] = [3.996, 3.9]
    found = measured(interval=(low, high))
    share = found["coverage_80_percent.product"]
    assert (share.value, share.n) == (2 / 4, 4)
    assert found["coverage_80_percent.total"].value == 1


def test_the_mean_of_ten_series_and_more_has_an_interval() -> None:
    random = np.random.default_rng(1)
    widths = []
    for n in (9, 10, 4000):
        tree = tree_of({"food": [f"{one}" for one in range(n)]})
        history = np.tile([1.0, 2, 1], (n + 2, 1))
        off = random.gamma(1, 2, (n + 2, 1))
        one = measured(tree, off, np.zeros((n + 2, 1)), history)["mase.product"]
        assert one.value == pytest.approx(off[2:].mean())
        if n == 9:
            assert (one.low, one.high) == (None, None)
            continue
        assert one.low is not None and one.high is not None and one.value is not None
        assert 0 <= one.low < one.value < one.high
        widths.append(one.high - one.low)
    # Of a gamma of one the standard deviation is the mean.
    assert widths[1] == pytest.approx(2 * 1.96 * 2 / 4000**0.5, rel=0.1)
    assert widths[1] < widths[0]


def test_the_interval_of_a_mean_error_begins_at_none() -> None:
    tree = tree_of({"food": [f"{one}" for one in range(10)]})
    off = np.array([[1.0], [1], [10], *[[0]] * 9])
    one = measured(tree, off, np.zeros((12, 1)), np.tile([1.0, 2, 1], (12, 1)))["mase.product"]
    assert (one.value, one.low) == (1, 0)
    # The standard deviation is 10 times that of one in ten: 10 / 10 ** 0.5.
    assert one.high == pytest.approx(1 + 1.96)


def test_the_mean_of_none_is_none() -> None:
    assert mean_or_none([]) is None
    assert mean_or_none([1.0, 2.0]) == 1.5
