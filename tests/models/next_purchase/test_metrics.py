"""Figures of next purchase: worked out pair by pair, day by day, and by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from itertools import product

import numpy as np
import pytest
from models.next_purchase.packed import customers_of

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.next_purchase.curves import day_reached
from crm_spark.models.next_purchase.metrics import (
    AUC,
    COVERAGE,
    CRPS,
    DAYS_OFF,
    EXPECTED_COVERAGE,
    GAIN,
    LOG_LOSS,
    Flags,
    chance_metrics,
    day_metrics,
    due_after,
    due_shares,
    due_within,
    gain,
    last_plus_gap,
    losses,
    of_further_horizon,
    of_horizon,
)
from crm_spark.models.next_purchase.model import HIGH, LOW, ExpectedDays
from crm_spark.models.resampling import resamples
from crm_spark.models.results import Measured

INF = math.inf


def drawn(n: int, *, decimals: int = 6) -> tuple[Floats, Flags]:
    """Draw probabilities, rounded, and who ordered by them."""
    random = np.random.default_rng(n + decimals)
    probability = np.clip(random.beta(1, 3, n), 0.001, 0.999).round(decimals)
    return probability, random.random(n) < probability


def chances(probability: Floats, has_ordered: Flags) -> dict[str, Measured]:
    found = chance_metrics(probability, has_ordered)
    by_name = {one.name: one for one in found}
    assert len(by_name) == len(found)
    assert {one.n for one in found} == {len(probability)}
    return by_name


def wins(one: float, other: float) -> float:
    return 1.0 if one > other else 0.5 if one == other else 0.0


@pytest.mark.parametrize("decimals", [6, 1])
def test_auc_is_the_share_of_pairs_in_the_right_order(decimals: int) -> None:
    probability, has_ordered = drawn(120, decimals=decimals)
    came, stayed = probability[has_ordered], probability[~has_ordered]
    table = np.array([[wins(one, other) for other in stayed] for one in came])
    found = chances(probability, has_ordered)[AUC]
    assert found.value == pytest.approx(table.mean(), abs=1e-12)
    # DeLong: the variance of the means of rows and of columns.
    variance = table.mean(axis=1).var(ddof=1) / len(came)
    variance += table.mean(axis=0).var(ddof=1) / len(stayed)
    ends = [table.mean() - 1.96 * variance**0.5, table.mean() + 1.96 * variance**0.5]
    assert [found.low, found.high] == pytest.approx(ends, abs=1e-12)


def test_log_loss_and_brier_are_means_over_customers() -> None:
    probability, has_ordered = drawn(300)
    found = chances(probability, has_ordered)
    both = list(zip(probability.tolist(), has_ordered.tolist(), strict=True))
    assert found[LOG_LOSS].value == pytest.approx(
        -sum(math.log(p if came else 1 - p) for p, came in both) / 300
    )
    assert found["brier"].value == pytest.approx(sum((p - came) ** 2 for p, came in both) / 300)


def test_chances_are_off_by_the_mean_of_ten_groups() -> None:
    probability, has_ordered = drawn(200)
    order = np.argsort(-probability)
    off = [
        abs(float(probability[part].mean()) - float(has_ordered[part].mean()))
        for part in np.split(order, 10)
    ]
    found = chances(probability, has_ordered)["calibration_error"]
    assert found.value == pytest.approx(sum(off) / 10)


def test_expected_and_actual_customers_are_sums() -> None:
    found = chances(np.array([0.25, 0.5, 0.75, 0.25]), np.array([True, False, True, False]))
    assert (found["expected_customers"].value, found["actual_customers"].value) == (1.75, 2)


@pytest.mark.parametrize("came", [False, True])
def test_where_all_or_none_ordered_no_order_of_customers_is_known(came: bool) -> None:
    found = chances(np.array([0.25, 0.25, 0.5]), np.full(3, came))
    assert (found[AUC].value, found[AUC].low, found[AUC].high) == (None, None, None)
    expected = [0.25, 0.25, 0.5] if came else [0.75, 0.75, 0.5]
    assert found[LOG_LOSS].value == pytest.approx(-sum(map(math.log, expected)) / 3)


def test_losses_have_the_log_loss_as_their_mean_and_are_never_infinite() -> None:
    probability, has_ordered = drawn(300)
    found = losses(probability, has_ordered)
    assert found.mean() == pytest.approx(chances(probability, has_ordered)[LOG_LOSS].value)
    edge = losses(np.array([0.0, 1.0, 1.0]), np.array([True, False, True]))
    assert edge == pytest.approx([-math.log(1e-6), -math.log(1e-6), 1e-6], rel=1e-3)


def test_a_clearly_better_challenger_gains_for_sure_a_worse_one_loses() -> None:
    probability, has_ordered = drawn(2_000)
    draws = resamples(2_000, seed=1)
    right = losses(probability, has_ordered)
    plain = losses(np.full(2_000, has_ordered.mean()), has_ordered)
    won, lost = gain(right, [plain], draws), gain(plain, [right], draws)
    assert (won.name, won.n) == (GAIN, 2_000)
    # Lower is better, so that a gain is what the rule's loss is above the challenger's.
    assert won.value == pytest.approx(plain.mean() - right.mean())
    assert won.value is not None and won.low is not None and won.high is not None
    assert 0 < won.low < won.value < won.high
    assert (lost.value, lost.low, lost.high) == pytest.approx((-won.value, -won.high, -won.low))
    # The mean of independent differences, with 95 % in 1.96 standard errors on either side.
    error = (plain - right).std() / 2_000**0.5
    assert won.high - won.low == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_nothing_is_gained_over_itself() -> None:
    one = losses(*drawn(200))
    found = gain(one, [one], resamples(200, seed=1))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_gain_is_over_the_best_of_the_rules() -> None:
    right, draws = losses(*drawn(400)), resamples(400, seed=1)
    good, bad = right + 0.1, right + 0.5
    for rules in ([good, bad], [bad, good], [good]):
        assert gain(right, rules, draws).value == pytest.approx(0.1)


STEPS = (1, 7, 28)


def figures(
    chances: Floats, days: ExpectedDays, days_to_order: Floats, steps: tuple[int, ...] = STEPS
) -> dict[str, float | None]:
    found = day_metrics(chances, steps, days, days_to_order)
    assert {one.n for one in found} == {len(days_to_order)}
    return {one.name: one.value for one in found}


def same(*days: float) -> ExpectedDays:
    """Give days that are told without any doubt."""
    return ExpectedDays(*[np.array(days, float)] * 3)


def test_a_perfect_forecast_is_off_by_nothing() -> None:
    # Who surely orders in a step, and not before it, does so on its first day.
    came = np.array([1.0, 2, 8, 40, INF])
    chances = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]], float)
    found = figures(chances, same(1, 2, 8, INF, INF), came)
    assert found == {CRPS: 0, DAYS_OFF: 0, COVERAGE: 1, EXPECTED_COVERAGE: 1}


def by_day(said: Sequence[float], steps: Sequence[int]) -> list[float]:
    """Give the chance by each day, from how much of the rest is left after each."""
    found, begins, before = [], 0, 1.0
    for ends, chance in zip(steps, said, strict=True):
        left = (1 - chance) / before
        found += [
            1 - before * left ** (one / (ends - begins)) for one in range(1, ends - begins + 1)
        ]
        begins, before = ends, 1 - chance
    return found


def test_the_score_is_the_squared_distance_of_the_chances_day_by_day() -> None:
    # Steps of 1, 6 and 21 days. One came on day 5, the other never.
    said = [[0.1, 0.4, 0.8], [0.2, 0.3, 0.5]]
    one = sum((p - (day >= 5)) ** 2 for day, p in enumerate(by_day(said[0], STEPS), start=1))
    other = sum(p**2 for p in by_day(said[1], STEPS))
    found = figures(np.array(said), same(INF, INF), np.array([5.0, INF]))
    assert found[CRPS] == pytest.approx((one + other) / 2)


def test_within_a_step_too_the_score_is_0_only_for_the_right_day() -> None:
    steps, chances = (60, 90), np.array([[0.0, 1.0]])
    for came in (61.0, 62.0, 75.0, 89.0, 90.0):
        # Day 61 for sure.
        assert figures(chances, same(61), np.array([came]), steps)[CRPS] == came - 61
    assert figures(chances, same(61), np.array([30.0]), steps)[CRPS] == 31


def test_a_day_of_a_step_is_told_from_another_day_of_it() -> None:
    # Nearly all order soon after day 60, so that who does so on day 89 costs more.
    chances = np.array([[0.0, 0.999999]])
    soon, late = (
        figures(chances, same(61), np.array([came]), (60, 90))[CRPS] for came in (62.0, 89.0)
    )
    assert soon is not None and late is not None
    assert 0 < soon < late


def test_a_forecast_for_sure_that_is_wrong_scores_the_days_it_is_off() -> None:
    # With a step a day the score of a single day is the distance.
    steps = tuple(range(1, 31))
    days = np.array(steps)
    for said, came in product((3, 10, 25), (2.0, 10.0, 30.0)):
        chances = (days >= said).astype(float)[None, :]
        assert figures(chances, same(said), np.array([came]), steps)[CRPS] == abs(said - came)


def test_true_chances_score_better_than_others() -> None:
    random = np.random.default_rng(3)
    steps = tuple(range(1, 91))
    rates = np.repeat([0.01, 0.05, 0.2], 2_000)
    came = random.geometric(rates).astype(float)

    def score(said: Floats) -> float:
        chances = 1 - (1 - said[:, None]) ** np.array(steps)[None, :]
        found = figures(chances, same(*np.ones(len(said))), came, steps)[CRPS]
        assert found is not None
        return found

    right = score(rates)
    others = [
        score(np.full(6_000, 0.05)),
        score(rates * 1.5),
        score(rates / 1.5),
        score(rates[::-1]),
    ]
    assert all(right < other for other in others)


def test_days_off_take_later_ones_for_the_last() -> None:
    median = np.array([3.0, 20, INF, INF, 10])
    came = np.array([5.0, 14, 20, 400, INF])
    days = ExpectedDays(np.ones(5), median, np.full(5, INF))
    # 2, 6, 28 - 20, 28 - 28, 28 - 10.
    found = figures(np.full((5, 3), 0.5), days, came)
    assert found[DAYS_OFF] == (2 + 6 + 8 + 0 + 18) / 5


def test_coverage_is_the_share_of_days_within_both_ends() -> None:
    low = np.array([2.0, 2, 2, 2, 2, 20, INF, INF])
    high = np.array([9.0, 9, 9, 9, 9, INF, INF, INF])
    came = np.array([1.0, 2, 5, 9, 10, INF, INF, 28])
    days = ExpectedDays(low, (low + high) / 2, high)
    # The first comes too early, the fifth too late; the last within what was said to pass.
    found = figures(np.full((8, 3), 0.5), days, came)
    assert found[COVERAGE] == 5 / 8


def test_whoever_comes_after_the_last_step_is_later_whenever_it_is() -> None:
    days = ExpectedDays(*[np.array([one, one]) for one in (3.0, 9.0, INF)])
    at_once = figures(np.full((2, 3), 0.5), days, np.array([29.0, 300]))
    never = figures(np.full((2, 3), 0.5), days, np.array([INF, INF]))
    assert at_once == never
    assert never[COVERAGE] == 1
    closed = ExpectedDays(*[np.array([one, one]) for one in (3.0, 9.0, 28.0)])
    assert figures(np.full((2, 3), 0.5), closed, np.array([29.0, INF]))[COVERAGE] == 0


def test_the_chance_given_for_an_interval_is_worked_out_by_hand() -> None:
    # A tenth of the rest on each day of 28.
    chances = 1 - 0.9 ** np.array([STEPS] * 7, float)
    low = np.array([1.0, 2, 3, 8, 1, 29, INF])
    high = np.array([1.0, 9, 28, INF, INF, INF, INF])
    expected = [
        0.1,  # the first day
        0.9 - 0.9**9,  # after day 1, up to day 9
        0.9**2 - 0.9**28,
        0.9**7,  # open: all who come after day 7, and who never do
        1,
        0.9**28,  # all who come after the last
        0.9**28,
    ]
    for row, one in enumerate(expected):
        part = ExpectedDays(*[each[[row]] for each in (low, low, high)])
        found = figures(chances[[row]], part, np.array([3.0]))
        assert found[EXPECTED_COVERAGE] == pytest.approx(one)
    found = figures(chances, ExpectedDays(low, low, high), np.full(7, 3.0))
    assert found[EXPECTED_COVERAGE] == pytest.approx(sum(expected) / 7)


SHARES = (LOW, 0.5, HIGH)
COARSE = (2, 7, 14, 28, 60)


def said_and_came(factor: float, *, n: int = 40_000) -> dict[str, float | None]:
    """Give figures of what is said of customers whose days are drawn by hazards so many times."""
    random = np.random.default_rng(7)
    widths = np.diff([0, *COARSE])
    # Rates a day of a customer by steps, that vary.
    daily = np.repeat(random.gamma(1.5, 0.03, (n, len(COARSE))), widths, axis=1)
    said = (1 - np.exp(-np.cumsum(daily, axis=1)))[:, np.array(COARSE) - 1]
    ordered = random.random(daily.shape) < 1 - np.exp(-factor * daily)
    came = np.where(ordered.any(axis=1), ordered.argmax(axis=1) + 1.0, INF)
    days = ExpectedDays(*[day_reached(said, COARSE, one) for one in SHARES])
    return figures(said, days, came, COARSE)


def test_a_right_model_covers_what_it_says() -> None:
    found = said_and_came(1)
    covers, says = found[COVERAGE], found[EXPECTED_COVERAGE]
    assert covers is not None and says is not None
    # Whole days hold more than 80 %. Four standard errors of a share of 40,000.
    assert says > HIGH - LOW
    assert covers == pytest.approx(says, abs=4 * math.sqrt(says * (1 - says) / 40_000))


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_model_that_is_wrong_covers_less_than_it_says(factor: float) -> None:
    found = said_and_came(factor)
    covers, says = found[COVERAGE], found[EXPECTED_COVERAGE]
    assert covers is not None and says is not None
    # What is said follows from the model alone, whatever comes.
    assert says == said_and_came(1)[EXPECTED_COVERAGE]
    # Twice what the right one may be off by.
    assert abs(covers - says) > 8 * math.sqrt(says * (1 - says) / 40_000)


def test_a_right_model_scores_better_than_hazards_that_are_half_or_double() -> None:
    # Days are drawn alike, so that the lower score is of who said what they were drawn by.
    random = np.random.default_rng(8)
    rates = random.gamma(2.0, 0.02, 20_000)
    came = random.geometric(1 - np.exp(-rates)).astype(float)

    def score(said: Floats) -> float:
        chances = 1 - np.exp(-said[:, None] * np.array(COARSE))
        found = figures(chances, same(*np.ones(len(said))), came, COARSE)[CRPS]
        assert found is not None
        return found

    assert score(rates) < min(score(rates / 2), score(rates * 2))


def test_the_last_order_plus_the_gap_is_worked_out_by_hand() -> None:
    customers = customers_of(
        [25, 5],  # a gap of 20, of which the 15 days until 15 from now on are left
        [60, 50],  # a gap of 10 that has passed long ago: at once
        [11, 0],  # 11 days, and day 11 is the one
        [9],  # no gap: later than the last
        [300, 1],  # in 298 days: later than the last
    )
    came = np.array([12.0, 4, 11, 20, INF])
    # Off by 15 - 12, 4 - 1, 0, 28 - 20, 0.
    found = last_plus_gap(customers, came, 28)
    assert (found.value, found.n) == ((3 + 3 + 0 + 8 + 0) / 5, 5)


def test_shares_of_who_was_due_are_worked_out_by_hand() -> None:
    median = np.array([3.0, 7, 7, 8, 28, 29, INF, INF])
    came = np.array([2.0, 7, 8, 20, 29, 5, 28, INF])
    days = ExpectedDays(np.ones(8), median, np.full(8, INF))
    # The horizons may stand in any order: 28 chooses, 7 is shorter.
    found = due_shares(days, came, (28, 7))
    assert found == [
        Measured(due_within(7), 2 / 3, 3),  # by day 7; the third came on the day after
        Measured(due_within(28), 1 / 2, 2),
        # After day 28, or never: the first came on day 5, the second on day 28 itself.
        Measured(due_after(28), 1 / 3, 3),
    ]


def test_whoever_is_due_in_no_horizon_of_a_kind_has_no_share() -> None:
    found = due_shares(same(3, 4), np.array([1.0, INF]), (7, 28))
    assert found == [
        Measured("due_within_7_days", 0.5, 2),
        Measured("due_within_28_days", None, 0),
        Measured("due_after_28_days", None, 0),
    ]


def test_of_those_due_later_those_count_who_had_not_ordered_by_then() -> None:
    # Due on day 29 or never told: right is whoever comes after day 28, on whatever day.
    came = np.array([28.0, 29, 400, INF])
    for median in (29.0, INF):
        *_, later = due_shares(same(*[median] * 4), came, (7, 28))
        assert later == Measured("due_after_28_days", 3 / 4, 4)
    # Due later is later than the longest of those given.
    *_, later = due_shares(same(20, 20), np.array([7.0, 8]), (7, 3))
    assert later == Measured("due_after_7_days", 1 / 2, 2)


def test_figures_of_a_further_horizon_are_told_with_it_and_their_cut_off() -> None:
    day = date(2024, 6, 3)
    figure = Measured(AUC, 0.7, 40, 0.6, 0.8)
    assert of_horizon(AUC, 90) == "auc.90d"
    found = of_further_horizon(day, 90, [figure])
    assert found == [Measured("auc.90d", 0.7, 40, 0.6, 0.8, day)]
