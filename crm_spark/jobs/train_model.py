"""train_model: train one model, by its name or by the module of your own."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.jobs.catalogue import add_model_argument
from crm_spark.models.registry import find_model
from crm_spark.pipeline.models import train_model
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Train one model, by its name or by the module that `models` names."
NEEDS_AS_OF = True

add_arguments = add_model_argument


def run(spark: SparkSession, config: Config, as_of: date | None, *, model: str) -> RunSummary:
    """Train the model as of the date."""
    return train_model(spark, config, as_of, find_model(model, config.known_models))
