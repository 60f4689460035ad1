"""Figures of value and its intervals, on customers whose figures are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from crm_spark.models.resampling import resamples
from crm_spark.models.value.intervals import AlikeGroup, alike_groups, interval_of
from crm_spark.models.value.metrics import error_gain, order_metrics, value_metrics


def figures(
    expected: list[float] | np.ndarray, actual: list[float] | np.ndarray, **options: object
) -> dict[str, float | None]:
    first, second = np.asarray(expected, float), np.asarray(actual, float)
    draws = resamples(len(first), seed=1)
    found = value_metrics(first, second, draws=draws, **options)  # type: ignore[arg-type]
    return {one.name: one.value for one in found}


def test_errors_and_totals_are_those_worked_out_by_hand() -> None:
    found = figures([10, 0, 20, 30], [0, 0, 26, 42])
    assert found["mean_absolute_error"] == pytest.approx((10 + 0 + 6 + 12) / 4)
    assert found["root_mean_squared_error"] == pytest.approx(((100 + 36 + 144) / 4) ** 0.5)
    assert (found["expected_total"], found["actual_total"]) == (60, 68)
    assert found["total_ratio"] == pytest.approx(60 / 68)


def test_the_right_order_has_a_gini_of_one_the_wrong_one_of_minus_one() -> None:
    actual = np.arange(100.0)
    assert figures(actual * 3 + 1, actual)["gini"] == pytest.approx(1)
    assert figures(-actual, actual)["gini"] == pytest.approx(-1)
    assert figures(np.full(100, 5.0), actual)["gini"] == pytest.approx(0)
    assert figures(actual**3, actual)["spearman"] == pytest.approx(1)
    assert figures(np.full(100, 5.0), actual)["spearman"] is None


def test_of_the_best_tenth_it_counts_who_was_expected_among_it() -> None:
    actual = np.arange(100.0)
    expected = actual.copy()
    expected[95:] = -1  # the five best were overlooked
    found = value_metrics(expected, actual, draws=resamples(100, seed=1))
    (share,) = [one for one in found if one.name == "top_tenth_found"]
    assert (share.value, share.n) == (0.5, 10)
    assert share.low is not None and share.high is not None
    assert share.low < 0.5 < share.high


def test_whoever_expects_the_same_of_all_finds_the_best_no_better_than_lots() -> None:
    actual = np.zeros(1000)
    actual[500:520] = 9.0  # a fiftieth spent anything
    assert figures(np.zeros(1000), actual)["top_tenth_found"] == pytest.approx(0.1)
    right = np.where(actual > 0, 5.0, np.random.default_rng(1).random(1000))
    assert figures(right, actual)["top_tenth_found"] == pytest.approx(1.0)


def test_tenths_hold_all_customers_from_the_most_expected_on() -> None:
    expected, actual = np.arange(40.0), np.arange(40.0)[::-1]
    found = value_metrics(expected, actual, draws=resamples(40, seed=1))
    by_name = {one.name: one for one in found}
    assert by_name["bin.01.predicted"].value == pytest.approx(37.5)
    assert by_name["bin.01.observed"].value == pytest.approx(1.5)
    assert by_name["bin.01.absolute_error"].value == pytest.approx(36)
    assert sum(by_name[f"bin.{place:02d}.observed"].n for place in range(1, 11)) == 40


def test_intervals_of_figures_hold_the_figure_and_narrow_with_customers() -> None:
    random = np.random.default_rng(4)
    widths = []
    for n in (200, 20_000):
        actual = random.gamma(1, 50, n)
        found = value_metrics(np.full(n, 50.0), actual, draws=resamples(n, seed=1))
        (error,) = [one for one in found if one.name == "mean_absolute_error"]
        assert error.low is not None and error.high is not None and error.value is not None
        assert error.low < error.value < error.high
        widths.append(error.high - error.low)
    assert widths[1] < widths[0] / 5


def test_where_nobody_spent_anything_shares_are_not_known() -> None:
    found = figures([1, 2, 3], [0, 0, 0])
    assert (found["gini"], found["total_ratio"], found["top_tenth_found"]) == (None, None, None)
    assert found["mean_absolute_error"] == 2


def test_order_days_are_summed_beside_those_that_came() -> None:
    found = order_metrics(np.array([0.5, 1.5]), np.array([0.0, 3.0]))
    assert [(one.name, one.value) for one in found] == [
        ("expected_order_days", 2.0),
        ("actual_order_days", 3.0),
    ]


def test_intervals_hold_four_of_five_on_other_customers_of_the_same_kind() -> None:
    random = np.random.default_rng(9)
    expected = random.gamma(2, 40, 40_000)
    actual = expected * random.gamma(2, 0.5, 40_000)
    groups = alike_groups(expected[:20_000], actual[:20_000])
    assert len(groups) == 20
    low, high = interval_of(groups, expected[20_000:])
    inside = (actual[20_000:] >= low) & (actual[20_000:] <= high)
    assert inside.mean() == pytest.approx(0.8, abs=0.01)
    # In every part of what is expected, not only on the whole.
    order = np.argsort(expected[20_000:])
    assert all(0.75 < part.mean() < 0.85 for part in np.array_split(inside[order], 10))


def test_expectations_that_are_equal_for_many_make_no_empty_group() -> None:
    random = np.random.default_rng(6)
    for n in range(100, 3000, 97):
        expected = random.choice([0.0, 1.0, 5.0, 9.0, 40.0], n)
        groups = alike_groups(expected, expected)
        low, high = interval_of(groups, expected)
        assert (low <= high).all()
        assert [group.mean for group in groups] == sorted({group.mean for group in groups})
    both = np.concatenate([np.zeros(50), np.full(100, 5.0)])
    assert len(alike_groups(both, both)) == 2


def test_where_more_than_a_tenth_spent_nothing_the_interval_begins_at_nothing() -> None:
    actual = np.concatenate([np.zeros(60), np.arange(1.0, 41.0)])
    (group,) = {(one.low, one.high) for one in alike_groups(np.full(100, 8.0), actual)}
    # Of a hundred and one, of which any may be the next one, the eighty-first.
    assert group == (0, 21.0)


def test_between_groups_intervals_go_over_from_one_to_the_other() -> None:
    groups = (AlikeGroup(2.0, 0.0, 3.0), AlikeGroup(10.0, 4.0, 31.0))
    low, high = interval_of(groups, np.array([0.0, 2.0, 4.0, 10.0, 20.0]))
    assert low.tolist() == [0, 0, 1, 4, 8]
    assert high.tolist() == [3, 3, 10, 31, 62]
    low, high = interval_of((AlikeGroup(0.0, 0.0, 3.0),), np.array([0.0, 2.0]))
    assert (low.tolist(), high.tolist()) == ([0, 0], [3, 3])


def test_the_ends_of_a_group_are_those_that_a_further_customer_keeps_within() -> None:
    # Of 1 to 99 and the next one, which is a hundred: ranks 10 and 90.
    (group,) = alike_groups(np.full(99, 8.0), np.random.default_rng(1).permutation(99) + 1.0)
    assert (group.low, group.high) == (10.0, 90.0)


def test_money_given_back_counts_as_nothing_spent_where_the_interval_begins_there() -> None:
    actual = np.array([-5.0, 0.0, 5.0, 50.0])
    ends = np.zeros(4), np.full(4, 10.0)
    found = value_metrics(np.full(4, 5.0), actual, draws=np.full((1, 4), 0.25), interval=ends)
    (covered,) = [one.value for one in found if one.name == "coverage_80_percent"]
    assert covered == 0.75


def test_too_few_customers_have_no_intervals() -> None:
    assert alike_groups(np.ones(49), np.ones(49)) == ()


def test_one_customer_of_a_thousand_does_not_decide_who_is_better() -> None:
    draw = np.random.default_rng(8)
    actual = draw.gamma(1.0, 100.0, size=1000)
    near, far = actual + draw.normal(0, 20, size=1000), actual + draw.normal(0, 60, size=1000)
    # Of the one who spends most by far the worse rule happens to know more.
    actual[0], near[0], far[0] = 90_000.0, 2_000.0, 30_000.0
    draws = resamples(1000, seed=1)
    errors = [
        {one.name: one.value for one in value_metrics(expected, actual, draws=draws)}
        for expected in (near, far)
    ]
    assert errors[0]["root_mean_squared_error"] > errors[1]["root_mean_squared_error"]
    capped = [one["capped_root_mean_squared_error"] for one in errors]
    assert capped == pytest.approx([20, 60], rel=0.1)
    gained = error_gain(near, [far], actual, draws=draws)
    assert gained.value == pytest.approx(capped[1] - capped[0])
    assert gained.low is not None and gained.low > 30


def test_where_nobody_spent_errors_are_capped_by_nothing() -> None:
    found = value_metrics(np.full(4, 5.0), np.zeros(4), draws=np.full((1, 4), 0.25))
    errors = {one.name: one.value for one in found}
    assert errors["capped_root_mean_squared_error"] == errors["root_mean_squared_error"] == 5


def test_a_gain_is_over_the_rule_with_the_least_error_on_the_same_customers() -> None:
    draw = np.random.default_rng(4)
    actual = draw.gamma(1.0, 50.0, size=400)
    good, fair, bad = (actual + draw.normal(0, spread, 400) for spread in (10.0, 20.0, 60.0))
    draws = resamples(400, seed=1)
    gained = error_gain(good, [bad, fair], actual, draws=draws)
    most = np.quantile(actual, 0.99)
    errors = [
        float(np.sqrt(((np.minimum(one, most) - np.minimum(actual, most)) ** 2).mean()))
        for one in (good, fair)
    ]
    assert gained.value == pytest.approx(errors[1] - errors[0])
    assert gained.low is not None
    assert gained.high is not None
    assert 0 < gained.low < gained.value < gained.high
    lost = error_gain(fair, [bad, good], actual, draws=draws)
    assert lost.high is not None
    assert lost.high < 0


def test_nothing_is_gained_over_the_same_expectations() -> None:
    actual = np.array([0.0, 10.0, 30.0, 5.0])
    expected = np.array([1.0, 12.0, 20.0, 6.0])
    gained = error_gain(expected, [expected], actual, draws=resamples(4, seed=1))
    assert (gained.value, gained.low, gained.high) == (0.0, 0.0, 0.0)
