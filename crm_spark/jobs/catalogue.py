"""Every job by its name: modules of crm_spark.jobs, and two jobs for each model of the registry."""

from __future__ import annotations

import importlib
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from typing import Any, Protocol, cast, runtime_checkable

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.jobs.of_models import ScoreJob, TrainJob
from crm_spark.lake.state import Target
from crm_spark.models.contract import AnyModel
from crm_spark.models.registry import MODELS
from crm_spark.pipeline.days import DayPlan, made_models
from crm_spark.runtime.run import RunSummary


def jobs_after(models: Iterable[AnyModel]) -> tuple[str, ...]:
    """Give the jobs that follow the scores of models, each once."""
    return tuple(dict.fromkeys(name for model in models for name in model.jobs_after))


# In the order of the pipeline.
JOBS = (
    "ingest_sources",
    "build_features",
    "score_rfm",
    *[job for model in MODELS for job in (model.train_job, model.score_job)],
    *jobs_after(MODELS),
    "write_report",
    "run_pipeline",
    "train_model",
    "score_model",
    "promote_model",
    "replay_rejected",
    *[model.backtest_job for model in MODELS if model.backtest_in_words],
    "backtest_alerts",
    "maintain_tables",
    "make_sample",
    "draft_config",
    "check_config",
    "status",
    "show",
)


@runtime_checkable
class PipelineJob(Protocol):
    """A job that says what it makes for a day: a pipeline runs it where that is not current."""

    def targets(self, plan: DayPlan) -> Sequence[Target]:
        """Give what it makes."""


class Job(Protocol):
    """What the command line asks of a job; one with flags of its own has add_arguments(), too."""

    @property
    def DESCRIPTION(self) -> str:
        """What the help says."""

    @property
    def NEEDS_AS_OF(self) -> bool:
        """Whether it has a date."""

    def run(
        self, spark: SparkSession, config: Config | None, as_of: date | None, **flags: Any
    ) -> RunSummary:
        """Run it."""


def job_of(name: str) -> Job:
    """Give a job by its name: its module, else that of a model that has none."""
    if find_spec(f"crm_spark.jobs.{name}"):
        return cast(Job, importlib.import_module(f"crm_spark.jobs.{name}"))
    of_models = {job.name: job for model in MODELS for job in jobs_of(model)}
    return cast(Job, of_models[name])


def needs_config(job: Job) -> bool:
    """Whether a job is for a configuration; one that has none yet says NEEDS_CONFIG = False."""
    return bool(getattr(job, "NEEDS_CONFIG", True))


def jobs_of(model: AnyModel) -> tuple[TrainJob, ScoreJob]:
    """Give the two jobs of a model, in order."""
    return TrainJob(model), ScoreJob(model)


def jobs_of_a_day(config: Config) -> dict[str, Job]:
    """Give the jobs that a pipeline runs for a date, by their names, as they are declared."""
    of_orders = ("build_features", "score_rfm") if config.sources.transactions else ()
    jobs: dict[str, Job] = {name: job_of(name) for name in of_orders}
    for model in made_models(config):
        for job in jobs_of(model):
            jobs[job.name] = job_of(job.name) if model in MODELS else cast(Job, job)
    for name in jobs_after(made_models(config)):
        jobs[name] = job_of(name)
    jobs["write_report"] = job_of("write_report")
    return jobs


def targets_of(jobs: Mapping[str, Job], plan: DayPlan) -> dict[str, Sequence[Target]]:
    """Give what each of these jobs makes for a day."""
    return {name: job.targets(plan) for name, job in jobs.items() if isinstance(job, PipelineJob)}


def add_model_argument(parser: ArgumentParser) -> None:
    """Add which model a job is for."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="its name, such as churn, or the module of your own, such as my_company.next_amount",
    )
