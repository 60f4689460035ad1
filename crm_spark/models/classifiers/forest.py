"""A random forest."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import RandomForestRegressor
from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.classifiers.classifier import (
    LABEL,
    RAW_SCORE,
    Classifier,
    Input,
    assembled,
)
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.settings import FOREST, LearnerSettings
from crm_spark.models.rows import fixed_rows


def fit_forest(
    rows: DataFrame, features: Sequence[Feature], settings: LearnerSettings
) -> Classifier:
    """Grow a forest on labelled rows.

    A regression on the 0/1 label, since MLlib 4.2's classifier merges sibling leaves of one
    predicted class and so coarsens probabilities (SPARK-34591); the splits are the same, variance
    being half of the Gini impurity. Rows are not reweighted: a rare label stays rare.
    """
    inputs = tuple(Input(feature.name, feature.fill) for feature in features)
    forest = RandomForestRegressor(
        featuresCol="features",
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
    assembler = VectorAssembler(
        inputCols=[feature.name for feature in inputs], outputCol="features"
    )
    read = fixed_rows(
        assembled(rows, inputs, keep=["customer_id", "as_of_date", LABEL]),
        key=("customer_id", "as_of_date"),
        rows_per_partition=settings.forest.rows_per_partition,
    )
    pipeline = Pipeline(stages=[assembler, forest]).fit(read)
    return Classifier(FOREST, inputs=inputs, pipeline=pipeline)


LEARNER = Learner(FOREST, fit_forest, lambda settings: settings.forest.model_dump())
