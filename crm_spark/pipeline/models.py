"""Runs the training, scoring or backtest of any model as a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.features.build import snapshots
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_PRICES
from crm_spark.lake.contract import Table
from crm_spark.models.backtest import backtest
from crm_spark.models.contract import AnyModel, ModelRun
from crm_spark.models.decisions import promote
from crm_spark.models.registry import MODELS
from crm_spark.models.score import score
from crm_spark.models.tracking import Tracker
from crm_spark.models.train import train
from crm_spark.pipeline.days import DayPlan, first_order
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.pipeline.settings import feature_settings
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import RunSummary

Built = Mapping[Table, Callable[[Sequence[date]], DataFrame]]


def train_model(
    spark: SparkSession, config: Config, as_of: date | None, model: AnyModel
) -> RunSummary:
    """Train a model for the date: as of it, or of the training day before it, unless that is kept.

    By hand a training that is kept is made anew as of its own day.
    """
    with job_run(spark, config, model.train_job, as_of) as job:
        run = model_run(job, model)
        plan = DayPlan(job.config, run.day, first_order(job), job.state)
        target, day = plan.training_target(model), plan.training_day_of(model)
        if plan.is_kept(target):
            log.info("%s is kept until the next training day", target.output)
            return job.summary
        if day != run.day:
            log.info("%s scores %s as trained as of %s", model.name, run.day, day)
        train(model, replace(run, day=day), config.tracking)
        return job.summary


def score_model(
    spark: SparkSession, config: Config, as_of: date | None, model: AnyModel
) -> RunSummary:
    """Write the scores of the date."""
    with job_run(spark, config, model.score_job, as_of) as job:
        score(model, model_run(job, model), config.tracking)
        return job.summary


def promote_model(
    spark: SparkSession, config: Config, as_of: date | None, model: AnyModel, to: str
) -> RunSummary:
    """Have another version score from the date on, until the next training decides."""
    with job_run(spark, config, "promote_model", as_of) as job:
        run = model_run(job, model)
        tracker = Tracker(config.tracking, lake_root=job.lake.root)
        promote(job, tracker, model, run.section, to, run.day)
        return job.summary


def backtest_model(
    spark: SparkSession, config: Config, as_of: date | None, model: AnyModel
) -> RunSummary:
    """Walk a model over past cut-offs; their snapshots are built for it where it reads any."""
    with job_run(spark, config, model.backtest_job, as_of) as job:
        job.day()  # which settles the configuration
        built = {CUSTOMER_SNAPSHOT: partial(snapshots, job, feature_settings(job.config))}
        backtest(model, model_run(job, model, built))
        return job.summary


def model_run(job: Run, model: AnyModel, built: Built | None = None) -> ModelRun[Any]:
    """Give what a model has at hand in a job.

    Raises DataError where the configuration lacks something for it, before the lake is read.
    """
    if problem := model.lacking(job.config.mapped):
        raise DataError(problem)
    day = job.day()
    section = job.config.section_of(model)
    features = feature_settings(job.config).features
    scores = [table for one in MODELS for table in one.tables]
    tables = {table.name: table for table in (PRODUCT_PRICES, *scores)}
    return ModelRun(job, section, day, job.config.mapped, built or {}, features, tables)
