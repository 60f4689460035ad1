"""Collects what every subject shows of a date, for the page and for the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import crm_spark
from crm_spark.config import Config
from crm_spark.features.base_report import base_subject
from crm_spark.features.rfm_report import rfm_subject
from crm_spark.lake.delta import Lake
from crm_spark.models.candidate_report import decision_of
from crm_spark.models.contract import AnyModel
from crm_spark.models.targets import training_name
from crm_spark.pipeline.cost_report import read_costs, show_costs
from crm_spark.pipeline.data_facts import DataFacts, read_data
from crm_spark.pipeline.data_report import show_data
from crm_spark.pipeline.days import DayPlan, made_models
from crm_spark.pipeline.lifecycle import Run
from crm_spark.pipeline.missing_report import MissingModel, read_missing, show_missing
from crm_spark.report.blocks import Page
from crm_spark.report.page import Heading, build_page
from crm_spark.report.subject import ReportRequest, Subject

# Who counts as active where no model says.
ACTIVE_DAYS = 84


def subjects_of(run: Run, plan: DayPlan) -> list[Subject]:
    """Give the base, RFM, each model or why it is missing, the data and the costs."""
    day, config = plan.day, plan.config
    models = config.chosen_models
    counting = {model.registered_name: counting_runs(run, model) for model in models}
    request = ReportRequest(
        run,
        day,
        config.mapped,
        config.report,
        {table.name: table for model in models for table in model.tables},
        counting,
    )
    decisions = [decision_of(request, model.registered_name) for model in models]
    training_runs = {one.training_run_id for one in decisions if one}
    data = read_data(
        request,
        training_runs=training_runs | _refused_runs(plan),
        quiet_advice={check for model in models for check in model.quiet_advice},
    )
    reports = [model.report(request, config.section_of(model)) for model in models]
    missing = read_missing(plan, models)
    of_orders = (
        [base_subject(request, active_days=_active_days(config)), rfm_subject(request)]
        if config.sources.transactions
        else []
    )
    found = [
        *of_orders,
        *reports,
        show_missing(missing),
        show_data(_without_errors_of(missing, data), config.report),
        show_costs(read_costs(request)),
    ]
    return [subject for subject in found if subject is not None]


def _refused_runs(plan: DayPlan) -> set[str]:
    """Give the runs that refused to train what is to score the day."""
    models = made_models(plan.config)
    rows = [plan.state.newest(plan.training_target(model).output) for model in models]
    return {row.run_id for row in rows if row is not None and row.status == "unavailable"}


def _without_errors_of(missing: Sequence[MissingModel], data: DataFacts) -> DataFacts:
    """Leave out the errors that stand among the reasons of a missing model."""
    jobs = {one.train_job for one in missing}
    kept = [row for row in data.checks if row.level != "error" or row.job not in jobs]
    return replace(data, checks=tuple(kept))


def counting_runs(run: Run, model: AnyModel) -> frozenset[str]:
    """Give the trainings of a model that ended, under the settings at hand."""
    name = training_name(model, run.config.section_of(model))
    outputs = run.state.outputs(name)
    rows = [row for output in outputs for row in run.state.rows(output)]
    return frozenset(row.run_id for row in rows if row.status == "written")


def _active_days(config: Config) -> int:
    """Give after how many days without an order a customer is no longer active."""
    sections = [config.section_of(model) for model in config.known_models]
    days = [getattr(section, "active_days", None) for section in sections]
    return next((found for found in days if found), ACTIVE_DAYS)


def page_of(plan: DayPlan, subjects: list[Subject]) -> Page:
    """Give the report of the date."""
    config = plan.config
    trained = {plan.training_day_of(model) for model in made_models(config)} - {plan.day}
    heading = Heading(
        config.report.title,
        plan.day,
        config.time_zone,
        crm_spark.__version__,
        trained_as_of=max(trained, default=None),
    )
    glossary = [pair for model in config.chosen_models for pair in model.glossary]
    return build_page(heading, subjects, glossary)


def results_of(lake: Lake, config: Config, day: date, subjects: list[Subject]) -> list[str]:
    """Give what was found and how far to trust it, as lines of the console."""
    return [
        "",
        f"Results as of {day}",
        *[line for subject in subjects for line in subject.lines],
        f"Tables: {lake.root}/<layer>/<table>   Models: {config.tracking.uri}",
    ]
