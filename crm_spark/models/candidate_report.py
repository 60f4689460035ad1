"""What reports of models share: which figures are quoted, and whether they chose themselves."""

from __future__ import annotations

from collections.abc import Iterable

from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow


def quoted(rows: Iterable[MetricRow]) -> tuple[MetricRow, ...]:
    """Give the figures of the newest cut-off: an earlier one chose the kind, and is not quoted."""
    found = tuple(rows)
    newest = max((row.cutoff for row in found), default=None)
    return tuple(row for row in found if row.cutoff == newest)


def unseen(decision: Decision | None) -> str:
    """Say of figures that no candidate had seen their rows, and whether they chose, too."""
    if decision and decision.chose_itself:
        return "which no model had seen, but which chose the kind, too, for want of earlier ones"
    return "which no model had seen"
