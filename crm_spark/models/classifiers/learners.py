"""All learners: a new one is a file of its own, and its name here and in the settings."""

from __future__ import annotations

from importlib.util import find_spec

from crm_spark.errors import ConfigError
from crm_spark.models.classifiers import (
    average,
    boosted_trees,
    decision_tree,
    forest,
    linear_svm,
    logistic_regression,
    perceptron,
    xgboost,
)
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.settings import XGBOOST, LearnerSettings

# What is made of others comes last.
LEARNERS: tuple[Learner, ...] = (
    forest.LEARNER,
    logistic_regression.LEARNER,
    decision_tree.LEARNER,
    linear_svm.LEARNER,
    perceptron.LEARNER,
    boosted_trees.LEARNER,
    xgboost.LEARNER,
    average.LEARNER,
)


def learner_named(name: str) -> Learner:
    """Give a learner by its name."""
    return next(learner for learner in LEARNERS if learner.name == name)


def require_installed(settings: LearnerSettings) -> None:
    """Refuse to train what lacks its package: scores need none. Raises ConfigError."""
    if XGBOOST in settings.candidates and find_spec("xgboost") is None:
        raise ConfigError(
            "candidates names xgboost, which is not installed: pip install '.[xgboost]' in the "
            "checkout, or leave it out"
        )


def learners_of(settings: LearnerSettings) -> tuple[Learner, ...]:
    """Give the learners that the settings name."""
    return tuple(one for one in LEARNERS if one.name in settings.candidates)
