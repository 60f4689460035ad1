"""run_pipeline: all jobs in order, for one date or for many."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, parse_date
from crm_spark.errors import BusyError, ConfigError, CrmSparkError, DataError, listed
from crm_spark.jobs.catalogue import Job, chain_of, job_of
from crm_spark.lake.delta import Lake
from crm_spark.lake.lock import lake_lock
from crm_spark.pipeline.lifecycle import current_pipeline, record_run
from crm_spark.runtime.progress import log, redact
from crm_spark.runtime.run import Cost, RunSummary
from crm_spark.tables.ops import JOB_RUNS

DESCRIPTION = (
    "Run all jobs in order, for one date or for a range; go on where a failed run stopped."
)
NEEDS_AS_OF = True

# What all models read. A failure here ends the date.
FEATURE_JOBS = ("build_features", "score_rfm")
_EVERY = re.compile(r"(\d+)([dw])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that only the pipeline has."""
    add = parser.add_argument
    add("--from", type=parse_date, dest="first", metavar="DATE", help="back-fill: first as-of date")
    add("--to", type=parse_date, dest="last", metavar="DATE", help="back-fill: last as-of date")
    add(
        "--every", default="7d", metavar="7d", help="back-fill: days (d) or weeks (w) between dates"
    )
    add("--skip-training", action="store_true", help="score with the champion there is")
    add("--restart", action="store_true", help="run again what succeeded before a failure, too")


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
    """Ingest once, then run the jobs of each date. A summary with one entry for each job.

    A date that fails ends a run for one date; a back-fill goes on with the next date, and fails at
    the end with the status of each.
    """
    dates = backfill_dates(as_of, first, last, every)
    summary = RunSummary("run_pipeline", as_of=as_of)
    lake = Lake(spark, config.storage, summary.run_id)
    try:
        with lake_lock(lake.root, job="run_pipeline"):
            done = set() if restart else _done_before(lake, config, summary, dates)
            summary.pipeline_run_id = summary.pipeline_run_id or summary.run_id
            token = current_pipeline.set(summary.pipeline_run_id)
            try:
                statuses = _run_dates(spark, config, summary, dates, done, skip_training)
            finally:
                current_pipeline.reset(token)
            _conclude(summary, statuses)
            summary.cost = _cost_of(summary.jobs)
            summary.finish("succeeded")
            record_run(lake, config, summary)
    except BaseException as error:
        held = getattr(error, "summary", None)
        if held is not None and held not in summary.jobs:
            summary.jobs.append(held)
        summary.finish("failed", redact(str(error) or type(error).__name__))
        error.summary = summary  # type: ignore[attr-defined]
        raise
    return summary


def _cost_of(jobs: Sequence[RunSummary]) -> Cost:
    """Add the jobs' costs up; memory is the largest of them."""

    def known(name: str) -> list[float]:
        values = [getattr(job.cost, name) for job in jobs]
        return [value for value in values if value is not None]

    return Cost(
        peak_memory_bytes=int(max(known("peak_memory_bytes"), default=0)) or None,
        shuffle_bytes=int(sum(known("shuffle_bytes"))),
        spill_bytes=int(sum(known("spill_bytes"))),
        core_seconds=round(sum(known("core_seconds")), 3),
    )


def backfill_dates(
    as_of: date | None, first: date | None, last: date | None, every: str
) -> list[date | None]:
    """Give the as-of dates to run for; [None] lets the data decide.

    Raises ConfigError for flags that contradict one another.
    """
    if first is None and last is None:
        return [as_of]
    if as_of is not None or first is None or last is None:
        raise ConfigError("a back-fill needs --from and --to, and no --as-of")
    match = _EVERY.fullmatch(every)
    if not match or int(match[1]) == 0:
        raise ConfigError(f"--every {every}: expected a number of days or weeks, such as 7d or 1w")
    if last < first:
        raise ConfigError(f"--to {last} is before --from {first}")
    step = timedelta(days=int(match[1]) * (7 if match[2] == "w" else 1))
    return [first + index * step for index in range((last - first) // step + 1)]


Done = set[tuple[str, date | None]]
Statuses = list[tuple[date | None, CrmSparkError | None]]


def _done_before(
    lake: Lake, config: Config, summary: RunSummary, dates: Sequence[date | None]
) -> Done:
    """Give the jobs that succeeded in the newest pipeline run of this configuration, if it failed.

    Jobs of a date count only when the dates are the ones asked for now; a pipeline that succeeded
    has a row of its own and is never continued.
    """
    if not lake.exists(JOB_RUNS):
        return set()
    runs = lake.read(JOB_RUNS).where(
        F.col("pipeline_run_id").isNotNull() & (F.col("config_fingerprint") == config.fingerprint())
    )
    newest = runs.orderBy(F.desc("started_at")).limit(1).collect()
    if not newest:
        return set()
    pipeline = newest[0]["pipeline_run_id"]
    rows: list[Row] = (
        runs.where(F.col("pipeline_run_id") == pipeline)
        .select("job", "status", "as_of_date", "started_at")
        .collect()
    )
    if any(row["job"] == "run_pipeline" for row in rows):
        return set()
    done: Done = {
        (row["job"], row["as_of_date"])
        for row in rows
        if row["status"] == "succeeded"
        and (row["as_of_date"] in dates or row["as_of_date"] is None)
    }
    if done:
        summary.pipeline_run_id = pipeline
        log.info("going on with pipeline run %s, which stopped before its end", pipeline)
    return done


def _run_dates(
    spark: SparkSession,
    config: Config,
    summary: RunSummary,
    dates: Sequence[date | None],
    done: Done,
    skip_training: bool,
) -> Statuses:
    _run_job(
        spark,
        config,
        summary,
        ("ingest_sources", job_of("ingest_sources")),
        None,
        done,
        ingest_before=dates[0],
    )
    statuses: Statuses = []
    for index, asked in enumerate(dates, start=1):
        if len(dates) > 1:
            log.info("date %d of %d: %s", index, len(dates), asked)
        try:
            day = _run_date(spark, config, summary, asked, done, skip_training)
            statuses.append((day, None))
        except CrmSparkError as error:
            if len(dates) == 1 or isinstance(error, BusyError):
                raise
            log.error("%s failed: %s", asked, redact(str(error)))
            _keep_summary(summary, error)
            statuses.append((asked, error))
    return statuses


def _run_date(
    spark: SparkSession,
    config: Config,
    summary: RunSummary,
    asked: date | None,
    done: Done,
    skip_training: bool,
) -> date | None:
    """Run all jobs of one date and give it.

    A model that `models` names and that cannot be had is an error at the end; without the key it is
    left out.
    """
    day = asked
    for name in FEATURE_JOBS:
        day = _run_job(spark, config, summary, (name, job_of(name)), day, done)
    # Each model by itself: where one cannot be had, the others still are.
    problems: list[CrmSparkError] = []
    for model in config.chosen_models:
        try:
            if problem := model.lacks(config.mapped):
                raise DataError(problem)
            for named in chain_of(model)[1:] if skip_training else chain_of(model):
                _run_job(spark, config, summary, named, day, done)
        except DataError as error:
            _keep_summary(summary, error)
            reason = redact(str(error))
            if config.models is None:
                log.warning("%s is left out: %s", model.section_name, reason)
            else:
                log.error("%s", reason)
                problems.append(error)
    # Written anew also where it was before: a model that failed then may be there now.
    _run_job(spark, config, summary, ("write_report", job_of("write_report")), day, set())
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise DataError(listed("models that cannot be had", list(map(str, problems))))
    return day


def _keep_summary(summary: RunSummary, error: CrmSparkError) -> None:
    held = getattr(error, "summary", None)
    if held is not None and held not in summary.jobs:
        summary.jobs.append(held)


def _run_job(
    spark: SparkSession,
    config: Config,
    summary: RunSummary,
    named: tuple[str, Job],
    day: date | None,
    done: Done,
    *,
    ingest_before: date | None = None,
) -> date | None:
    """Run one job unless it is done, and give the date it ran for.

    The ingest itself is of no date, but refuses a first date that lies before any data.
    """
    name, job = named
    if (name, day) in done:
        log.info("%s succeeded before and is skipped", name)
        return day
    held: RunSummary = job.run(spark, config, ingest_before or day)
    summary.jobs.append(held)
    summary.as_of = held.as_of or summary.as_of
    return held.as_of or day


def _conclude(summary: RunSummary, statuses: Statuses) -> None:
    """Show the status of each date of a back-fill; raise DataError where any failed."""
    if len(statuses) > 1:
        for day, problem in statuses:
            log.info("%s %s", day, f"failed: {redact(str(problem))}" if problem else "succeeded")
    failed = [day for day, problem in statuses if problem]
    if failed:
        raise DataError(
            f"{len(failed)} of {len(statuses)} dates failed: {', '.join(map(str, failed))}"
        )
