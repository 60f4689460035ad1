"""Which map calibrates: isotonic where Platt's is surely further off, and never of few."""

from __future__ import annotations

import numpy as np
import pytest

from crm_spark.models import calibration_choice
from crm_spark.models.binary_metrics import (
    Floats,
    ScoreCounts,
    count_arrays,
    expected_calibration_error,
)
from crm_spark.models.calibration import PlattCalibration, fit_platt, logits
from crm_spark.models.calibration_choice import (
    FEWEST_CUSTOMERS,
    FEWEST_OF_A_CLASS,
    fit_calibration,
    isotonic_gain,
)
from crm_spark.models.isotonic import IsotonicCalibration, fit_isotonic


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def s_shaped(raw: Floats) -> Floats:
    """Give chances with a floor and a ceiling, which no logistic map of the logit has."""
    return 0.05 + 0.5 * sigmoid(14 * (raw - 0.4))


def logistic(raw: Floats) -> Floats:
    return sigmoid(0.7 * logits(raw) - 0.5)


def drawn(n: int, seed: int, *, is_s_shaped: bool = True) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    raw = random.beta(2, 5, n).round(6)
    chance = s_shaped(raw) if is_s_shaped else logistic(raw)
    return raw, (random.random(n) < chance).astype(float)


def counts_of(n: int, seed: int = 3, *, is_s_shaped: bool = True) -> ScoreCounts:
    raw, label = drawn(n, seed, is_s_shaped=is_s_shaped)
    return count_arrays(raw, label == 1)


def test_a_shape_that_platt_cannot_have_is_found_and_holds_on_other_customers() -> None:
    counts = counts_of(40_000)
    found, platt = fit_calibration(counts), fit_platt(counts)
    assert isinstance(found, IsotonicCalibration)
    raw, label = drawn(40_000, seed=4)
    error = {
        one.form: expected_calibration_error(count_arrays(one.probabilities(raw), label == 1))
        for one in (found, platt)
    }
    assert error["isotonic"] < 0.01 < 0.02 < error["platt"]


@pytest.mark.parametrize("seed", range(5))
def test_where_platt_is_right_the_simpler_map_stays(seed: int) -> None:
    counts = counts_of(40_000, seed, is_s_shaped=False)
    assert fit_calibration(counts) == fit_platt(counts)
    # Not by the skin of its teeth: knots cost what chance puts into them.
    gain, error = isotonic_gain(counts)
    assert gain < 0 < error


def test_few_customers_are_calibrated_by_platt_whatever_the_shape() -> None:
    counts = counts_of(FEWEST_CUSTOMERS - 1)
    assert fit_calibration(counts) == fit_platt(counts)
    assert isinstance(fit_calibration(counts_of(FEWEST_CUSTOMERS)), IsotonicCalibration)


@pytest.mark.parametrize("is_turned", [False, True])
def test_few_of_one_outcome_are_calibrated_by_platt(is_turned: bool) -> None:
    """All of the rarer outcome are at the higher scores, in a step: isotonic would gain."""
    raw = np.linspace(0.05, 0.95, 40_000)
    for n_rarer, expected in ((FEWEST_OF_A_CLASS - 1, "platt"), (FEWEST_OF_A_CLASS, "isotonic")):
        label = np.zeros(40_000)
        label[20_000 :: 20_000 // n_rarer] = 1
        label[np.flatnonzero(label)[n_rarer:]] = 0
        if is_turned:
            counts = count_arrays((1 - raw).round(6), label == 0)
        else:
            counts = count_arrays(raw, label == 1)
        assert fit_calibration(counts).form == expected


@pytest.mark.parametrize(("gain", "expected"), [(0.9e-4, "platt"), (1.1e-4, "isotonic")])
def test_a_gain_below_its_standard_error_keeps_the_simpler_map(
    monkeypatch: pytest.MonkeyPatch, gain: float, expected: str
) -> None:
    monkeypatch.setattr(calibration_choice, "isotonic_gain", lambda _: (gain, 1e-4))
    assert fit_calibration(counts_of(20_000)).form == expected


def test_the_gain_is_that_of_a_walk_over_the_customers() -> None:
    """Of 40 scores with 1,000 customers each: folds are drawn again, and customers looked at."""
    p = np.linspace(0.9, 0.1, 40)
    hits = np.random.default_rng(1).binomial(1_000, s_shaped(p)).astype(float)
    counts = ScoreCounts(p, np.full(40, 1_000.0), hits)
    random = np.random.default_rng(7)
    folds = [
        random.multinomial(of_class.astype(int), [0.2] * 5) for of_class in (hits, 1_000 - hits)
    ]
    gains = []
    for fold in range(5):
        positive, negative = (of_class[:, fold].astype(float) for of_class in folds)
        rest = ScoreCounts(p, counts.n - positive - negative, hits - positive)
        platt = fit_platt(rest).probabilities(p)
        isotonic = fit_isotonic(rest, fit_platt(rest)).probabilities(p)
        gains += np.repeat(np.log(isotonic / platt), positive.astype(int)).tolist()
        gains += np.repeat(np.log((1 - isotonic) / (1 - platt)), negative.astype(int)).tolist()
    assert len(gains) == 40_000
    expected = np.mean(gains), np.std(gains) / 200
    assert isotonic_gain(counts) == pytest.approx(expected, rel=1e-9)


def test_the_same_counts_have_the_same_folds_and_map() -> None:
    counts = counts_of(20_000)
    assert isotonic_gain(counts) == isotonic_gain(counts)
    assert fit_calibration(counts) == fit_calibration(counts)


def test_chance_within_a_group_is_no_shape() -> None:
    """Folds part customers by chance: what one fold has by chance the others have not.

    With all customers of a score in one fold, or neighbours dealt out in turn, a map of many knots
    would seem to gain.
    """
    gains = [isotonic_gain(counts_of(20_000, seed, is_s_shaped=False)) for seed in range(20)]
    assert np.mean([gain > error for gain, error in gains]) <= 0.05


def test_all_customers_at_one_score_are_calibrated_by_platt() -> None:
    counts = ScoreCounts(np.array([0.3]), np.array([50_000.0]), np.array([10_000.0]))
    found = fit_calibration(counts)
    assert isinstance(found, PlattCalibration)
    assert found.probabilities(np.array([0.3])) == pytest.approx([0.2], abs=1e-4)
