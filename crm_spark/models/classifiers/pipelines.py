"""Pipelines of MLlib's trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.classifiers.classifier import (
    LABEL,
    RAW_SCORE,
    Classifier,
    Input,
    assembled,
    has_pipeline,
)
from crm_spark.models.model_run import StoredVersion
from crm_spark.models.rows import fixed_rows
from crm_spark.models.tracking import LoggedPipeline
from crm_spark.models.tree_shap import CoveredTree

# MLlib's column of what an estimator reads.
ASSEMBLED = "features"


def fit_pipeline(
    rows: DataFrame, features: Sequence[Feature], estimator: Any, *, rows_per_partition: int
) -> tuple[tuple[Input, ...], PipelineModel]:
    """Fit an estimator of MLlib on labelled rows, spread the same way whatever came before.

    Gives the inputs, nulls filled, and the pipeline that reads them.
    """
    inputs = tuple(Input(feature.name, feature.fill) for feature in features)
    assembler = VectorAssembler(inputCols=[one.name for one in inputs], outputCol=ASSEMBLED)
    read = fixed_rows(
        assembled(rows, inputs, keep=["customer_id", "as_of_date", LABEL]),
        key=("customer_id", "as_of_date"),
        rows_per_partition=rows_per_partition,
    )
    return inputs, Pipeline(stages=[assembler, estimator]).fit(read)


def logged_pipeline(classifier: Classifier, rows: DataFrame) -> LoggedPipeline | None:
    """Give a classifier's pipeline as it is stored, with an example of what it reads.

    None where it has none. `rows` have its features.
    """
    if classifier.pipeline is None:
        return None
    # MLlib's classifiers give vectors, which MLflow has no type for.
    outputs = () if classifier.is_boosted else (RAW_SCORE,)
    example = assembled(rows, classifier.inputs, keep=[])
    return LoggedPipeline(classifier.pipeline, example, outputs)


def stored_parts(
    stored: StoredVersion, spec: Mapping[str, Any]
) -> tuple[PipelineModel | None, Sequence[CoveredTree]]:
    """Give the pipeline and the trees that the classifier of a spec was stored with, if any."""
    return (stored.pipeline(), stored.trees()) if has_pipeline(spec) else (None, ())
