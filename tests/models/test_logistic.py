"""Logistic regression of arrays: against scikit-learn, and what no column and no outcome may do."""

from __future__ import annotations

import json
import warnings
from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Reference

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.logistic import LogisticRegression, fit_logistic, sigmoid

PLANTED = np.array([1.5, -0.7, 0.0])


def drawn(n: int, *, intercept: float = -1.0, seed: int = 3) -> tuple[Floats, Floats]:
    """Draw columns of other means and scales, and outcomes by planted weights of their units."""
    random = np.random.default_rng(seed)
    units = random.normal(size=(n, len(PLANTED)))
    chance = 1 / (1 + np.exp(-(units @ PLANTED + intercept)))
    hits = (random.random(n) < chance).astype(float)
    return units * np.array([1.0, 20.0, 0.01]) + np.array([0.0, 300.0, -5.0]), hits


def test_planted_weights_are_found_again() -> None:
    found = fit_logistic([drawn(100_000)])
    # The columns' own standard deviations are those of the units, times what they were scaled by.
    assert np.array(found.weights) == pytest.approx(PLANTED, abs=0.04)
    assert found.intercept == pytest.approx(-1.0, abs=0.04)
    assert found.mean == pytest.approx((0.0, 300.0, -5.0), abs=0.3)
    assert found.scale == pytest.approx((1.0, 20.0, 0.01), rel=0.02)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 250.0])
def test_the_fit_is_that_of_scikit_learn_with_the_same_ridge(penalty: float) -> None:
    columns, hits = drawn(2_000)
    standard = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    reference = Reference(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=1_000)
    reference.fit(standard, hits)
    found = fit_logistic([(columns, hits)], penalty=penalty)
    assert found.weights == pytest.approx(reference.coef_[0], abs=1e-6)
    assert found.intercept == pytest.approx(reference.intercept_[0], abs=1e-6)
    expected = reference.predict_proba(standard)[:, 1]
    assert found.probability(columns) == pytest.approx(expected, abs=1e-6)


def test_the_penalty_is_one_unless_it_is_given() -> None:
    pieces = [drawn(200)]
    assert fit_logistic(pieces) == fit_logistic(pieces, penalty=1.0)
    assert fit_logistic(pieces) != fit_logistic(pieces, penalty=2.0)


def test_pieces_of_any_size_and_order_give_what_one_matrix_gives() -> None:
    columns, hits = drawn(3_000)
    whole = fit_logistic([(columns, hits)])
    ends = [0, 1, 1, 700, 2_999, 3_000]  # one piece of a row, one of none
    pieces = [(columns[a:b], hits[a:b]) for a, b in pairwise(ends)]
    for other in (fit_logistic(pieces), fit_logistic(pieces[::-1])):
        assert other.probability(columns) == pytest.approx(whole.probability(columns), abs=1e-7)
        assert other.weights == pytest.approx(whole.weights, abs=1e-7)


def test_probabilities_have_the_mean_of_the_outcomes_as_the_intercept_has_no_penalty() -> None:
    columns, hits = drawn(500, intercept=-4.0)
    found = fit_logistic([(columns, hits)], penalty=1e4)
    assert found.probability(columns).mean() == pytest.approx(hits.mean(), abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
def test_a_column_that_is_the_same_everywhere_gets_no_weight(value: float) -> None:
    columns, hits = drawn(400)
    without = fit_logistic([(columns, hits)])
    wide = np.hstack([columns[:, :1], np.full((400, 1), value), columns[:, 1:]])
    found = fit_logistic([(wide, hits)])
    assert found.weights[1] == 0
    assert found.weights[0:1] + found.weights[2:] == pytest.approx(without.weights, abs=1e-7)
    assert found.probability(wide) == pytest.approx(without.probability(columns), abs=1e-7)
    # Elsewhere it may be another.
    wide[:, 1] += 1.0
    assert np.isfinite(found.probability(wide)).all()


def test_two_equal_columns_share_the_weight() -> None:
    columns, hits = drawn(400)
    twice = np.hstack([columns, columns[:, :1]])
    found = fit_logistic([(twice, hits)])
    assert found.weights[0] == pytest.approx(found.weights[3], abs=1e-7)
    assert found.weights[0] > 0.3


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_a_column_that_parts_the_outcomes_stays_finite(scale: float) -> None:
    column = np.linspace(-1, 1, 100)[:, None] * scale
    hits = (column[:, 0] > 0).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_logistic([(column, hits)])
        probability = found.probability(column)
    assert np.isfinite([found.intercept, *found.weights]).all()
    assert found.weights[0] < 50
    assert probability[:50].max() < 0.5 < probability[50:].min()
    assert np.all(np.diff(probability) > 0)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_outcomes_that_are_all_the_same_give_a_probability_near_it(outcome: float) -> None:
    columns, _ = drawn(300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_logistic([(columns, np.full(300, outcome))])
    probability = found.probability(columns)
    assert np.isfinite([found.intercept, *found.weights]).all()
    assert probability == pytest.approx(np.full(300, outcome), abs=1 / 300)
    assert found.weights == pytest.approx((0, 0, 0), abs=1e-3)


def test_without_any_column_it_is_the_share_of_the_outcomes() -> None:
    found = fit_logistic([(np.empty((8, 0)), np.array([1.0, 1, 0, 0, 0, 0, 0, 0]))])
    assert found.probability(np.empty((3, 0))) == pytest.approx([0.25] * 3, abs=1e-7)


@pytest.mark.parametrize("pieces", [[], [(np.empty((0, 2)), np.empty(0))]])
def test_no_rows_are_refused(pieces: list[tuple[Floats, Floats]]) -> None:
    with pytest.raises(ValueError, match="no rows to learn from"):
        fit_logistic(pieces)


def test_what_was_stored_gives_equal_probabilities() -> None:
    columns, hits = drawn(300)
    found = fit_logistic([(columns, hits)])
    again = LogisticRegression.of(json.loads(json.dumps(found.spec())))
    assert again == found
    assert again.probability(columns).tolist() == found.probability(columns).tolist()


def test_a_probability_is_worked_out_from_the_standardised_columns() -> None:
    regression = LogisticRegression(0.5, (2.0, -1.0), (10.0, 0.0), (5.0, 0.5))
    # 0.5 + 2 * (15 - 10) / 5 - (1 - 0) / 0.5 = 0.5
    found = regression.probability(np.array([[15.0, 1.0], [10.0, 0.25]]))
    assert found == pytest.approx([1 / (1 + np.exp(-0.5)), 0.5])


def test_the_sigmoid_overflows_nowhere() -> None:
    at = np.array([-1000.0, -3.0, 0.0, 3.0, 1000.0])
    with np.errstate(all="raise"):
        found = sigmoid(at)
    assert found == pytest.approx([0, 1 / (1 + np.e**3), 0.5, 1 / (1 + np.e**-3), 1], abs=1e-15)
