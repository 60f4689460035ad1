"""Gradient-boosted trees of MLlib."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.ml.classification import GBTClassifier
from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.classifiers.classifier import LABEL, RAW_SCORE, Classifier
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.pipelines import ASSEMBLED, fit_pipeline
from crm_spark.models.classifiers.settings import (
    BOOSTED_TREES,
    ROWS_PER_PARTITION,
    LearnerSettings,
)


def fit_boosted_trees(
    rows: DataFrame, features: Sequence[Feature], settings: LearnerSettings
) -> Classifier:
    """Boost trees on labelled rows. Friedman (2001), with the logistic loss.

    A boosted regression on the 0/1 label would leave the range from 0 to 1, beyond which all
    customers would be at the same risk; the trees of this loss add up to half the logit.
    """
    params = settings.boosted_trees
    trees = GBTClassifier(
        featuresCol=ASSEMBLED,
        labelCol=LABEL,
        maxIter=params.n_trees,
        maxDepth=params.max_depth,
        stepSize=params.learning_rate,
        minInstancesPerNode=params.min_instances_per_node,
        maxBins=params.max_bins,
        seed=settings.seed,
    ).setProbabilityCol(RAW_SCORE)
    inputs, pipeline = fit_pipeline(rows, features, trees, rows_per_partition=ROWS_PER_PARTITION)
    return Classifier(BOOSTED_TREES, inputs=inputs, pipeline=pipeline, is_boosted=True)


LEARNER = Learner(
    BOOSTED_TREES,
    "boosted trees",
    fit_boosted_trees,
    lambda settings: settings.boosted_trees.model_dump(),
    grid=(
        {"boosted_trees": {"max_depth": 2, "n_trees": 100}},
        {"boosted_trees": {"max_depth": 3, "n_trees": 100}},
        {"boosted_trees": {"max_depth": 4, "n_trees": 50}},
    ),
    complexity=lambda settings: (
        settings.boosted_trees.max_depth,
        settings.boosted_trees.n_trees,
    ),
)
