"""A logistic regression on all features."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.classifiers.classifier import LABEL, Classifier
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.linear import fit_linear
from crm_spark.models.classifiers.settings import LOGISTIC_REGRESSION, LearnerSettings

# A rule is not to be held back; the penalty keeps what parts the outcomes from running away.
_PENALTY_OF_RULE = 1e-3


def fit_logistic_regression(
    rows: DataFrame, features: Sequence[Feature], settings: LearnerSettings
) -> Classifier:
    """Fit a logistic regression on all features, held back by a ridge penalty."""
    names = [feature.name for feature in features]
    linear = fit_linear(rows, names, label=LABEL, penalty=settings.logistic_penalty)
    return Classifier(LOGISTIC_REGRESSION, formula=linear)


def rule(name: str, in_words: str, features: Sequence[str]) -> Learner:
    """Give a trivial rule: a logistic regression on a few features that everybody has."""

    def fit(rows: DataFrame, _: Sequence[Feature], __: LearnerSettings) -> Classifier:
        linear = fit_linear(rows, features, label=LABEL, penalty=_PENALTY_OF_RULE)
        return Classifier(name, formula=linear)

    return Learner(name, in_words, fit, is_rule=True)


LEARNER = Learner(
    LOGISTIC_REGRESSION,
    "logistic regression",
    fit_logistic_regression,
    lambda settings: {"logistic_penalty": settings.logistic_penalty},
    grid=(
        {"logistic_penalty": 1000.0},
        {"logistic_penalty": 300.0},
        {"logistic_penalty": 30.0},
        {"logistic_penalty": 10.0},
    ),
    complexity=lambda settings: (-settings.logistic_penalty,),
)
