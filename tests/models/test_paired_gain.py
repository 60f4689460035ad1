"""Gains over another model on the same rows: against every pair, resamples and known truths."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from crm_spark.models.binary_metrics import Floats, auc_interval, count_arrays
from crm_spark.models.paired_gain import Flags, Gain, auc_gains, brier_gains

Rows = list[tuple[int, float, float]]
Measure = Callable[..., dict[str, Gain]]

quickly = settings(max_examples=150, derandomize=True, database=None, deadline=None)
# A coarse grid makes many ties.
coarse = st.integers(0, 8).map(lambda n: n / 8)
some_rows = st.lists(st.tuples(st.integers(0, 1), coarse, coarse), min_size=1, max_size=40)

BOTH = pytest.mark.parametrize("measure", [auc_gains, brier_gains])


def columns(rows: Rows) -> tuple[Flags, dict[str, Floats]]:
    label, a, b = zip(*rows, strict=True)
    return np.array(label, bool), {"a": np.array(a), "b": np.array(b)}


def customers(
    random: np.random.Generator, n: int, **noise: float
) -> tuple[Flags, dict[str, Floats]]:
    """Draw outcomes of a common liking, and models that see it with noise of their own."""
    liking = random.normal(0, 1, n)
    label = random.random(n) < 1 / (1 + np.exp(1 - liking))
    seen = {name: liking + random.normal(0, size, n) for name, size in noise.items()}
    return label, {name: 1 / (1 + np.exp(1 - one)) for name, one in seen.items()}


def ends(gain: Gain) -> tuple[float, float]:
    assert gain.low is not None and gain.high is not None
    return gain.low, gain.high


# --- AUC -----------------------------------------------------------------------------------------


def wins(label: Flags, score: Floats) -> Floats:
    """Compare every positive, a row each, with every negative; ties half."""
    positives, negatives = score[label][:, None], score[~label][None, :]
    return (positives > negatives) + (positives == negatives) / 2


@quickly
@given(some_rows)
def test_gain_and_interval_are_those_of_comparing_every_pair(rows: Rows) -> None:
    label, scores = columns(rows)
    found = auc_gains(label, scores, reference="a")["b"]
    more = wins(label, scores["b"]) - wins(label, scores["a"])
    if not more.size:
        assert found == Gain(None)
        return
    assert found.value == pytest.approx(more.mean(), abs=1e-12)
    if min(more.shape) < 2:
        assert (found.low, found.high) == (None, None)
        return
    variance = more.mean(axis=1).var(ddof=1) / len(more)
    variance += more.mean(axis=0).var(ddof=1) / more.shape[1]
    half = 1.96 * math.sqrt(variance)
    assert ends(found) == pytest.approx((more.mean() - half, more.mean() + half), abs=1e-12)


def test_a_gain_worked_out_by_hand() -> None:
    # Of 2 x 2 pairs a ranks 3 right, b 2 and two halves more: .75 and .75, by other positives.
    label = np.array([True, True, False, False])
    scores = {"a": np.array([4.0, 2, 3, 1]), "b": np.array([4.0, 1, 1, 1])}
    # a: positives outrank 2 and 1 of 2, b: 2 and two halves. The same, of each positive; negatives
    # are outranked by 1 and 2 of 2, and by 1.5 each: differences of +.25 and -.25.
    half = 1.96 * math.sqrt(2 * 0.25**2 / 1 / 2)
    found = auc_gains(label, scores, reference="a")["b"]
    assert (found.value, found.low, found.high) == pytest.approx((0, -half, half), abs=1e-12)


def test_intervals_are_those_of_resampled_customers() -> None:
    random = np.random.default_rng(1)
    label, scores = customers(random, 1_500, rule=2.0, model=1.0, other=2.0)
    scores["rule"] = scores["rule"].round(1)  # few distinct values, as rules have
    found = auc_gains(label, scores, reference="rule")
    drawn: dict[str, list[float]] = {"model": [], "other": []}
    for _ in range(1_000):
        rows = random.integers(0, 1_500, 1_500)
        n_positive, n_negative = label[rows].sum(), (~label[rows]).sum()
        auc = {
            name: (rankdata(score[rows])[label[rows]].mean() - (n_positive + 1) / 2) / n_negative
            for name, score in scores.items()
        }
        for name, draws in drawn.items():
            draws.append(auc[name] - auc["rule"])
    for name, draws in drawn.items():
        low, high = ends(found[name])
        assert (high - low) / 3.92 == pytest.approx(np.std(draws), rel=0.07)
        assert (low, high) == pytest.approx(
            np.quantile(draws, [0.025, 0.975]), abs=0.07 * (high - low)
        )


def test_what_scores_have_in_common_narrows_the_interval() -> None:
    label, scores = customers(np.random.default_rng(2), 2_000, a=0.3, b=0.3)
    low, high = ends(auc_gains(label, scores, reference="a")["b"])
    apart = [auc_interval(count_arrays(score, label)) or (0.0, 0.0) for score in scores.values()]
    assert high - low < 0.6 * math.hypot(*(one[1] - one[0] for one in apart))


def test_a_model_that_ranks_as_the_reference_gains_exactly_nothing() -> None:
    label, scores = customers(np.random.default_rng(3), 300, a=1.0)
    scores |= {"bent": np.log(scores["a"]) * 7 - 3, "same": scores["a"].copy()}
    found = auc_gains(label, scores, reference="a")
    assert found == dict.fromkeys(scores, Gain(0.0, 0.0, 0.0))


def test_a_perfect_ranking_gains_one_half_over_none() -> None:
    label = np.arange(40) < 15
    scores = {"none": np.zeros(40), "perfect": label.astype(float)}
    gain = auc_gains(label, scores, reference="none")["perfect"]
    assert (gain.value, gain.low, gain.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("n_positive", [0, 5])
def test_one_class_only_has_no_gain_in_auc(n_positive: int) -> None:
    label = np.arange(5) < n_positive
    found = auc_gains(label, {"a": np.arange(5.0), "b": np.arange(5.0)}, reference="a")
    assert found == {"a": Gain(None), "b": Gain(None)}


def test_one_positive_has_a_gain_without_interval() -> None:
    label = np.array([True, False, False])
    scores = {"a": np.array([1.0, 2, 0]), "b": np.array([3.0, 2, 0])}
    assert auc_gains(label, scores, reference="a")["b"] == Gain(0.5)


# --- Brier score ---------------------------------------------------------------------------------


def test_a_gain_in_brier_score_worked_out_by_hand() -> None:
    label = np.array([True, False])
    scores = {"a": np.array([0.5, 0.5]), "b": np.array([0.9, 0.4])}
    # Squares of .25 and .25, and of .01 and .16: lower by .24 and .09.
    half = 1.96 * math.sqrt(2 * 0.075**2 / 1 / 2)
    found = brier_gains(label, scores, reference="a")["b"]
    expected = (0.165, 0.165 - half, 0.165 + half)
    assert (found.value, found.low, found.high) == pytest.approx(expected)


def test_intervals_of_the_brier_score_are_those_of_resampled_customers() -> None:
    random = np.random.default_rng(4)
    label, scores = customers(random, 1_500, a=2.0, b=1.0)
    gain = brier_gains(label, scores, reference="a")["b"]
    squares = {name: (score - label) ** 2 for name, score in scores.items()}
    draws = []
    for _ in range(1_000):
        rows = random.integers(0, 1_500, 1_500)
        draws.append(squares["a"][rows].mean() - squares["b"][rows].mean())
    low, high = ends(gain)
    assert gain.value == pytest.approx(squares["a"].mean() - squares["b"].mean())
    assert (low, high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.07 * (high - low))


def test_the_same_probabilities_gain_exactly_nothing_in_brier_score() -> None:
    label, scores = customers(np.random.default_rng(5), 300, a=1.0)
    found = brier_gains(label, scores | {"same": scores["a"].copy()}, reference="a")
    assert found == dict.fromkeys(("a", "same"), Gain(0.0, 0.0, 0.0))


def test_one_row_has_a_gain_in_brier_score_without_interval() -> None:
    scores = {"a": np.array([0.5]), "b": np.array([1.0])}
    assert brier_gains(np.array([True]), scores, reference="a")["b"] == Gain(0.25)


# --- both ----------------------------------------------------------------------------------------


@BOTH
def test_intervals_of_models_as_good_as_each_other_hold_0_nineteen_times_in_twenty(
    measure: Measure,
) -> None:
    random = np.random.default_rng(6)
    holding = []
    for _ in range(600):
        label, scores = customers(random, 300, a=1.0, b=1.0)
        low, high = ends(measure(label, scores, reference="a")["b"])
        holding.append(low <= 0 <= high)
    # Give or take three standard deviations of 600 throws.
    assert abs(np.mean(holding) - 0.95) < 0.027


@BOTH
def test_a_better_model_gains_for_sure(measure: Measure) -> None:
    label, scores = customers(np.random.default_rng(7), 2_000, a=3.0, b=0.5)
    assert ends(measure(label, scores, reference="a")["b"])[0] > 0
    assert ends(measure(label, scores, reference="b")["a"])[1] < 0


def test_where_outcomes_are_shuffled_a_better_model_gains_nothing_for_sure() -> None:
    random = np.random.default_rng(8)
    label, scores = customers(random, 400, a=3.0, b=0.5)
    holding = []
    for _ in range(600):
        low, high = ends(auc_gains(random.permutation(label), scores, reference="a")["b"])
        holding.append(low <= 0 <= high)
    assert abs(np.mean(holding) - 0.95) < 0.027


@BOTH
def test_the_order_of_customers_changes_nothing(measure: Measure) -> None:
    label, scores = customers(np.random.default_rng(9), 200, a=1.0, b=1.0)
    turned = {name: score[::-1] for name, score in scores.items()}
    found = measure(label, scores, reference="a")["b"]
    again = measure(label[::-1], turned, reference="a")["b"]
    assert (again.value, *ends(again)) == pytest.approx((found.value, *ends(found)), abs=1e-12)


@BOTH
def test_nobody_has_no_gain(measure: Measure) -> None:
    scores = {"a": np.array([]), "b": np.array([])}
    assert measure(np.array([], bool), scores, reference="a") == dict.fromkeys(scores, Gain(None))


@BOTH
def test_one_error_lists_every_fault(measure: Measure) -> None:
    scores = {"a": np.array([0.1, math.nan]), "b": np.array([0.2])}
    with pytest.raises(ValueError) as error:
        measure(np.array([0, 1]), scores, reference="c")
    assert str(error.value) == (
        "labels are int64, not true or false; a has unknown scores; "
        "b has shape (1,), labels have (2,); c is not among a, b"
    )
