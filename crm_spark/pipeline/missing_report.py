"""The models that the data do not carry, on the page and on the console, each with its reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crm_spark.models.contract import AnyModel
from crm_spark.pipeline.days import DayPlan
from crm_spark.report.blocks import Section, TextTable
from crm_spark.report.subject import Subject


@dataclass(frozen=True)
class MissingModel:
    """A model that could not be trained: what it is about, its job, and why."""

    subject: str
    train_job: str
    reasons: tuple[str, ...]


def read_missing(plan: DayPlan, models: Iterable[AnyModel]) -> tuple[MissingModel, ...]:
    """Give those of the models whose training for the day ended without a version.

    One that an earlier version scored all the same is not missing.
    """
    found = []
    for model in models:
        reason = model.lacking(plan.config.mapped)
        if reason is None:
            row = plan.state.newest(plan.training_target(model).output)
            is_scored = any(plan.state.is_whole(one.output) for one in plan.score_targets(model))
            if row is not None and row.status == "unavailable" and not is_scored:
                reason = row.reason
        if reason is not None:
            day = plan.training_day_of(model)
            start = f"{model.section_name} cannot be trained as of {day}: "
            reasons = _faults(reason.removeprefix(start))
            found.append(MissingModel(model.section_name, model.train_job, reasons))
    return tuple(found)


def _faults(reason: str) -> tuple[str, ...]:
    """Take a list of faults apart; a reason alone is one."""
    _, *listed = reason.split("\n  - ")
    return tuple(listed) or (reason,)


def show_missing(missing: Iterable[MissingModel]) -> Subject | None:
    """List each model with its reasons; None where nothing is missing."""
    rows = [[one.subject, reason] for one in missing for reason in one.reasons]
    if not rows:
        return None
    table = TextTable("Models that the data do not carry, and what to do", ["Model", "Why"], rows)
    names = ", ".join(dict.fromkeys(name for name, _ in rows))
    line = f"Not to be had: {names} (the report and ops.checks say why)"
    return Subject((Section("missing", "What could not be had", [table]),), lines=(line,))
