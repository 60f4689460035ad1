"""The calibration gate: what chance alone comes to, and which errors pass."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from crm_spark.models import calibration_gate
from crm_spark.models.binary_metrics import (
    Floats,
    ScoreCounts,
    count_arrays,
    expected_calibration_error,
    from_arrays,
)
from crm_spark.models.calibration_gate import CalibrationGate, gate, perfect_calibration_error


def evenly(probability: Floats, n: int, shift: float = 0.0) -> ScoreCounts:
    """Give n rows at each probability, with the outcome for as many as it says, less a shift."""
    size = np.full(len(probability), float(n))
    return from_arrays(probability, size, np.round(size * (probability - shift)))


def mean_deviation(n: int, p: float) -> float:
    """Give the mean distance of a binomial share from p. De Moivre (1730)."""
    m = math.floor(n * p) + 1
    return 2 * m * math.comb(n, m) * p**m * (1 - p) ** (n - m + 1) / n


# --- what chance comes to ------------------------------------------------------------------------


def test_one_row_at_one_half_is_always_one_half_off() -> None:
    counts = from_arrays(np.array([0.5]), np.array([1.0]), np.array([0.0]))
    assert perfect_calibration_error(counts, seed=1) == (0.5, 0.5)


def test_certainties_are_never_off() -> None:
    counts = from_arrays(np.array([1.0, 0.0]), np.array([7.0, 9.0]), np.array([7.0, 0.0]))
    assert perfect_calibration_error(counts, seed=1) == (0, 0)


def test_one_probability_is_off_as_binomial_shares_are() -> None:
    counts = from_arrays(np.array([0.3]), np.array([400.0]), np.array([120.0]))
    mean, point = perfect_calibration_error(counts, seed=1, n_draws=4000)
    assert mean == pytest.approx(mean_deviation(400, 0.3), rel=0.05)
    deviation = math.sqrt(0.3 * 0.7 / 400)
    # Shares of 400 rows are multiples of .0025.
    assert point == pytest.approx(NormalDist().inv_cdf(0.975) * deviation, abs=0.0025)
    _, median = perfect_calibration_error(counts, seed=1, n_draws=4000, share=0.5)
    assert median == pytest.approx(NormalDist().inv_cdf(0.75) * deviation, abs=0.0025)


def test_ten_probabilities_are_off_by_their_mean_whatever_came() -> None:
    probability = np.arange(1, 11) / 11
    expected = np.mean([mean_deviation(150, p) for p in probability])
    for shift in (0.0, 0.05):
        counts = evenly(probability, 150, shift)
        mean, _ = perfect_calibration_error(counts, seed=2, n_draws=2000)
        assert mean == pytest.approx(expected, rel=0.03)


def test_right_probabilities_stay_below_the_point_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(3)
    probability = random.beta(2, 3, 500)
    _, point = perfect_calibration_error(
        count_arrays(probability, probability > 0.5), seed=4, n_draws=1000
    )
    below = [
        expected_calibration_error(count_arrays(probability, random.random(500) < probability))
        <= point
        for _ in range(600)
    ]
    # Give or take three standard deviations of 600 throws.
    assert abs(np.mean(below) - 0.95) < 0.027


def test_very_many_probabilities_drawn_with_their_neighbours_come_to_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(5)
    # So rare an outcome that no fixed number of decimals would keep probabilities apart.
    probability = random.beta(0.5, 500, 30_000)
    counts = from_arrays(probability, np.full(30_000, 2.0), np.zeros(30_000))
    exact = perfect_calibration_error(counts, seed=1, n_draws=300)
    monkeypatch.setattr(calibration_gate, "_MOST_DISTINCT", 1_000)
    assert perfect_calibration_error(counts, seed=1, n_draws=300) == pytest.approx(exact, rel=0.1)
    few = calibration_gate._few_distinct(counts)
    assert few.n.tolist() == [60] * 1_000
    assert (few.n * few.probability).sum() == pytest.approx((2 * probability).sum())
    assert (np.diff(few.probability) < 0).all()


def test_draws_are_the_same_for_a_seed_and_others_for_another() -> None:
    counts = evenly(np.arange(1, 11) / 11, 50)
    assert perfect_calibration_error(counts, seed=1) == perfect_calibration_error(counts, seed=1)
    assert perfect_calibration_error(counts, seed=1) != perfect_calibration_error(counts, seed=2)


def test_nobody_has_no_calibration_error() -> None:
    nobody = from_arrays(np.array([]), np.array([]), np.array([]))
    with pytest.raises(ValueError, match="found none"):
        gate(nobody, seed=1)


@pytest.mark.parametrize("probability", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    counts = from_arrays(np.array([probability]), np.array([1.0]), np.array([0.0]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        gate(counts, seed=1)


# --- the gate ------------------------------------------------------------------------------------


def test_few_customers_may_be_as_far_off_as_chance_is() -> None:
    counts = evenly(np.arange(1, 11) / 11, 30)
    found = gate(counts, seed=1)
    mean, point = perfect_calibration_error(counts, seed=1)
    assert point > 0.02
    assert (found.expected_by_chance, found.limit, found.n) == (mean, point, 300)
    assert found.error == expected_calibration_error(counts)
    assert found.passes


def test_the_limit_of_twenty_thousand_customers_is_two_points_where_chance_is_largest() -> None:
    # Shares scatter most at one half, and most of all in ten bins of equal size.
    found = gate(evenly(0.5 + np.arange(10) / 10**6, 2_000), seed=1)
    assert (found.limit, found.n) == (0.02, 20_000)
    assert 0.008 < found.expected_by_chance < 0.01


@pytest.mark.parametrize(("shift", "passes"), [(0.0, True), (0.015, True), (0.025, False)])
def test_many_customers_may_be_two_points_off(shift: float, passes: bool) -> None:
    found = gate(evenly(np.arange(1, 10) / 10, 4_000, shift), seed=1)
    assert found.error == pytest.approx(shift, abs=1e-9)
    assert found.passes is passes


def test_few_customers_who_are_off_by_more_than_chance_do_not_pass() -> None:
    found = gate(evenly(np.arange(3, 10) / 10, 50, 0.2), seed=1)
    assert found.error == pytest.approx(0.2)
    assert not found.passes


def test_an_error_on_the_limit_passes() -> None:
    assert CalibrationGate(error=0.02, expected_by_chance=0.01, limit=0.02, n=9).passes


def test_why_says_error_customers_limit_and_chance() -> None:
    assert CalibrationGate(0.0312, 0.0123, 0.0254, 2_400).why == (
        "calibration error 0.0312 for 2,400 customers, above the limit of 0.0254; exactly right "
        "probabilities would show 0.0123 by chance"
    )
    assert "for 1 customer, within the limit" in CalibrationGate(0.1, 0.1, 0.2, 1).why


def test_where_few_leave_two_points_are_not_let_pass() -> None:
    # 100,000 customers of whom 3.2 % leave, and half as many are expected to.
    random = np.random.default_rng(3)
    truth = random.beta(1, 30, 100_000)
    has_left = random.random(100_000) < truth
    short = gate(count_arrays(0.45 * truth, has_left), seed=1)
    right = gate(count_arrays(truth, has_left), seed=1)
    assert short.error < 0.02 and not short.passes
    assert right.passes
