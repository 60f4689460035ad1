"""One run of the pipeline: its lock, its summary of jobs, the state that its jobs share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Protocol

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.errors import ConfigError
from crm_spark.lake.lock import lake_lock
from crm_spark.pipeline.lifecycle import Run, current_pipeline, current_state, record_run
from crm_spark.runtime.progress import redact
from crm_spark.runtime.run import Cost, RunSummary

_EVERY = re.compile(r"(\d+)([dw])")


class Runnable(Protocol):
    """What a pipeline asks of a job."""

    def run(
        self, spark: SparkSession, config: Config, as_of: date | None, **flags: Any
    ) -> RunSummary:
        """Run it."""


class PipelineRun:
    """Runs jobs one after another and collects their summaries."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.spark = run.spark
        self.config = run.config
        self.summary = run.summary

    def run_job(self, name: str, job: Runnable, day: date | None) -> RunSummary:
        """Run a job for a day and keep its summary, failed or not."""
        try:
            summary = job.run(self.spark, self.config, day)
        except BaseException as error:
            failed = getattr(error, "summary", None)
            if failed is not None and failed not in self.summary.jobs:
                self.summary.jobs.append(failed)
            # It may have written what no row stands for.
            self.run.state.look_again()
            raise
        self.summary.jobs.append(summary)
        return summary


@contextmanager
def pipeline_run(
    spark: SparkSession, config: Config, as_of: date | None, *, restart: bool
) -> Iterator[PipelineRun]:
    """Run a pipeline under the lake's lock and leave its row in ops.job_runs.

    An error passes on with the failed summary attached as `summary`.
    """
    summary = RunSummary("run_pipeline", as_of=as_of)
    summary.pipeline_run_id = summary.run_id
    run = Run(spark, config, summary)
    try:
        with lake_lock(spark, run.lake.root, job="run_pipeline"):
            if restart:
                run.state.force()
            tokens = current_pipeline.set(summary.run_id), current_state.set(run.state)
            try:
                yield PipelineRun(run)
            finally:
                current_pipeline.reset(tokens[0])
                current_state.reset(tokens[1])
            summary.cost = _cost_of(summary.jobs)
            summary.finish("succeeded")
            record_run(run.lake, config, summary)
    except BaseException as error:
        summary.finish("failed", redact(str(error) or type(error).__name__))
        error.summary = summary  # type: ignore[attr-defined]
        raise


def _cost_of(jobs: Sequence[RunSummary]) -> Cost:
    """Add the jobs' costs up; memory is the largest of them."""

    def known(name: str) -> list[float]:
        values = [getattr(job.cost, name) for job in jobs]
        return [value for value in values if value is not None]

    return Cost(
        peak_memory_bytes=int(max(known("peak_memory_bytes"), default=0)) or None,
        shuffle_bytes=int(sum(known("shuffle_bytes"))),
        spill_bytes=int(sum(known("spill_bytes"))),
        core_seconds=round(float(sum(known("core_seconds"))), 3),
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
