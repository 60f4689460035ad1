"""Quality of probabilities: against scikit-learn, plain oracles and definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, permutations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from sklearn import metrics as sk

from crm_spark.models.binary_metrics import (
    ScoreCounts,
    all_metrics,
    at_threshold,
    auc_interval,
    average_precision,
    best_f1_threshold,
    brier,
    calibration_bins,
    count_scores,
    expected_calibration_error,
    from_arrays,
    lift,
    log_loss,
    mean_precision,
    placements,
    roc_auc,
)

Rows = list[tuple[float, int]]

quickly = settings(max_examples=150, derandomize=True, database=None, deadline=None)
# A coarse grid makes many ties, a fine one few.
probabilities = st.one_of(
    st.integers(1, 9).map(lambda n: n / 10), st.integers(1, 999_999).map(lambda n: n / 10**6)
)
some_rows = st.lists(st.tuples(probabilities, st.integers(0, 1)), min_size=1, max_size=60)


def counted(rows: Rows) -> ScoreCounts:
    """Count rows one by one, in the order in which their probabilities first come."""
    n: dict[float, int] = {}
    hits: dict[float, int] = {}
    for probability, label in rows:
        n[probability] = n.get(probability, 0) + 1
        hits[probability] = hits.get(probability, 0) + label
    return from_arrays(
        np.array(list(n)), np.array(list(n.values()), float), np.array(list(hits.values()), float)
    )


def columns(rows: Rows) -> tuple[list[int], list[float]]:
    """Give labels and probabilities, as scikit-learn wants them."""
    return [label for _, label in rows], [probability for probability, _ in rows]


def simulated(seed: int, n: int, decimals: int = 6) -> Rows:
    """Draw probabilities that are right about their rows, with ties where decimals are few."""
    random = np.random.default_rng(seed)
    drawn = np.clip(random.beta(2, 3, n), 0.001, 0.999).round(decimals)
    labels = random.random(n) < drawn
    return [(float(p), int(label)) for p, label in zip(drawn, labels, strict=True)]


# --- against scikit-learn ------------------------------------------------------------------------


@quickly
@given(some_rows)
def test_area_under_the_roc_curve_is_that_of_scikit_learn(rows: Rows) -> None:
    labels, scores = columns(rows)
    assume(len(set(labels)) == 2)
    assert roc_auc(counted(rows)) == pytest.approx(sk.roc_auc_score(labels, scores))


@quickly
@given(some_rows)
def test_average_precision_without_ties_is_that_of_scikit_learn(rows: Rows) -> None:
    rows = list(dict(rows).items())
    labels, scores = columns(rows)
    assume(any(labels))
    assert average_precision(counted(rows)) == pytest.approx(
        sk.average_precision_score(labels, scores)
    )


@quickly
@given(some_rows)
def test_brier_score_and_log_loss_are_those_of_scikit_learn(rows: Rows) -> None:
    labels, scores = columns(rows)
    assert brier(counted(rows)) == pytest.approx(
        sk.brier_score_loss(labels, scores, pos_label=1, labels=[0, 1])
    )
    assert log_loss(counted(rows)) == pytest.approx(sk.log_loss(labels, scores, labels=[0, 1]))


@quickly
@given(some_rows, probabilities)
def test_precision_recall_and_f1_at_a_threshold_are_those_of_scikit_learn(
    rows: Rows, threshold: float
) -> None:
    labels, scores = columns(rows)
    called = [int(score >= threshold) for score in scores]
    found = at_threshold(counted(rows), threshold)
    n_called, n_positive = sum(called), sum(labels)
    expected = {
        "precision": sk.precision_score(labels, called, zero_division=0) if n_called else None,
        "recall": sk.recall_score(labels, called, zero_division=0) if n_positive else None,
        "f1": sk.f1_score(labels, called, zero_division=0) if n_called + n_positive else None,
    }
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("decimals", [1, 2, 6])
def test_thousands_of_rows_agree_with_scikit_learn_whatever_their_ties(decimals: int) -> None:
    rows = [(min(max(p, 0.01), 0.99), label) for p, label in simulated(decimals, 5_000, decimals)]
    labels, scores = columns(rows)
    counts = counted(rows)
    found = [roc_auc(counts), brier(counts), log_loss(counts)]
    measures = (sk.roc_auc_score, sk.brier_score_loss, sk.log_loss)
    assert found == pytest.approx([measure(labels, scores) for measure in measures])


# --- average precision among equals --------------------------------------------------------------


def precision_in_mean_of_orders(rows: Rows) -> float:
    """Go place by place: the chance of a positive there, and how many are expected up to it."""
    total, before, positives_before = Fraction(0), 0, 0
    for value in sorted({score for score, _ in rows}, reverse=True):
        tied = [label for score, label in rows if score == value]
        m, k = len(tied), sum(tied)
        for place in range(1, m + 1):
            others = Fraction((k - 1) * (place - 1), m - 1) if m > 1 else Fraction(0)
            total += Fraction(k, m) * (positives_before + 1 + others) / (before + place)
        before, positives_before = before + m, positives_before + k
    return float(total / positives_before)


@quickly
@given(st.lists(st.tuples(st.integers(1, 3).map(lambda n: n / 4), st.integers(0, 1)), max_size=5))
def test_average_precision_is_the_mean_over_all_orders_of_equals(rows: Rows) -> None:
    assume(any(label for _, label in rows))
    orders = [
        sk.average_precision_score([label for _, label in order], range(len(order), 0, -1))
        for order in permutations(rows)
        if all(one[0] >= other[0] for one, other in pairwise(order))
    ]
    assert average_precision(counted(rows)) == pytest.approx(np.mean(orders), abs=1e-12)
    assert precision_in_mean_of_orders(rows) == pytest.approx(np.mean(orders), abs=1e-12)


@quickly
@given(some_rows)
def test_average_precision_is_that_of_a_walk_over_the_places(rows: Rows) -> None:
    assume(any(label for _, label in rows))
    assert average_precision(counted(rows)) == pytest.approx(
        precision_in_mean_of_orders(rows), abs=1e-12
    )


def test_few_distinct_probabilities_do_not_lose_to_themselves_with_noise_added() -> None:
    random = np.random.default_rng(5)
    gains = []
    for seed in range(40):
        rows = simulated(seed, 500, 1)
        noisy = [(score + 1e-9 * float(random.random()), label) for score, label in rows]
        gains.append(
            (average_precision(counted(noisy)) or 0) - (average_precision(counted(rows)) or 0)
        )
    # As scikit-learn takes equals, noise would gain .028 here. It spreads by .006 a time.
    assert abs(np.mean(gains)) < 4 * np.std(gains) / math.sqrt(40) < 0.01


def test_a_million_rows_of_one_probability_are_exact() -> None:
    # 300,000 positives among 1,000,000 equals, after 700,000 rows with 650,000.
    counts = from_arrays(np.array([0.9, 0.5]), np.array([7e5, 1e6]), np.array([6.5e5, 3e5]))
    total = 0.0
    for m, k, before, positives_before in ((7e5, 6.5e5, 0, 0), (1e6, 3e5, 7e5, 6.5e5)):
        earlier = np.arange(m)  # places of the group before each of its places
        expected = positives_before + 1 + earlier * (k - 1) / (m - 1)
        total += k / m * math.fsum(expected / (before + 1 + earlier))
    assert average_precision(counts) == pytest.approx(total / 9.5e5, rel=1e-10)


def test_a_million_probabilities_of_one_row_each_are_exact() -> None:
    random = np.random.default_rng(8)
    label = (random.random(1_000_000) < np.linspace(0.9, 0.1, 1_000_000)).astype(float)
    counts = from_arrays(np.linspace(1, 0, 1_000_000), np.ones(1_000_000), label)
    precision = np.cumsum(label) / np.arange(1, 1_000_001)
    assert average_precision(counts) == pytest.approx(precision[label == 1].mean(), rel=1e-10)


def test_probabilities_that_a_resample_lacks_change_nothing() -> None:
    counts = ScoreCounts(np.array([0.9, 0.7, 0.5]), np.array([2.0, 0, 3]), np.array([1.0, 0, 2]))
    rows = [(0.9, 1), (0.9, 0), (0.5, 1), (0.5, 1), (0.5, 0)]
    assert average_precision(counts) == pytest.approx(precision_in_mean_of_orders(rows))


def test_average_precision_of_rankings_side_by_side_is_that_of_each() -> None:
    # Groups of 1 and 2 rows, 1 and 1 of them positive: 1, then the second or the third place. With
    # the group of 2 first: the first or second place, then 2 of 3. Without positives: unknown.
    rows = np.array([[1, 3], [2, 3], [2, 3]])
    positives = np.array([[1, 2], [1, 2], [0, 0]])
    harmonic = np.array([0, 1, 1 + 1 / 2, 1 + 1 / 2 + 1 / 3])
    found = mean_precision(rows, positives, harmonic[rows])
    expected = [(1 + (2 / 2 + 2 / 3) / 2) / 2, ((1 + 1 / 2) / 2 + 2 / 3) / 2, math.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --- calibration error and lift ------------------------------------------------------------------


def calibration_error_by_rows(rows: Rows, n_bins: int = 10) -> float:
    """Walk over ranked rows; a tie group goes to the bin of its middle as one."""
    ranked = sorted(rows, reverse=True)
    binned: dict[int, Rows] = {}
    start = 0
    while start < len(ranked):
        tied = [row for row in ranked if row[0] == ranked[start][0]]
        middle = Fraction(2 * start + len(tied), 2)
        which = min(math.floor(middle * n_bins / len(ranked)), n_bins - 1)
        binned.setdefault(which, []).extend(tied)
        start += len(tied)
    total = 0.0
    for bin_rows in binned.values():
        labels, scores = columns(bin_rows)
        total += abs(sum(scores) - sum(labels))
    return total / len(rows)


def lift_by_rows(rows: Rows, percent: int = 10) -> float:
    """Fill the top with whole tie groups, then with part of the one on the border."""
    ranked = sorted(rows, reverse=True)
    room = Fraction(percent * len(ranked), 100)
    left, hits, start = room, Fraction(0), 0
    while left > 0:
        tied = [label for score, label in ranked if score == ranked[start][0]]
        taken = min(left, Fraction(len(tied)))
        hits += sum(tied) * taken / len(tied)
        left -= taken
        start += len(tied)
    return float(hits / room / Fraction(sum(label for _, label in ranked), len(ranked)))


@quickly
@given(some_rows)
def test_calibration_error_is_that_of_a_walk_over_the_rows(rows: Rows) -> None:
    assert expected_calibration_error(counted(rows)) == pytest.approx(
        calibration_error_by_rows(rows), abs=1e-12
    )


@quickly
@given(some_rows)
def test_lift_is_that_of_a_walk_over_the_rows(rows: Rows) -> None:
    assume(any(label for _, label in rows))
    assert lift(counted(rows)) == pytest.approx(lift_by_rows(rows))


def test_a_tie_group_on_the_border_of_the_top_counts_in_part() -> None:
    # 20 rows: the top has room for 2. One sure row fills half, the other half is shared by 4 rows
    # of one probability, half of which are positive: 1 + 1 * 2/4 hits of 2, where 5 of 20 are.
    rows = [(0.9, 1), *[(0.5, 1)] * 2, *[(0.5, 0)] * 2, *[(0.1, 1)] * 2, *[(0.1, 0)] * 13]
    assert lift(counted(rows)) == pytest.approx((1.5 / 2) / (5 / 20))


def test_bins_hold_equally_many_rows_where_there_are_no_ties() -> None:
    rows = [(number / 1000, number % 2) for number in range(1, 201)]
    assert [n for _, _, n in calibration_bins(counted(rows))] == [20] * 10


def test_rows_of_one_probability_stay_in_one_bin() -> None:
    rows = [*[(0.8, 1)] * 55, *[(number / 1000, 0) for number in range(45)]]
    bins = calibration_bins(counted(rows))
    assert sum(n for _, _, n in bins) == 100
    assert [(mean, share, n) for mean, share, n in bins if share] == [(pytest.approx(0.8), 1.0, 55)]


def test_probabilities_that_come_true_have_no_calibration_error() -> None:
    rows = [(p / 10, int(number < p)) for p in range(1, 10) for number in range(10)]
    assert expected_calibration_error(counted(rows)) == pytest.approx(0, abs=1e-12)


def test_probabilities_that_are_all_too_high_by_a_tenth_have_that_calibration_error() -> None:
    rows = [(p / 10 + 0.1, int(number < p)) for p in range(1, 9) for number in range(10)]
    assert expected_calibration_error(counted(rows)) == pytest.approx(0.1)


# --- edges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_has_no_area_under_the_curve(label: int) -> None:
    counts = counted([(0.2, label), (0.7, label), (0.7, label)])
    assert roc_auc(counts) is None


def test_without_positives_there_is_no_average_precision_lift_or_recall() -> None:
    counts = counted([(0.2, 0), (0.7, 0)])
    assert average_precision(counts) is None
    assert lift(counts) is None
    assert at_threshold(counts, 0.5) == {"precision": 0.0, "recall": None, "f1": 0.0}


def test_a_threshold_above_all_probabilities_has_no_precision() -> None:
    assert at_threshold(counted([(0.2, 1), (0.7, 0)]), 0.8) == {
        "precision": None,
        "recall": 0.0,
        "f1": 0.0,
    }


def test_a_row_on_the_threshold_is_called() -> None:
    assert at_threshold(counted([(0.7, 1)]), 0.7)["recall"] == 1.0


def test_with_positives_only_every_ranking_is_right() -> None:
    counts = counted([(0.2, 1), (0.7, 1)])
    assert average_precision(counts) == pytest.approx(1)
    assert lift(counts) == pytest.approx(1)


@pytest.mark.parametrize("label", [0, 1])
def test_one_row_has_every_metric_that_one_row_can_have(label: int) -> None:
    found = {
        metric.name: metric.value
        for metric in all_metrics(counted([(0.7, label)]), threshold=0.5, seed=1)
    }
    miss = abs(label - 0.7)
    assert found["auc"] is None
    assert found["brier"] == pytest.approx(miss**2)
    assert found["log_loss"] == pytest.approx(-math.log(1 - miss))
    assert found["calibration_error"] == pytest.approx(miss)
    assert found["positive_share"] == label


def test_a_perfect_ranking_reaches_the_best_values() -> None:
    rows = [(0.5 + number / 1000, 1) for number in range(30)]
    rows += [(0.4 - number / 1000, 0) for number in range(170)]
    counts = counted(rows)
    assert roc_auc(counts) == 1
    assert average_precision(counts) == pytest.approx(1, abs=1e-12)
    assert lift(counts) == pytest.approx(200 / 30)
    assert at_threshold(counts, best_f1_threshold(counts))["f1"] == 1


def test_a_reversed_ranking_has_no_area_under_the_curve_at_all() -> None:
    assert roc_auc(counted([(0.1, 1), (0.2, 1), (0.3, 0), (0.4, 0)])) == 0


def test_equal_probabilities_rank_by_chance() -> None:
    counts = counted([(0.3, int(number < 12)) for number in range(40)])
    assert roc_auc(counts) == pytest.approx(0.5)
    # Each place is a positive's with the chance .3, with .3 of the others before it, too, but for
    # the one that is there: 11 of 39.
    orders = [(1 + earlier * 11 / 39) / (1 + earlier) for earlier in range(40)]
    assert average_precision(counts) == pytest.approx(sum(orders) / 40)
    assert lift(counts) == pytest.approx(1)
    assert expected_calibration_error(counts) == pytest.approx(0, abs=1e-12)


def test_a_certainty_that_fails_costs_as_much_as_one_in_a_million() -> None:
    assert log_loss(counted([(1.0, 0)])) == pytest.approx(-math.log(1e-6), rel=1e-6)
    assert log_loss(counted([(0.0, 1)])) == pytest.approx(-math.log(1e-6), rel=1e-6)


# --- the best threshold --------------------------------------------------------------------------


@quickly
@given(some_rows)
def test_no_threshold_has_a_higher_f1_than_the_best_one(rows: Rows) -> None:
    labels, scores = columns(rows)
    tried = [
        sk.f1_score(labels, [int(score >= threshold) for score in scores], zero_division=0)
        for threshold in set(scores)
    ]
    best = best_f1_threshold(counted(rows))
    assert best in scores
    assert (at_threshold(counted(rows), best)["f1"] or 0.0) == pytest.approx(max(tried))


# --- all metrics, with intervals -----------------------------------------------------------------

MEASURES: dict[str, Callable[[ScoreCounts], float | None]] = {
    "auc": roc_auc,
    "average_precision": average_precision,
    "brier": brier,
    "log_loss": log_loss,
    "calibration_error": expected_calibration_error,
    "lift_at_10_percent": lift,
}


def test_all_metrics_give_what_each_one_alone_gives() -> None:
    rows = simulated(3, 400, 2)
    counts = counted(rows)
    labels, scores = columns(rows)
    found = {metric.name: metric.value for metric in all_metrics(counts, threshold=0.4, seed=1)}
    expected = {name: measure(counts) for name, measure in MEASURES.items()}
    expected |= {"threshold": 0.4, **at_threshold(counts, 0.4)}
    expected |= {"positive_share": np.mean(labels), "mean_probability": np.mean(scores)}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("n", [100, 2_000])
def test_intervals_hold_their_value_and_narrow_with_more_rows(n: int) -> None:
    small = all_metrics(counted(simulated(n, n, 2)), threshold=0.5, seed=4)
    large = all_metrics(counted(simulated(n, n, 2) * 4), threshold=0.5, seed=4)
    for few, many in zip(small[:3], large[:3], strict=True):
        assert few.low is not None and few.high is not None and few.value is not None
        assert many.low is not None and many.high is not None
        assert few.low < few.value < few.high
        # four times the rows: half the width
        assert (many.high - many.low) / (few.high - few.low) == pytest.approx(0.5, abs=0.15)
    assert {metric.low for metric in small[3:]} == {None}


def test_intervals_are_the_same_for_a_seed_and_others_for_another() -> None:
    counts = counted(simulated(5, 300))
    assert all_metrics(counts, threshold=0.5, seed=7) == all_metrics(counts, threshold=0.5, seed=7)
    assert all_metrics(counts, threshold=0.5, seed=7) != all_metrics(counts, threshold=0.5, seed=8)


def test_about_95_of_100_intervals_hold_the_true_area_under_the_curve() -> None:
    # Scores of positives lie one standard deviation above those of the others.
    true_auc = NormalDist().cdf(1 / math.sqrt(2))
    random = np.random.default_rng(6)
    holding = 0
    for _ in range(200):
        labels = np.repeat([0, 1], [140, 60])
        scores = random.normal(labels, 1).round(2)
        rows = [(float(s), int(label)) for s, label in zip(scores, labels, strict=True)]
        auc = all_metrics(counted(rows), threshold=0.5, seed=1)[0]
        assert auc.low is not None and auc.high is not None
        holding += auc.low <= true_auc <= auc.high
    # Binomial(200, 0.95) lies in this range but for one time in a thousand; 200 resamples and the
    # percentile method take a little of it.
    assert 177 <= holding <= 199


def test_one_class_has_no_interval_for_the_area_under_the_curve() -> None:
    auc, _, square = all_metrics(counted([(0.2, 0), (0.4, 0), (0.6, 0)]), threshold=0.5, seed=1)[:3]
    assert (auc.value, auc.low, auc.high) == (None, None, None)
    assert square.low is not None


# --- counts --------------------------------------------------------------------------------------


def test_counts_are_sorted_by_falling_probability_with_their_own_rows() -> None:
    counts = from_arrays(np.array([0.2, 0.9, 0.5]), np.array([4.0, 2, 3]), np.array([1.0, 2, 0]))
    assert counts.probability.tolist() == [0.9, 0.5, 0.2]
    assert counts.n.tolist() == [2, 3, 4]
    assert counts.n_positive.tolist() == [2, 0, 1]
    assert (counts.rows, counts.positives) == (9, 3)


def test_counts_from_spark_are_the_counts_of_the_rows(spark: SparkSession) -> None:
    rows = simulated(9, 600, 3)
    # A ten-millionth more or less is the same probability, rounded to six decimals.
    shaken = [(p + (number % 3 - 1) * 1e-7, float(y)) for number, (p, y) in enumerate(rows)]
    df = spark.createDataFrame(shaken, "p double, y double").repartition(5)
    found, expected = count_scores(df, probability="p", label="y"), counted(rows)
    np.testing.assert_array_equal(found.probability, expected.probability)
    np.testing.assert_array_equal(found.n, expected.n)
    np.testing.assert_array_equal(found.n_positive, expected.n_positive)


def test_counts_from_spark_keep_apart_what_differs_in_the_sixth_decimal(
    spark: SparkSession,
) -> None:
    df = spark.createDataFrame([(0.123456, 1.0), (0.123457, 0.0)], "p double, y double")
    assert count_scores(df, probability="p", label="y").n.tolist() == [1, 1]


# --- DeLong's interval ---------------------------------------------------------------------------


def test_placements_count_the_rows_of_the_other_class_below_and_above_with_ties_half() -> None:
    # Positives at .9 and .5, negatives at .5, .5 and .1.
    rows = [(0.9, 1), (0.5, 1), (0.5, 0), (0.5, 0), (0.1, 0)]
    outranked, above = placements(counted(rows))
    assert outranked.tolist() == pytest.approx([3 / 3, 2 / 3, 0.5 / 3])
    assert above.tolist() == pytest.approx([0.5 / 2, 1.5 / 2, 2 / 2])


@quickly
@given(some_rows)
def test_the_interval_of_the_auc_is_the_one_of_comparing_every_pair(rows: Rows) -> None:
    positives = [probability for probability, label in rows if label]
    negatives = [probability for probability, label in rows if not label]
    found = auc_interval(counted(rows))
    if min(len(positives), len(negatives)) < 2:
        assert found is None
        return
    wins = np.array([[(p > n) + (p == n) / 2 for n in negatives] for p in positives])
    variance = wins.mean(axis=1).var(ddof=1) / len(positives)
    variance += wins.mean(axis=0).var(ddof=1) / len(negatives)
    half = 1.96 * math.sqrt(variance)
    expected = max(0.0, wins.mean() - half), min(1.0, wins.mean() + half)
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_interval_of_the_auc_holds_the_true_one_about_nineteen_times_in_twenty() -> None:
    true = NormalDist().cdf(1 / math.sqrt(2))  # two normal distributions, one apart
    random = np.random.default_rng(1)
    n_inside = 0
    for _ in range(400):
        drawn = [(float(value), 1) for value in random.normal(1, 1, 60)]
        drawn += [(float(value), 0) for value in random.normal(0, 1, 140)]
        low, high = auc_interval(counted(drawn)) or (0.0, 0.0)
        n_inside += low < true < high
    assert 0.92 < n_inside / 400 < 0.98
