"""What reports of models share: who decided, which figures are quoted, whether they chose, too."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from crm_spark.models.decisions import WHEN_TESTED, Decision, deciding
from crm_spark.models.records import MetricRow, read_metrics
from crm_spark.report.subject import ReportRequest
from crm_spark.report.words import figure, in_words, share


def decision_of(request: ReportRequest, model_name: str) -> Decision | None:
    """Give the decision by which a champion scores the date, under the settings at hand."""
    counting = request.counting_runs.get(model_name)
    return deciding(request.lake, model_name, request.day, counting)


def metrics_of(
    request: ReportRequest, train_job: str, decision: Decision | None
) -> list[MetricRow]:
    """Give the figures of the training that decided, or without one of the newest of the date."""
    training_run = decision.training_run_id if decision else None
    return read_metrics(request.lake, train_job, request.day, training_run)


def quoted(rows: Iterable[MetricRow]) -> tuple[MetricRow, ...]:
    """Give the figures of the newest cut-off: an earlier one chose the kind, and is not quoted."""
    found = tuple(rows)
    newest = max((row.cutoff for row in found), default=None)
    return tuple(row for row in found if row.cutoff == newest)


def why_in_words(decision: Decision, words: Mapping[str, str]) -> str:
    """Say as a sentence why a kind scores; `words` are those for the kinds."""
    why = in_words(decision.why, words)
    return f"{why[:1].upper()}{why[1:]}."


def champion_on_console(decision: Decision | None) -> list[str]:
    """Name the kind that scores on the console, and why; nothing without a decision."""
    if decision is None:
        return []
    why = decision.why.split(WHEN_TESTED)[0].split(":")[0]
    return textwrap.wrap(f"  champion: {decision.kind} ({why})", 98, subsequent_indent="    ")


def unseen(decision: Decision | None) -> str:
    """Say of figures that no candidate had seen their rows, and whether they chose, too."""
    if decision and decision.chose_itself:
        return "which no model had seen, but which chose the kind, too, for want of earlier ones"
    return "which no model had seen"


def unseen_on_console(of: str, decision: Decision | None) -> list[str]:
    """Say the same of a table of the console, in lines that fit."""
    return textwrap.wrap(f"{of}, {unseen(decision)}", 98, subsequent_indent="  ")


def figure_of(row: MetricRow | None, *, is_share: bool) -> str:
    """Write a figure of a table of candidates; nothing where it is not known."""
    if row is None or row.value is None:
        return ""
    return share(row.value) if is_share else figure(row.value, 3)
