"""Pipelines of MLlib's trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.classifiers.classifier import LABEL, Input, assembled
from crm_spark.models.rows import fixed_rows

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
