"""Figures of propensity: against scikit-learn, and on customers whose figures are known by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from sklearn.metrics import log_loss as reference_log_loss

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.propensity import metrics
from crm_spark.models.propensity.metrics import (
    FEWEST_TESTED,
    GAIN,
    Precision,
    audience_share,
    gain,
    precision_of,
    propensity_metrics,
    reached_share,
)
from crm_spark.models.propensity.targets import DEPARTMENT, PRODUCT, Target, Targets
from crm_spark.models.resampling import interval_of_draws, resamples
from crm_spark.models.results import Measured

Flags = NDArray[np.bool_]
TWO_LEVELS = Targets(
    (Target(DEPARTMENT, "FRUIT", 9), Target(PRODUCT, "17", 9), Target(DEPARTMENT, "MEAT", 9))
)


def drawn(n: int, n_targets: int, *, decimals: int = 9) -> tuple[Floats, Flags]:
    """Draw probabilities, rounded, and who came by them."""
    random = np.random.default_rng(n + n_targets + decimals)
    probability = random.beta(1, 4, (n, n_targets))
    return np.round(probability, decimals), random.random((n, n_targets)) < probability


def of_one(probability: Floats, is_buyer: Flags) -> float:
    """Give the average precision in the mean of all orders of equals, place by place."""
    total, before, buyers_before = 0.0, 0, 0
    for value in sorted(set(probability), reverse=True):
        among = is_buyer[probability == value]
        m, k = len(among), int(among.sum())
        for place in range(1, m + 1):
            others = (k - 1) * (place - 1) / (m - 1) if m > 1 else 0.0
            total += k / m * (buyers_before + 1 + others) / (before + place)
        before, buyers_before = before + m, buyers_before + k
    return total / buyers_before


def reference(probability: Floats, is_buyer: Flags) -> list[float]:
    return [of_one(probability[:, at], is_buyer[:, at]) for at in range(is_buyer.shape[1])]


def flags(*columns: list[int]) -> Flags:
    return np.array(columns, bool).T


def alike(n: int) -> Floats:
    """Give one resample in which every customer is there once."""
    return np.full((1, n), 1 / n, np.float32)


@pytest.fixture
def any_buyers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take targets with few buyers, too, which are worked out by hand."""
    monkeypatch.setattr(metrics, "FEWEST_TESTED", 1)


def test_precision_is_that_of_scikit_learn_where_no_two_are_alike() -> None:
    probability, is_buyer = drawn(300, 4)
    found = precision_of(probability, is_buyer, alike(300))
    expected = [average_precision_score(is_buyer[:, at], probability[:, at]) for at in range(4)]
    assert found.by_target == pytest.approx(expected, abs=1e-12)
    assert found.mean == pytest.approx(np.mean(expected), abs=1e-12)


@pytest.mark.parametrize("decimals", [2, 1, 0])
def test_equals_are_ranked_in_the_mean_of_all_their_orders(decimals: int) -> None:
    probability, is_buyer = drawn(300, 4, decimals=decimals)
    found = precision_of(probability, is_buyer, alike(300)).by_target
    assert found == pytest.approx(reference(probability, is_buyer), abs=1e-12)
    random = np.random.default_rng(3)
    orders = [
        average_precision_score(is_buyer[:, 0], probability[:, 0] + 1e-6 * random.random(300))
        for _ in range(400)
    ]
    assert found[0] == pytest.approx(np.mean(orders), abs=4 * np.std(orders) / 20 + 1e-6)


def test_all_orders_of_a_few_customers_worked_out_one_by_one(any_buyers: None) -> None:
    probability = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    is_buyer = np.array([False, True, False, True, True])
    ranked = [
        average_precision_score(is_buyer[[0, *middle, 4]], [5, 4, 3, 2, 1])
        for middle in permutations([1, 2, 3])
    ]
    found = precision_of(probability[:, None], is_buyer[:, None], alike(5))
    assert found.by_target == pytest.approx([np.mean(ranked)], abs=1e-12)


def test_a_rule_of_few_values_does_not_lose_to_itself_with_noise_added() -> None:
    random = np.random.default_rng(5)
    gains = []
    for seed in range(20):
        probability, is_buyer = drawn(400 + seed, 6, decimals=1)
        draws = resamples(400 + seed, seed=1)
        noisy = probability + 1e-9 * random.random(probability.shape)
        rule = precision_of(probability, is_buyer, draws)
        gains.append(gain(precision_of(noisy, is_buyer, draws), [rule], 400))
    assert sum(one.low is not None and one.low > 0 for one in gains) <= 2
    assert abs(np.mean([one.value or 0.0 for one in gains])) < 0.003


def test_precision_worked_out_by_hand(any_buyers: None) -> None:
    # Buyers are first and third: (1/1 + 2/3) / 2. With all alike, one is at each of four places.
    probability = np.array([[0.9, 0.5], [0.8, 0.5], [0.7, 0.5], [0.6, 0.5]])
    found = precision_of(probability, flags([1, 0, 1, 0], [1, 0, 0, 0]), alike(4))
    assert found.by_target == pytest.approx([5 / 6, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4])


def test_the_order_of_customers_changes_nothing() -> None:
    probability, is_buyer = drawn(200, 2, decimals=1)
    turned = precision_of(probability[::-1], is_buyer[::-1], alike(200))
    assert turned.by_target == pytest.approx(
        precision_of(probability, is_buyer, alike(200)).by_target, abs=1e-12
    )


def test_a_target_that_nobody_bought_is_unknown_and_left_out_of_the_mean(
    any_buyers: None,
) -> None:
    probability = np.array([[0.9, 0.9], [0.1, 0.2]])
    found = precision_of(probability, flags([0, 0], [0, 1]), alike(2))
    assert np.isnan(found.by_target[0])
    assert found.mean == pytest.approx(0.5)
    assert found.draws == pytest.approx([0.5])


def test_of_fewer_than_ten_buyers_the_precision_is_not_told() -> None:
    probability = np.linspace(0.9, 0.1, 40)[:, None]
    first = np.arange(40)[:, None]
    assert precision_of(probability, first < FEWEST_TESTED, alike(40)).mean == pytest.approx(1)
    few = precision_of(probability, first < FEWEST_TESTED - 1, alike(40))
    assert few.mean is None
    assert np.isnan([few.by_target[0], few.draws[0]]).all()


@pytest.mark.parametrize("decimals", [9, 1])
def test_resamples_in_which_all_weigh_the_same_give_the_figure_itself(decimals: int) -> None:
    probability, is_buyer = drawn(500, 3, decimals=decimals)
    found = precision_of(probability, is_buyer, np.repeat(alike(500), 3, axis=0))
    assert found.draws == pytest.approx([found.mean] * 3, abs=1e-9)


@pytest.mark.parametrize("decimals", [9, 1])
def test_a_customer_of_weight_three_is_there_three_times(decimals: int) -> None:
    probability, is_buyer = drawn(120, 3, decimals=decimals)
    times = np.random.default_rng(8).integers(0, 4, (5, 120))
    found = precision_of(probability, is_buyer, times / 120)
    expected = [
        np.mean(reference(np.repeat(probability, row, axis=0), np.repeat(is_buyer, row, axis=0)))
        for row in times
    ]
    # All of them are moved by the same, to have the mean of the figure itself.
    moved = np.array(expected) - np.mean(expected) + np.mean(reference(probability, is_buyer))
    assert found.draws == pytest.approx(moved, abs=1e-9)


def test_resamples_are_around_the_figure_though_who_is_there_twice_is_above_himself() -> None:
    for n in (60, 2_000):
        probability, is_buyer = drawn(n, 4)
        found = precision_of(probability, is_buyer, resamples(n, seed=1))
        assert found.mean is not None
        assert found.draws.mean() == pytest.approx(found.mean, abs=1e-6)
        assert found.draws.std() > 0


def test_a_resample_without_the_buyers_of_a_target_leaves_it_out(any_buyers: None) -> None:
    probability = np.array([[0.9, 0.1], [0.8, 0.5], [0.7, 0.9]])
    is_buyer = flags([1, 0, 0], [0, 1, 0])
    draws = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 2.0], [0.0, 0.0, 3.0]]) / 3
    found = precision_of(probability, is_buyer, draws).draws
    # All there: 1 and 1/2. The first missing: only 1/3 is known, its buyer after two of the third.
    assert found[0] - found[1] == pytest.approx(0.75 - 1 / 3)
    assert np.isnan(found[2])


def test_customers_first_of_whom_nobody_was_drawn_do_no_harm(any_buyers: None) -> None:
    probability = np.array([[0.9], [0.8], [0.7]])
    draws = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]) / 3
    found = precision_of(probability, flags([1, 0, 1]), draws).draws
    # All there: (1 + 2/3) / 2. Without the first: the second of two.
    assert found[0] - found[1] == pytest.approx(5 / 6 - 1 / 2)


def test_without_targets_nothing_is_known() -> None:
    found = precision_of(np.empty((3, 0)), np.empty((3, 0), bool), resamples(3, seed=1))
    assert found.mean is None
    assert interval_of_draws(found.draws) is None


TEN = np.linspace(0.9, 0.1, 10)
BUYERS = np.array([1, 0, 1, 0, 1, 0, 0, 0, 0, 1], bool)


@pytest.mark.parametrize(
    ("reach", "share"),
    [
        (0.25, 0.1),  # the first buyer is the first
        (0.5, 0.3),  # two of four: the third customer, not those up to the next buyer
        (0.7, 0.48),  # 2.8 buyers: four customers, and eight tenths of the fifth, who bought
        (1.0, 1.0),
    ],
)
def test_an_audience_is_the_most_probable_who_hold_that_share_of_the_buyers(
    reach: float, share: float
) -> None:
    assert audience_share(TEN, BUYERS, reach) == pytest.approx(share)
    shuffled = np.random.default_rng(2).permutation(10)
    assert audience_share(TEN[shuffled], BUYERS[shuffled], reach) == pytest.approx(share)


def test_an_audience_ends_midway_among_customers_of_one_probability() -> None:
    # Four of 0.9 with two buyers, six of 0.1 with two: for three, half of the six.
    probability = np.array([0.9] * 4 + [0.1] * 6)
    is_buyer = np.array([0, 1, 1, 0, 1, 1, 0, 0, 0, 0], bool)
    assert audience_share(probability, is_buyer, 0.75) == pytest.approx(0.7)
    assert audience_share(probability, is_buyer, 0.5) == pytest.approx(0.4)
    assert audience_share(np.full(10, 0.3), is_buyer, 0.7) == pytest.approx(0.7)


def test_where_nobody_bought_there_is_no_audience() -> None:
    assert audience_share(TEN, np.zeros(10, bool), 0.5) is None


def test_a_single_customer_who_bought_is_the_audience() -> None:
    assert audience_share(np.array([0.2]), np.array([True]), 0.9) == pytest.approx(0.9)


def test_who_is_reached_are_the_buyers_of_the_audience_that_was_expected_to_do() -> None:
    # 2 buyers are expected, 1.6 of the first two and the rest of the others.
    probability = np.array([0.8, 0.8, 0.2, 0.1, 0.1])
    is_buyer = np.array([1, 0, 0, 1, 1], bool)
    assert reached_share(probability, is_buyer, 0.4) == pytest.approx(
        0.5 / 3
    )  # half of the first two
    assert reached_share(probability, is_buyer, 0.8) == pytest.approx(1 / 3)
    assert reached_share(probability, is_buyer, 0.9) == pytest.approx(1 / 3)  # all of the third
    assert reached_share(probability, is_buyer, 0.95) == pytest.approx(2 / 3)
    assert reached_share(probability, is_buyer, 1.0) == pytest.approx(1)
    turned = reached_share(probability[::-1], is_buyer[::-1], 0.95)
    assert turned == pytest.approx(2 / 3)
    assert reached_share(probability, np.zeros(5, bool), 0.5) is None


@pytest.mark.parametrize("reach", [0.5, 0.7, 0.9])
def test_true_probabilities_reach_what_they_say(reach: float) -> None:
    probability, is_buyer = drawn(50_000, 1)
    found = reached_share(probability[:, 0], is_buyer[:, 0], reach)
    assert found == pytest.approx(reach, abs=0.015)


def figures(probability: Floats, is_buyer: Flags, targets: Targets) -> dict[str, Measured]:
    precision = precision_of(probability, is_buyer, resamples(len(is_buyer), seed=1))
    found = propensity_metrics(probability, is_buyer, targets, precision)
    by_name = {one.name: one for one in found}
    assert len(by_name) == len(found)
    return by_name


def test_totals_are_of_all_pairs_and_errors_those_of_the_probabilities() -> None:
    probability, is_buyer = drawn(400, 3)
    found = figures(probability, is_buyer, TWO_LEVELS)
    assert found["expected_buyers"].value == pytest.approx(probability.sum())
    assert found["actual_buyers"].value == is_buyer.sum()
    assert found["log_loss"].value == pytest.approx(
        reference_log_loss(is_buyer.ravel(), probability.ravel()), abs=1e-5
    )
    names = ("expected_buyers", "actual_buyers", "log_loss", "calibration_error")
    assert {found[name].n for name in names} == {1200}


def test_how_far_probabilities_are_off_is_told_by_pairs_and_by_targets() -> None:
    # Half of the 40 customers buy everything, who had all a probability of 0.2, 0.9 or 0.7.
    probability = np.tile([0.2, 0.9, 0.7], (40, 1))
    is_buyer = np.repeat([[True] * 3, [False] * 3], 20, axis=0)
    found = figures(probability, is_buyer, TWO_LEVELS)
    assert found["calibration_error"].value == pytest.approx((0.3 + 0.4 + 0.2) / 3)
    # 8, 36 and 28 buyers are expected for 20 each: too few do not make up for too many.
    assert found["buyers_off"].value == pytest.approx((12 + 16 + 8) / 60)
    assert found["buyers_off"].n == 3


def test_each_level_has_the_mean_of_its_own_targets() -> None:
    probability, is_buyer = drawn(400, 3, decimals=2)
    found = figures(probability, is_buyer, TWO_LEVELS)
    fruit, apples, meat = reference(probability, is_buyer)
    assert found["average_precision"].value == pytest.approx((fruit + apples + meat) / 3)
    assert found["average_precision.department"].value == pytest.approx((fruit + meat) / 2)
    assert found["average_precision.product"].value == pytest.approx(apples)
    assert (found["average_precision.department"].n, found["average_precision.product"].n) == (2, 1)
    for reach in (50, 70, 90):
        shares = [audience_share(probability[:, at], is_buyer[:, at], reach / 100) for at in (0, 2)]
        mean = found[f"audience_{reach}_percent.department"]
        assert mean.value == pytest.approx(sum(one or 0.0 for one in shares) / 2)
        shares = [reached_share(probability[:, at], is_buyer[:, at], reach / 100) for at in (0, 2)]
        mean = found[f"reached_{reach}_percent.department"]
        assert mean.value == pytest.approx(sum(one or 0.0 for one in shares) / 2)
    for name, measure in (("audience", audience_share), ("reached", reached_share)):
        assert found[f"{name}_50_percent.product"].value == pytest.approx(
            measure(probability[:, 1], is_buyer[:, 1], 0.5)
        )


def test_the_interval_of_precision_holds_it_and_narrows_with_customers() -> None:
    widths = []
    for n in (200, 20_000):
        precision = figures(*drawn(n, 3), TWO_LEVELS)["average_precision"]
        assert precision.value is not None
        assert precision.low is not None and precision.high is not None
        assert precision.low < precision.value < precision.high
        assert precision.n == n
        widths.append(precision.high - precision.low)
    assert widths[1] < widths[0] / 5


def test_a_level_without_targets_has_no_figures() -> None:
    departments = Targets((Target(DEPARTMENT, "FRUIT", 9),))
    found = figures(*drawn(50, 1), departments)
    assert "average_precision.department" in found
    assert not any(name.endswith(".product") for name in found)


def test_where_nobody_bought_rankings_and_audiences_are_unknown() -> None:
    found = figures(np.full((20, 3), 0.25), np.zeros((20, 3), bool), TWO_LEVELS)
    precision = found["average_precision"]
    assert (precision.value, precision.low, precision.high) == (None, None, None)
    for level in (DEPARTMENT, PRODUCT):
        for name in ("average_precision", "audience_70_percent", "reached_70_percent"):
            unknown = found[f"{name}.{level}"]
            assert (unknown.value, unknown.n) == (None, 0)
    assert found["buyers_off"].value is None
    assert found["calibration_error"].value == pytest.approx(0.25)
    assert (found["expected_buyers"].value, found["actual_buyers"].value) == (15, 0)


def test_a_target_that_nobody_bought_is_left_out_of_its_level() -> None:
    probability, is_buyer = drawn(100, 3)
    is_buyer[:, 2] = False
    found = figures(probability, is_buyer, TWO_LEVELS)
    precision = found["average_precision.department"]
    assert precision.value == pytest.approx(reference(probability, is_buyer[:, :1])[0])
    assert precision.n == found["audience_90_percent.department"].n == 1


def ranked(scores: Floats, is_buyer: Flags) -> Precision:
    return precision_of(scores, is_buyer, resamples(len(is_buyer), seed=1))


def test_nothing_is_gained_over_itself() -> None:
    one = ranked(*drawn(200, 2))
    found = gain(one, [one], 200)
    assert (found.name, found.value, found.low, found.high, found.n) == (GAIN, 0, 0, 0, 200)


def test_a_clearly_better_ranking_gains_for_sure_a_worse_one_loses() -> None:
    probability, is_buyer = drawn(2_000, 3)
    right = ranked(probability, is_buyer)
    lots = ranked(np.random.default_rng(1).random((2_000, 3)), is_buyer)
    won, lost = gain(right, [lots], 2_000), gain(lots, [right], 2_000)
    assert won.low is not None and won.high is not None and won.value is not None
    assert 0 < won.low < won.value < won.high
    assert right.mean is not None and lots.mean is not None
    assert won.value == pytest.approx(right.mean - lots.mean)
    assert (lost.value, lost.low, lost.high) == pytest.approx((-won.value, -won.high, -won.low))


def test_differences_are_of_the_same_resamples_so_their_interval_is_the_narrower() -> None:
    probability, is_buyer = drawn(1_000, 3)
    nearly = probability + 0.02 * np.random.default_rng(1).random((1_000, 3))
    one, other = ranked(probability, is_buyer), ranked(nearly, is_buyer)
    paired, alone = gain(one, [other], 1_000), interval_of_draws(one.draws)
    assert paired.low is not None and paired.high is not None and alone is not None
    assert paired.high - paired.low < (alone[1] - alone[0]) / 2


def test_the_gain_is_over_the_best_of_the_rules() -> None:
    probability, is_buyer = drawn(1_000, 2)
    noise = np.random.default_rng(1).random((1_000, 2))
    good, bad = ranked(probability + 0.3 * noise, is_buyer), ranked(noise, is_buyer)
    right = ranked(probability, is_buyer)
    assert good.mean is not None and bad.mean is not None and good.mean > bad.mean
    assert gain(right, [bad, good], 9) == gain(right, [good, bad], 9) == gain(right, [good], 9)


def test_where_nobody_bought_no_gain_is_known() -> None:
    one = ranked(np.full((20, 2), 0.5), np.zeros((20, 2), bool))
    assert gain(one, [one], 20) == Measured(GAIN, None, 20)


def test_resamples_weigh_all_customers_together_as_one_and_are_those_of_the_seed() -> None:
    draws = resamples(40, seed=5, n_resamples=300)
    assert draws.shape == (300, 40)
    assert draws.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-6)
    times = draws * 40
    assert times == pytest.approx(times.round(), abs=1e-5)
    # With putting back: about a share of 1/e is left out of each.
    assert (draws == 0).mean() == pytest.approx((1 - 1 / 40) ** 40, abs=0.02)
    assert np.array_equal(draws, resamples(40, seed=5, n_resamples=300))
    assert not np.array_equal(draws, resamples(40, seed=6, n_resamples=300))


def test_an_interval_is_of_the_draws_that_are_known() -> None:
    known = np.arange(201.0)
    assert interval_of_draws(known) == pytest.approx((5, 195))
    with_unknown = np.concatenate([[np.nan] * 50, known])
    assert interval_of_draws(with_unknown) == pytest.approx((5, 195))
    assert interval_of_draws(np.full(3, np.nan)) is None
