"""Platt scaling: against scikit-learn, and what no calibration may do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from models.drawn_counts import drawn_counts
from pyspark.sql import SparkSession
from sklearn.linear_model import LogisticRegression

from crm_spark.models.binary_metrics import Floats, ScoreCounts, from_arrays
from crm_spark.models.calibration import EDGE, PlattCalibration, fit_platt

quickly = settings(max_examples=300, derandomize=True, database=None, deadline=None)


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def logit(p: Floats) -> Floats:
    kept = np.clip(p, EDGE, 1 - EDGE)
    return np.log(kept / (1 - kept))


def calibrated(calibration: PlattCalibration, raw: Floats) -> Floats:
    """Give what the map says, as its docstring has it."""
    return sigmoid(calibration.slope * logit(raw) + calibration.intercept)


def counted(raw: Floats, label: Floats) -> ScoreCounts:
    """Count the rows of each raw score."""
    distinct, which = np.unique(raw, return_inverse=True)
    return from_arrays(
        distinct,
        np.bincount(which).astype(float),
        np.bincount(which, weights=label).astype(float),
    )


def simulated(
    slope: float, intercept: float, n: int, shape: tuple[float, float] = (2, 3)
) -> tuple[Floats, Floats]:
    """Draw raw scores, and labels whose chances are bent by a known map."""
    random = np.random.default_rng(11)
    raw = random.beta(*shape, n).round(4)
    chance = sigmoid(slope * logit(raw) + intercept)
    return raw, (random.random(n) < chance).astype(float)


def by_rows(raw: Floats, label: Floats) -> tuple[float, float]:
    """Give slope and intercept of scikit-learn's logistic regression on the logit.

    Platt's targets, (n + 1) / (n + 2) for a positive and 1 / (n + 2) for another row, are one row
    of each class, weighted by its share.
    """
    n_positive, n_negative = label.sum(), (1 - label).sum()
    target = np.where(label == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(
        np.tile(logit(raw), 2).reshape(-1, 1),
        np.repeat([1, 0], len(raw)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0])


# Overconfident, right and timid scores; too high and too low ones; scores near 0, in the middle,
# and near 0 and 1.
SLOPES = (0.3, 0.6, 1.0, 2.5)
INTERCEPTS = (-2.0, 0.0, 1.0)
SHAPES = ((2, 3), (1, 9), (0.5, 0.5))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("intercept", INTERCEPTS)
@pytest.mark.parametrize("slope", SLOPES)
def test_the_fit_is_that_of_a_logistic_regression_on_the_logit(
    slope: float, intercept: float, shape: tuple[float, float]
) -> None:
    raw, label = simulated(slope, intercept, 5_000, shape)
    found = fit_platt(counted(raw, label))
    assert (found.slope, found.intercept) == pytest.approx(by_rows(raw, label), abs=1e-4)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.6, -0.8), (2.0, 0.5)])
def test_a_known_slope_and_intercept_are_found_again(slope: float, intercept: float) -> None:
    found = fit_platt(counted(*simulated(slope, intercept, 50_000)))
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept), abs=0.06)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slope", SLOPES)
def test_calibrated_probabilities_have_the_mean_of_the_labels(
    slope: float, shape: tuple[float, float]
) -> None:
    raw, label = simulated(slope, -1.0, 5_000, shape)
    mean = calibrated(fit_platt(counted(raw, label)), raw).mean()
    # Smoothed targets pull the mean by less than two rows.
    assert mean == pytest.approx(label.mean(), abs=2 / 5_000)


@given(drawn_counts(8))
def test_calibration_never_reverses_the_ranking(counts: ScoreCounts) -> None:
    found = fit_platt(counts)
    assert found.slope > 0
    assert np.all(np.diff(calibrated(found, counts.probability)) <= 0)


@quickly
@given(drawn_counts(8))
def test_calibration_is_finite_and_gets_the_mean_right_whatever_the_counts(
    counts: ScoreCounts,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # exp() may overflow on the way
        found = fit_platt(counts)
    assert np.isfinite([found.slope, found.intercept]).all()
    mean = (calibrated(found, counts.probability) * counts.n).sum() / counts.n.sum()
    # Each class is smoothed by at most one row.
    assert mean == pytest.approx(counts.positives / counts.rows, abs=1.001 / counts.rows)


@pytest.mark.parametrize("n_rows", [1, 1_000, 10**6, 10**8, 10**9])
@pytest.mark.parametrize("raw", [0.0, 0.2, 0.5, 1.0])
def test_a_single_raw_score_becomes_the_share_of_positives(raw: float, n_rows: int) -> None:
    counts = from_arrays(np.array([raw]), np.array([n_rows * 10.0]), np.array([n_rows * 3.0]))
    found = fit_platt(counts)
    assert calibrated(found, np.array([raw]))[0] == pytest.approx(0.3, abs=max(0.2 / n_rows, 1e-7))


def test_scores_that_rank_the_wrong_way_round_keep_slope_one_and_the_right_mean() -> None:
    raw, label = simulated(-1.0, 0.5, 5_000)
    found = fit_platt(counted(raw, label))
    assert found.slope == 1
    assert calibrated(found, raw).mean() == pytest.approx(label.mean(), abs=2 / 5_000)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_only_moves_the_intercept_alone_towards_it(label: float) -> None:
    raw = np.linspace(0.1, 0.9, 98)
    found = fit_platt(counted(raw, np.full(98, label)))
    assert found.slope == 1
    # 98 rows of one class are smoothed to 99 of 100.
    expected = 0.99 if label else 0.01
    assert calibrated(found, raw).mean() == pytest.approx(expected, abs=1e-6)


def test_separable_data_stay_finite_and_short_of_certainty() -> None:
    raw = np.concatenate([np.linspace(0.05, 0.45, 50), np.linspace(0.55, 0.95, 50)])
    label = np.repeat([0.0, 1.0], 50)
    found = fit_platt(counted(raw, label))
    assert np.isfinite([found.slope, found.intercept]).all()
    probability = calibrated(found, raw)
    assert probability[:50].max() < 0.5 < probability[50:].min()
    assert probability.min() > 1e-6
    assert probability.max() < 1 - 1e-6


def test_two_rows_of_two_classes_are_not_taken_for_certain() -> None:
    found = fit_platt(counted(np.array([0.3, 0.7]), np.array([0.0, 1.0])))
    # Platt's targets of one row a class: 1/3 and 2/3.
    assert calibrated(found, np.array([0.3, 0.7])) == pytest.approx([1 / 3, 2 / 3], abs=1e-6)


def test_no_calibration_leaves_probabilities_as_they_are(spark: SparkSession) -> None:
    df = spark.createDataFrame([(0.2,), (0.5,), (0.83,)], "raw double")
    found = [row[0] for row in df.select(PlattCalibration().probability(df["raw"])).collect()]
    assert found == pytest.approx([0.2, 0.5, 0.83])


def test_the_column_gives_what_the_formula_gives(spark: SparkSession) -> None:
    raw = np.array([0.0, 1e-9, EDGE, 0.03, 0.5, 0.77, 1 - EDGE, 1 - 1e-9, 1.0])
    df = spark.createDataFrame([(float(value),) for value in raw], "raw double").coalesce(1)
    calibration = PlattCalibration(slope=1.7, intercept=-0.4)
    found = [row[0] for row in df.select(calibration.probability(df["raw"])).collect()]
    assert found == pytest.approx(calibrated(calibration, raw).tolist(), rel=1e-12)


def test_the_column_gives_null_where_the_raw_score_is_unknown(spark: SparkSession) -> None:
    df = spark.createDataFrame([(None,)], "raw double")
    assert df.select(PlattCalibration().probability(df["raw"])).collect()[0][0] is None
