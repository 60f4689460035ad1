"""What every job does around its work: lock, lake, summary, cost, its row of ops.job_runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from pyspark.sql import SparkSession

import crm_spark
from crm_spark.config import Config
from crm_spark.errors import ConfigError, DataError
from crm_spark.features.targets import target_of
from crm_spark.lake.delta import Lake
from crm_spark.lake.lock import lake_lock
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import State
from crm_spark.pipeline.settings import feature_settings
from crm_spark.runtime.progress import log, redact
from crm_spark.runtime.run import RunSummary, TableCounts
from crm_spark.runtime.session import CostMeter, quick_for_few_rows
from crm_spark.tables.ops import JOB_RUNS

AS_OF_IS_NEEDED = "--as-of is needed: without sources.transactions no order says which day it is"
# Set by run_pipeline, so that the rows of its jobs name it.
current_pipeline: ContextVar[str | None] = ContextVar("current_pipeline", default=None)

# And so that they share what is known of the lake: it is read once a process.
current_state: ContextVar[State | None] = ContextVar("current_state", default=None)


class Run(LakeRun):
    """One job at work: its configuration, its lake and what is done there, its summary.

    With its date is settled what sections of models leave to the data; a run that `reads_only`
    keeps no row of it.
    """

    def __init__(
        self,
        spark: SparkSession,
        config: Config,
        summary: RunSummary,
        *,
        reads_only: bool = False,
    ) -> None:
        super().__init__(
            spark,
            config.storage,
            summary,
            time_zone=config.time_zone,
            state=current_state.get(),
            target_of=lambda output: target_of(feature_settings(self.config), output),
        )
        self.config = config
        self._reads_only = reads_only

    def day(self) -> date:
        """Give the as-of date, by default the day after the newest event, and note it.

        Where no orders are mapped, the date has to be given. Raises DataError for a date before
        which there is no order.
        """
        given = self.summary.as_of
        if self.config.sources.transactions is None:
            if given is None:
                raise ConfigError(AS_OF_IS_NEEDED)
            return given
        first, newest = self.order_dates()
        day = given or newest + timedelta(days=1)
        if day <= first:
            raise DataError(
                f"as_of {day} is before any data: the first order is of {first}, the newest of "
                f"{newest}"
            )
        if given is None:
            log.info("as of %s, the day after the newest order", day)
        elif day > newest + timedelta(days=1):
            log.warning(
                "the newest order is of %s: the days from then to %s look silent", newest, day
            )
        self.summary.as_of = day
        self.settle_sections(day)
        return day

    def settle_sections(self, day: date) -> None:
        """Settle what sections of models leave to the data, by the training day of a date."""
        training_day, (first, _) = self.config.training.newest_day(day), self.order_dates()
        by_day = training_day if training_day > first else day
        sections = {
            model.section_name: model.settled(
                self, self.config.section_of(model), by_day, keeps=not self._reads_only
            )
            for model in self.config.known_models
        }
        self.config = self.config.model_copy(update=sections)


@contextmanager
def job_run(
    spark: SparkSession, config: Config, job: str, as_of: date | None, *, is_load: bool = False
) -> Iterator[Run]:
    """Run a job's work under the lake's lock and leave its row in ops.job_runs, last of all.

    `is_load`: how many rows it works on does not follow from the tables of core that are there.
    An error passes on with the failed summary attached as `summary`.
    """
    summary = RunSummary(job=job, as_of=as_of, pipeline_run_id=current_pipeline.get())
    run = Run(spark, config, summary)
    try:
        with lake_lock(spark, run.lake.root, job=job):
            meter = CostMeter(spark)
            log.info("%s%s", job, f" as of {as_of}" if as_of else "")
            try:
                with quick_for_few_rows(spark, None if is_load else run.most_core_rows()):
                    yield run
            except BaseException as error:
                summary.cost = meter.read()
                summary.finish("failed", redact(str(error) or type(error).__name__))
                _record_failure(run.lake, config, summary)
                raise
            summary.cost = meter.read()
            summary.finish("succeeded")
            record_run(run.lake, config, summary)
            log.info("%s succeeded in %.1f s", job, summary.seconds)
    except BaseException as error:
        if summary.status == "running":
            summary.finish("failed", redact(str(error) or type(error).__name__))
        error.summary = summary  # type: ignore[attr-defined]
        raise


def record_run(lake: Lake, config: Config, summary: RunSummary) -> None:
    """Append the ended run to ops.job_runs."""
    row = {
        "run_id": summary.run_id,
        "pipeline_run_id": summary.pipeline_run_id,
        "job": summary.job,
        "status": summary.status,
        "as_of_date": summary.as_of,
        "config_fingerprint": config.fingerprint(),
        "started_at": summary.started_at,
        "seconds": summary.seconds,
        "rows_per_second": summary.rows_per_second,
        **asdict(summary.cost),
        "tables": [_counts_row(name, counts) for name, counts in summary.tables.items()],
        "models": [{"name": name, "version": version} for name, version in summary.models.items()],
        "error": summary.error,
        "package_version": crm_spark.__version__,
    }
    lake.append_rows(JOB_RUNS, [row])


def _counts_row(name: str, counts: TableCounts) -> dict[str, Any]:
    cleaned = [{"effect": effect, "n_rows": n} for effect, n in sorted(counts.cleaned.items())]
    figures = {key: value for key, value in asdict(counts).items() if "files_" not in key}
    return {**figures, "name": name, "cleaned": cleaned}


def _record_failure(lake: Lake, config: Config, summary: RunSummary) -> None:
    """Leave a failed row where that is possible; the error at hand matters more than the row."""
    try:
        record_run(lake, config, summary)
    except Exception as error:  # noqa: BLE001 - storage may be what failed
        log.warning("the failed run could not be recorded in ops.job_runs: %s", error)
