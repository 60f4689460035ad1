"""run_pipeline: all jobs in order, for one date or for many; what is current is left alone."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config, parse_date
from crm_spark.errors import BusyError, ConfigError, CrmSparkError, DataError, listed
from crm_spark.features.family_checks import require_computable
from crm_spark.ingest.due import sources_due
from crm_spark.jobs.catalogue import Job, job_of, jobs_of_a_day, targets_of
from crm_spark.lake.state import Output, Target
from crm_spark.models.contract import AnyModel
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.graph import due, in_order
from crm_spark.pipeline.lifecycle import AS_OF_IS_NEEDED, Run
from crm_spark.pipeline.pipeline_run import PipelineRun, backfill_dates, pipeline_run
from crm_spark.pipeline.settings import feature_settings, ingest_settings
from crm_spark.runtime.progress import log, redact
from crm_spark.runtime.run import RunSummary
from crm_spark.words import counted

DESCRIPTION = "Run all jobs in order, for one date or for a range; what is current is left alone."
NEEDS_AS_OF = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that only the pipeline has."""
    add = parser.add_argument
    add("--from", type=parse_date, dest="first", metavar="DATE", help="back-fill: first as-of date")
    add("--to", type=parse_date, dest="last", metavar="DATE", help="back-fill: last as-of date")
    add(
        "--every", default="7d", metavar="7d", help="back-fill: days (d) or weeks (w) between dates"
    )
    add("--skip-training", action="store_true", help="score with the champion there is")
    add("--restart", action="store_true", help="make again what is current, too")


def run(
    spark: SparkSession,
    config: Config,
    as_of: date | None,
    *,
    first: date | None = None,
    last: date | None = None,
    every: str = "7d",
    skip_training: bool = False,
    restart: bool = False,
) -> RunSummary:
    """Ingest once, then make what is not current of each date. A summary with an entry a job.

    A date that fails ends a run for one date; a back-fill goes on with the next date, and fails at
    the end with the status of each.
    """
    dates = backfill_dates(as_of, first, last, every)
    if config.sources.transactions is None and None in dates:
        raise ConfigError(AS_OF_IS_NEEDED)
    with pipeline_run(spark, config, as_of, restart=restart) as pipeline:
        # Before a long ingest, as features come after it.
        if config.sources.transactions:
            require_computable(spark, feature_settings(config))
        _ingest_where_due(pipeline, dates[0], restart=restart)
        problems = _run_dates(pipeline, dates, skip_training=skip_training)
        _conclude(problems)
    return pipeline.summary


def _ingest_where_due(pipeline: PipelineRun, day: date | None, *, restart: bool) -> None:
    """Ingest where anything of a source is to be loaded, else say that all is there."""
    reasons = sources_due(pipeline.run, ingest_settings(pipeline.config))
    for name, reason in reasons.items():
        log.info("sources.%s: %s", name, reason)
    if reasons or restart:
        pipeline.run_job("ingest_sources", job_of("ingest_sources"), day)
    else:
        log.info("ingest_sources is current")


Problems = Sequence[tuple[date | None, CrmSparkError | None]]


def _run_dates(
    pipeline: PipelineRun, dates: Sequence[date | None], *, skip_training: bool
) -> Problems:
    found: list[tuple[date | None, CrmSparkError | None]] = []
    for number, asked in enumerate(dates, start=1):
        if len(dates) > 1:
            log.info("date %d of %d: %s", number, len(dates), asked)
        try:
            day = run_day(pipeline, asked, skip_training=skip_training)
            found.append((day, None))
        except CrmSparkError as error:
            if len(dates) == 1 or isinstance(error, BusyError):
                raise
            log.error("%s failed: %s", asked, redact(str(error)))
            found.append((asked, error))
    return found


def run_day(pipeline: PipelineRun, asked: date | None, *, skip_training: bool) -> date:
    """Make what is not current of one date and give it; report a model that fails at the end."""
    config = pipeline.config
    run = Run(pipeline.spark, config, RunSummary("run_pipeline", as_of=asked))
    plan = DayPlan.of(run)
    pipeline.summary.as_of = plan.day
    problems = _lacking_models(config)
    jobs = jobs_of_a_day(config)
    lost: set[Output] = set()  # what this run was to make and did not
    for name in in_order(targets_of(jobs, plan)):
        model = _model_of(name, config)
        if model is not None and skip_training and name == model.train_job:
            continue
        targets = targets_of({name: jobs[name]}, plan)[name]
        lacking = [read for target in targets for read in target.reads if read in lost]
        has_failed = model is not None and model.name in problems and name not in model.jobs_after
        if not has_failed and not lacking:
            try:
                _run_where_due(pipeline, name, jobs[name], plan, targets)
                continue
            except DataError as error:
                if model is None:
                    raise
                log.error("%s", redact(str(error)))
                problems[model.name] = error
        elif lacking and not has_failed:
            log.info("%s is left out: %s is not there", name, lacking[0])
        lost |= {target.output for target in targets}
    _raise_required(config, problems)
    return plan.day


def _lacking_models(config: Config) -> dict[str, DataError]:
    """Give the chosen models that the mapping lacks something for, and tell of them."""
    lacking: dict[str, DataError] = {}
    for model in config.chosen_models:
        if problem := model.lacking(config.mapped):
            log.info("%s and %s: %s", model.train_job, model.score_job, problem)
            lacking[model.name] = DataError(problem)
    return lacking


def _run_where_due(
    pipeline: PipelineRun, name: str, job: Job, plan: DayPlan, targets: Sequence[Target]
) -> None:
    """Run a job where something that it makes is not current, else say that all is.

    Raises DataError for what could not be had and still cannot, since nothing changed.
    """
    if due(plan.state, targets):
        pipeline.run_job(name, job, plan.day)
        return
    for target in targets:
        row = plan.state.newest(target.output)
        if row is not None and row.status == "unavailable":
            raise DataError(row.reason or f"{row.output} cannot be had")
    log.info("%s is current", name)


def _model_of(name: str, config: Config) -> AnyModel | None:
    """Give the model that a job trains, scores with or follows: where one fails, others go on."""
    for model in config.chosen_models:
        if name in (model.train_job, model.score_job, *model.jobs_after):
            return model
    return None


def _raise_required(config: Config, problems: Mapping[str, DataError]) -> None:
    """Fail for models that the configuration names; the others are reported, and that is all."""
    if config.models is None or not problems:
        return
    reasons = list(map(str, problems.values()))
    raise DataError(listed("models that cannot be had", reasons))


def _conclude(problems: Problems) -> None:
    """Show the status of each date of a back-fill; raise DataError where any failed."""
    if len(problems) > 1:
        for day, problem in problems:
            log.info("%s %s", day, f"failed: {redact(str(problem))}" if problem else "succeeded")
    failed = [day for day, problem in problems if problem]
    if failed:
        raise DataError(
            f"{len(failed)} of {counted(len(problems), 'date')} failed: "
            f"{', '.join(map(str, failed))}"
        )
