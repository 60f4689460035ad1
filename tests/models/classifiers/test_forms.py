"""Formulas against what they are taken from: MLlib, scikit-learn and XGBoost themselves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pyspark.ml.classification import MultilayerPerceptronClassifier
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession
from sklearn.svm import LinearSVC

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.classifiers.deviations import Scale
from crm_spark.models.classifiers.linear_svm import fit_squared_hinge
from crm_spark.models.classifiers.perceptron import Perceptron, of_weights
from crm_spark.models.classifiers.xgboost import BoostedTrees, trees_of
from crm_spark.models.logistic import sigmoid

NAMES = ("a", "b", "c")
# Signed logarithms of these are what is drawn.
AS_DRAWN = Scale((0.0,) * 3, (1.0,) * 3)


@pytest.fixture(scope="module")
def drawn() -> tuple[Floats, Floats]:
    random = np.random.default_rng(3)
    columns = random.normal(size=(800, 3))
    chance = sigmoid(1.5 * columns[:, 0] - columns[:, 1] + columns[:, 0] * columns[:, 2] - 1)
    return columns, (random.random(800) < chance).astype(float)


def unbent(columns: Floats) -> Floats:
    return np.sign(columns) * np.expm1(np.abs(columns))


@pytest.mark.parametrize("penalty", [0.01, 10.0, 1000.0])
def test_a_support_vector_machine_is_that_of_scikit_learn(
    drawn: tuple[Floats, Floats], penalty: float
) -> None:
    columns, hits = drawn
    weights, intercept = fit_squared_hinge(columns, hits, penalty)
    # liblinear holds the intercept back, too, unless it stands for a large constant.
    theirs = LinearSVC(C=1 / penalty, dual=False, tol=1e-10, intercept_scaling=1e3, max_iter=10_000)
    theirs.fit(columns, hits)
    assert weights == pytest.approx(theirs.coef_[0], abs=1e-4)
    assert intercept == pytest.approx(theirs.intercept_[0], abs=1e-4)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_of_one_class_a_support_vector_machine_says_it_of_everybody(label: float) -> None:
    columns = np.random.default_rng(1).normal(size=(40, 2))
    weights, intercept = fit_squared_hinge(columns, np.full(40, label), 1.0)
    assert weights == pytest.approx((0, 0), abs=1e-6)
    assert intercept == pytest.approx(2 * label - 1, abs=1e-6)


def test_a_support_vector_machine_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows to learn from"):
        fit_squared_hinge(np.zeros((0, 2)), np.zeros(0), 1.0)


def test_a_perceptron_gives_the_probabilities_of_mllib(
    spark: SparkSession, drawn: tuple[Floats, Floats]
) -> None:
    columns, _ = drawn
    rows = [(Vectors.dense(row.tolist()), float(hit)) for row, hit in zip(*drawn, strict=True)]
    frame = spark.createDataFrame(rows, ["features", "label"])
    network = MultilayerPerceptronClassifier(layers=[3, 5, 2], maxIter=30, seed=2).fit(frame)
    found = network.transform(frame).select(vector_to_array("probability")[1].alias("p"))
    ours = of_weights(NAMES, AS_DRAWN, network.weights.toArray(), n_hidden=5)
    added, score = ours.contributions(unbent(columns))
    assert score == pytest.approx(found.toPandas()["p"].to_numpy(), abs=1e-9)
    assert len(np.unique(score.round(6))) > 700
    assert np.abs(ours.base + added.sum(axis=1) - score).max() < 1e-12


def test_what_a_perceptron_does_not_know_adds_nothing() -> None:
    ours = Perceptron(NAMES, AS_DRAWN, ((1.0, 2.0, 0.0), (0.5, 0.0, 0.3)), (0.1, 0.2), (1, -2), 0.5)
    added, score = ours.contributions(np.array([[np.nan] * 3, [1.0, np.nan, 2.0]]))
    assert added[0].tolist() == [0, 0, 0] and added[1, 1] == 0
    assert score[0] == pytest.approx(ours.base)
    assert Perceptron.of(json.loads(json.dumps(ours.spec()))) == ours


def test_trees_of_xgboost_predict_and_explain_as_xgboost_does(
    drawn: tuple[Floats, Floats],
) -> None:
    xgboost = pytest.importorskip("xgboost")
    columns, hits = drawn
    # Many equal values, so that some lie on a threshold.
    columns = columns.round(1)
    learnt = xgboost.DMatrix(columns, label=hits)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 4, "eta": 0.3}, learnt, num_boost_round=25
    )
    base_logit, trees = trees_of(json.loads(bytes(booster.save_raw("json"))))
    ours = BoostedTrees(NAMES, (0.0,) * 3, base_logit, trees)
    added, score = ours.contributions(columns)
    assert len(trees) == 25
    assert score == pytest.approx(booster.predict(learnt), abs=1e-6)
    theirs = booster.predict(learnt, pred_contribs=True)
    ours_of_logit = ours._explainer.contributions(ours._read(columns))
    assert ours_of_logit == pytest.approx(theirs[:, :3], abs=1e-4)
    assert ours._explainer.expected == pytest.approx(theirs[0, 3], abs=1e-4)
    assert np.abs(ours.base + added.sum(axis=1) - score).max() < 1e-12
    again = BoostedTrees.of(json.loads(json.dumps(ours.spec())))
    assert again == ours and again.contributions(columns)[1].tolist() == score.tolist()
