"""promote_model: have another version of a model score, such as the champion before this one."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.jobs.catalogue import add_model_argument
from crm_spark.models.registry import find_model
from crm_spark.pipeline.models import promote_model
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Have another version of a model score from the date on: its former champion, say."
NEEDS_AS_OF = True


def add_arguments(parser: ArgumentParser) -> None:
    """Add which model, and to which version."""
    add_model_argument(parser)
    parser.add_argument(
        "--to",
        required=True,
        metavar="VERSION",
        help="a version that a training decided on, or previous: the champion before this one",
    )


def run(
    spark: SparkSession, config: Config, as_of: date | None, *, model: str, to: str
) -> RunSummary:
    """Leave a decision, by which the version scores until the next training decides."""
    return promote_model(spark, config, as_of, find_model(model, config.known_models), to)
