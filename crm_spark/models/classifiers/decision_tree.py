"""A single decision tree, which can be read whole."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.ml.regression import RandomForestRegressor
from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.classifiers.classifier import LABEL, RAW_SCORE, Classifier
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.pipelines import ASSEMBLED, fit_pipeline
from crm_spark.models.classifiers.settings import (
    DECISION_TREE,
    ROWS_PER_PARTITION,
    LearnerSettings,
)


def fit_decision_tree(
    rows: DataFrame, features: Sequence[Feature], settings: LearnerSettings
) -> Classifier:
    """Grow one tree on all labelled rows and features.

    A regression on the 0/1 label for the reason of the forest's; MLlib itself grows a tree as a
    forest of one, without drawing rows or features.
    """
    params = settings.decision_tree
    tree = RandomForestRegressor(
        featuresCol=ASSEMBLED,
        labelCol=LABEL,
        predictionCol=RAW_SCORE,
        numTrees=1,
        bootstrap=False,
        featureSubsetStrategy="all",
        maxDepth=params.max_depth,
        minInstancesPerNode=params.min_instances_per_node,
        maxBins=params.max_bins,
        seed=settings.seed,
    )
    inputs, pipeline = fit_pipeline(rows, features, tree, rows_per_partition=ROWS_PER_PARTITION)
    return Classifier(DECISION_TREE, inputs=inputs, pipeline=pipeline)


LEARNER = Learner(
    DECISION_TREE,
    "decision tree",
    fit_decision_tree,
    lambda settings: settings.decision_tree.model_dump(),
    grid=(
        {"decision_tree": {"max_depth": 4}},
        {"decision_tree": {"max_depth": 6}},
        {"decision_tree": {"max_depth": 8, "min_instances_per_node": 100}},
    ),
    complexity=lambda settings: (settings.decision_tree.max_depth,),
)
