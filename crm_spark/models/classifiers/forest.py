"""A random forest."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.ml.regression import RandomForestRegressor
from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.classifiers.classifier import LABEL, RAW_SCORE, Classifier
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.pipelines import ASSEMBLED, fit_pipeline
from crm_spark.models.classifiers.settings import FOREST, LearnerSettings


def fit_forest(
    rows: DataFrame, features: Sequence[Feature], settings: LearnerSettings
) -> Classifier:
    """Grow a forest on labelled rows.

    A regression on the 0/1 label, since MLlib 4.2's classifier merges sibling leaves of one
    predicted class and so coarsens probabilities (SPARK-34591); the splits are the same, variance
    being half of the Gini impurity. Rows are not reweighted: a rare label stays rare.
    """
    forest = RandomForestRegressor(
        featuresCol=ASSEMBLED,
        labelCol=LABEL,
        predictionCol=RAW_SCORE,
        numTrees=settings.forest.n_trees,
        maxDepth=settings.forest.max_depth,
        minInstancesPerNode=settings.forest.min_instances_per_node,
        maxBins=settings.forest.max_bins,
        featureSubsetStrategy="sqrt",
        subsamplingRate=1.0,
        maxMemoryInMB=1024,
        # The same trees: each row remembers its node, and is not taken through the trees again
        # from their roots at every level.
        cacheNodeIds=True,
        seed=settings.seed,
    )
    per_partition = settings.forest.rows_per_partition
    inputs, pipeline = fit_pipeline(rows, features, forest, rows_per_partition=per_partition)
    return Classifier(FOREST, inputs=inputs, pipeline=pipeline)


LEARNER = Learner(
    FOREST,
    "random forest",
    fit_forest,
    lambda settings: settings.forest.model_dump(),
    grid=(
        {"forest": {"max_depth": 6}},
        {"forest": {"max_depth": 10}},
        {"forest": {"max_depth": 12, "min_instances_per_node": 10}},
        {"forest": {"max_depth": 12, "min_instances_per_node": 50}},
    ),
    complexity=lambda settings: (settings.forest.max_depth, settings.forest.n_trees),
)
