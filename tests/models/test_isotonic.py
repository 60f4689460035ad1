"""Isotonic calibration: pooling against scikit-learn, and what a map may and may not do."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.drawn_counts import drawn_counts
from pyspark.sql import SparkSession
from sklearn.isotonic import IsotonicRegression

from crm_spark.models.binary_metrics import Floats, ScoreCounts, count_arrays, roc_auc
from crm_spark.models.calibration import EDGE, PlattCalibration, fit_platt, logits
from crm_spark.models.calibration_choice import calibration_spec, load_calibration
from crm_spark.models.isotonic import (
    MOST_KNOTS,
    IsotonicCalibration,
    fit_isotonic,
    pool_adjacent_violators,
)

quickly = settings(max_examples=200, derandomize=True, database=None, deadline=None)

# A fall of the shares between .3 and .7 is what has to be pooled.
STEPS = np.array([0.02, 0.1, 0.4, 0.4, 0.4, 0.4, 0.4, 0.7, 0.9, 0.98])
MAP = IsotonicCalibration((-2.0, -0.5, 1.0), (-3.0, -1.0, -0.5), 0.75)


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def simulated(n: int, seed: int = 5) -> tuple[Floats, Floats]:
    """Draw raw scores, and outcomes whose chance is a step function of them."""
    random = np.random.default_rng(seed)
    raw = random.random(n).round(5)
    return raw, (random.random(n) < chance(raw)).astype(float)


def chance(raw: Floats) -> Floats:
    return STEPS[np.minimum((raw * len(STEPS)).astype(int), len(STEPS) - 1)]


def fitted(counts: ScoreCounts) -> IsotonicCalibration:
    return fit_isotonic(counts, fit_platt(counts))


@quickly
@given(
    st.lists(
        st.tuples(st.floats(0, 1, width=32), st.integers(1, 500)), min_size=1, max_size=MOST_KNOTS
    )
)
def test_pooling_is_that_of_scikit_learn(rows: list[tuple[float, int]]) -> None:
    values = np.array([value for value, _ in rows])
    weights = np.array([float(weight) for _, weight in rows])
    expected = (
        IsotonicRegression()
        .fit(np.arange(len(rows)), values, weights)
        .predict(np.arange(len(rows)))
    )
    assert pool_adjacent_violators(values, weights) == pytest.approx(expected, abs=1e-9)


def test_pooling_by_hand() -> None:
    values = np.array([0.1, 0.6, 0.2, 0.4, 0.9])
    weights = np.array([1.0, 1.0, 3.0, 4.0, 1.0])
    # .6 and .2 become .3, which is below .4.
    assert pool_adjacent_violators(values, weights) == pytest.approx([0.1, 0.3, 0.3, 0.4, 0.9])
    assert pool_adjacent_violators(values[::-1], np.ones(5)) == pytest.approx([0.44] * 5)


def test_shares_are_found_again_where_no_logistic_map_could_follow() -> None:
    raw, label = simulated(100_000)
    counts = count_arrays(raw, label == 1)
    isotonic = np.abs(fitted(counts).probabilities(raw) - chance(raw))
    assert isotonic.mean() < 0.02
    # In the middle of a step, that is: next to its ends a line leads to the next.
    inside = np.abs((raw * 10) % 1 - 0.5) < 0.25
    assert isotonic[inside].max() < 0.03
    assert np.abs(fit_platt(counts).probabilities(raw) - chance(raw)).mean() > 0.05


def test_the_ranking_is_kept_where_neighbours_are_pooled() -> None:
    raw, label = simulated(40_000)
    counts = count_arrays(raw, label == 1)
    found = fitted(counts)
    probability = found.probabilities(counts.probability)
    is_kept = np.abs(counts.probability - 0.5) < 0.5 - EDGE  # beyond all logits are the same
    assert np.all(np.diff(probability[is_kept]) < 0)
    assert roc_auc(ScoreCounts(probability, counts.n, counts.n_positive)) == pytest.approx(
        roc_auc(counts), abs=1e-4
    )
    # Where shares do not rise the map hardly does.
    assert np.ptp(found.probabilities(np.array([0.35, 0.65]))) < 0.03


def test_probabilities_have_the_mean_of_the_outcomes() -> None:
    raw, label = simulated(30_000)
    mean = fitted(count_arrays(raw, label == 1)).probabilities(raw).mean()
    assert mean == pytest.approx(label.mean(), abs=0.002)


def test_where_platt_is_right_the_line_is_platts() -> None:
    """Shares that are exactly those of a logistic map, of so many that nothing added matters."""
    raw = np.linspace(0.001, 0.999, 5_000)
    n = np.full(5_000, 1e6)
    counts = ScoreCounts(raw[::-1], n, n * sigmoid(0.6 * logits(raw[::-1]) - 0.8))
    platt = fit_platt(counts)
    assert (platt.slope, platt.intercept) == pytest.approx((0.6, -0.8), abs=1e-4)
    found = fit_isotonic(counts, platt).probabilities(raw)
    assert found == pytest.approx(platt.probabilities(raw), abs=1e-4)


@given(drawn_counts(80))
def test_the_map_rises_and_is_never_certain_whatever_the_counts(counts: ScoreCounts) -> None:
    found = fitted(counts)
    assert 1 <= len(found.knots) == len(found.log_odds) <= MOST_KNOTS
    assert np.all(np.diff(found.knots) > 0)
    assert np.all(np.diff(found.log_odds) > 0)
    probability = found.probabilities(np.linspace(0, 1, 2_001))
    assert np.all(np.diff(probability) >= 0)
    assert np.isfinite(found.log_odds).all()


def test_a_tail_without_the_outcome_is_not_taken_for_certain() -> None:
    """Nobody below .3 has the outcome, and everybody above .8: 6,000 and 4,000 customers."""
    raw = np.linspace(0.01, 0.99, 20_000)
    has_outcome = (np.arange(20_000) * 7 % 5 > 2) & (raw > 0.3) | (raw > 0.8)
    found = fitted(count_arrays(raw, has_outcome)).probabilities(raw)
    assert 1e-6 < found[raw < 0.27].min() < found[raw < 0.27].max() < 0.005
    assert 0.995 < found[raw > 0.83].min() < found[raw > 0.83].max() < 1 - 1e-6


def test_rows_without_customers_change_nothing() -> None:
    raw, label = simulated(5_000)
    counts = count_arrays(raw, label == 1)
    empty = ScoreCounts(
        np.append(counts.probability, 0.0),
        np.append(counts.n, 0.0),
        np.append(counts.n_positive, 0.0),
    )
    platt = fit_platt(counts)
    assert fit_isotonic(empty, platt) == fit_isotonic(counts, platt)


def test_the_line_by_hand() -> None:
    at = np.array([-4.0, -2.0, -1.25, -0.5, 0.25, 1.0, 3.0])
    expected = [-4.5, -3.0, -2.0, -1.0, -0.75, -0.5, 1.0]
    assert logits(MAP.probabilities(sigmoid(at))) == pytest.approx(expected)
    assert MAP.probabilities(np.array([[0.0], [1.0]])).shape == (2, 1)


def test_the_column_gives_what_the_arrays_give(spark: SparkSession) -> None:
    raw = np.concatenate([[0.0, 1e-9, EDGE, 1 - EDGE, 1.0], np.linspace(0.001, 0.999, 500)])
    label = simulated(30_000)
    of_counts = fitted(count_arrays(label[0], label[1] == 1))
    of_one = IsotonicCalibration((0.5,), (-1.0,), 1.2)
    df = spark.createDataFrame([(None,), *((float(one),) for one in raw)], "raw double").coalesce(1)
    maps = (MAP, of_counts, of_one)
    columns = [one.probability(df["raw"]).alias(str(at)) for at, one in enumerate(maps)]
    found = df.select("raw", *columns).toPandas()
    assert found[found["raw"].isna()].isna().all(axis=None)
    known = found[found["raw"].notna()]
    for at, one in enumerate(maps):
        expected = one.probabilities(known["raw"].to_numpy())
        assert known[str(at)].to_numpy() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("calibration", [MAP, PlattCalibration(1.7, -0.4)])
def test_a_calibration_is_the_same_after_its_spec_went_through_json(
    calibration: PlattCalibration | IsotonicCalibration,
) -> None:
    assert load_calibration(json.loads(json.dumps(calibration_spec(calibration)))) == calibration


def test_a_spec_of_before_there_were_forms_is_platts() -> None:
    assert load_calibration({"slope": 1.7, "intercept": -0.4}) == PlattCalibration(1.7, -0.4)
