"""A linear support vector machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.binary_metrics import Floats
from crm_spark.models.classifiers.arrays import learnt_arrays
from crm_spark.models.classifiers.classifier import LABEL, Classifier
from crm_spark.models.classifiers.deviations import Scale
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.linear import Linear
from crm_spark.models.classifiers.settings import LINEAR_SVM, LearnerSettings
from crm_spark.models.logistic import LogisticRegression
from crm_spark.models.newton import DECIMALS, minimised


def fit_linear_svm(
    rows: DataFrame, features: Sequence[Feature], settings: LearnerSettings
) -> Classifier:
    """Fit a support vector machine on the deviations of all features.

    With squared hinges: the plain hinge of MLlib's LinearSVC asks on which side of one half a
    probability lies, and where few do and it is below for nearly everybody, it ranks nobody. The
    raw score is the sigmoid of the margin, which calibration bends into a probability (Platt 1999).
    """
    names = tuple(feature.name for feature in features)
    values, hits = learnt_arrays(rows, names, label=LABEL)
    scale = Scale.of(values)
    deviations = scale.deviations(values)
    weights, intercept = fit_squared_hinge(deviations, hits, settings.linear_svm.penalty)
    weighted = LogisticRegression(intercept, weights, scale.mean, scale.scale)
    return Classifier(LINEAR_SVM, formula=Linear(names, weighted))


def fit_squared_hinge(
    columns: Floats, hits: Floats, penalty: float
) -> tuple[tuple[float, ...], float]:
    """Give weights and intercept of the least sum of squared hinges and of the penalty.

    By the finite Newton method of Keerthi and DeCoste (2005). The penalty is on half the squares of
    the weights, not on the intercept. Raises ValueError without rows.
    """
    if not len(hits):
        raise ValueError("there are no rows to learn from")
    rows = np.hstack([np.ones((len(columns), 1)), columns])
    sign = np.where(hits == 1, 1.0, -1.0)
    ridge = np.full(rows.shape[1], max(penalty, 1e-9))
    ridge[0] = 1e-9

    def loss(weights: Floats) -> float:
        hinge = np.maximum(0.0, 1 - sign * (rows @ weights))
        return float((hinge**2).sum() + (ridge * weights**2).sum() / 2)

    def slopes(weights: Floats) -> tuple[Floats, Floats]:
        short = 1 - sign * (rows @ weights)
        # Those whose margin is short of 1 count.
        active = rows[short > 0]
        descent = 2 * active.T @ (sign * short)[short > 0] - ridge * weights
        return descent, 2 * active.T @ active + np.diag(ridge)

    weights = minimised(np.zeros(rows.shape[1]), loss, slopes)
    rounded = [round(float(one), DECIMALS) for one in weights]
    return tuple(rounded[1:]), rounded[0]


LEARNER = Learner(
    LINEAR_SVM,
    "linear support vector machine",
    fit_linear_svm,
    lambda settings: settings.linear_svm.model_dump(),
    grid=(
        {"linear_svm": {"penalty": 3000.0}},
        {"linear_svm": {"penalty": 1000.0}},
        {"linear_svm": {"penalty": 300.0}},
        {"linear_svm": {"penalty": 30.0}},
    ),
    complexity=lambda settings: (-settings.linear_svm.penalty,),
)
