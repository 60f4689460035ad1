"""write_report: one page of HTML that says what the tables of a date hold and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT, PRODUCT_PRICES
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.lake.lock import local_path
from crm_spark.lake.run import Finished
from crm_spark.lake.state import Output, Target
from crm_spark.models.tracking import Tracker
from crm_spark.pipeline.days import DayPlan, made_models
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.pipeline.report import page_of, results_of, subjects_of
from crm_spark.report.blocks import render
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import SOURCE_TABLES, rejected

DESCRIPTION = "Write the report of the date: one page of HTML, also kept in MLflow."
NEEDS_AS_OF = True

# Raise it with every change of what the page shows.
GENERATION = 2


def targets(plan: DayPlan) -> Sequence[Target]:
    """Give the page of a day: it shows whatever there is by then."""
    day, config = plan.day, plan.config
    shown = [Output(PRODUCT_PRICES.name, day), Output(CUSTOMER_RFM.name, day)]
    for model in made_models(config):
        section = config.section_of(model)
        scores = plan.score_targets(model)
        shown += [plan.training_target(model).output, *[score.output for score in scores]]
        shown += model.shows(section, day, plan.state)
    shown += [Output(rejected(table).name) for table in SOURCE_TABLES.values()]
    has_orders = config.sources.transactions is not None
    needed = (Output(CUSTOMER_SNAPSHOT.name, day), Output(CUSTOMER_ORDERS.name))
    return [
        Target(
            Output("report", day),
            needed if has_orders else (),
            config.report.model_dump(mode="json", exclude_defaults=True),
            GENERATION,
            optional=tuple(shown),
        )
    ]


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write the page to report.path, or into the lake; what a run did not make is left out.

    The console says the same in short, from the same facts.
    """
    with job_run(spark, config, "write_report", as_of) as job:
        plan = DayPlan.of(job)
        day = plan.day
        (target,) = targets(plan)
        job.require(target)
        with stage(spark, "report"):
            subjects = subjects_of(job, plan)
            page = render(page_of(plan, subjects))
            path = _path(job, day)
            HadoopFile(spark, path).write_text(page)
        Tracker(config.tracking, lake_root=job.lake.root).log_report(page, as_of=day.isoformat())
        for line in results_of(job.lake, config, day, subjects):
            log.info("%s", line)
        log.info("report: %s", path)
        job.finish(Finished(target, facts={"path": path}))
        return job.summary


def _path(job: Run, day: date) -> str:
    given = job.config.report.path
    if given is None:
        return f"{job.lake.root}/reports/{day.isoformat()}.html"
    return str(local_path(given) or given)
