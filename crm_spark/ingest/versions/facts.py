"""Facts of core tables that others need to know unread: days of the first and newest lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import Column, Row
from pyspark.sql import functions as F

FIRST_ORDER = "first_order_date"
NEWEST_EVENT = "newest_event_date"
# Of all lines, superseded and deleted ones, too: rates of later days change none of them.
NEWEST_LINE = "newest_line_date"
_NAMES = (FIRST_ORDER, NEWEST_EVENT, NEWEST_LINE)


@dataclass(frozen=True)
class LineDates:
    """Local days of lines: first order and newest event of those that stand, newest of all.

    A return is an event, but no order. None where there is no such line.
    """

    first_order: date | None = None
    newest_event: date | None = None
    newest_line: date | None = None

    @classmethod
    def of_facts(cls, facts: Mapping[str, str]) -> LineDates:
        """Read them from the facts of a row of ops.outputs."""
        return cls(*[_day(facts.get(name)) for name in _NAMES])

    @classmethod
    def of_row(cls, row: Row | Mapping[str, Any]) -> LineDates:
        """Read them from a row of line_date_aggregates."""
        return cls(*[row[name] for name in _NAMES])

    def as_facts(self) -> dict[str, str]:
        """Give them as facts, those that are known."""
        days = (self.first_order, self.newest_event, self.newest_line)
        return {name: day.isoformat() for name, day in zip(_NAMES, days, strict=True) if day}

    def with_added(self, added: LineDates) -> LineDates:
        """Give the days of these lines and others together."""
        return LineDates(
            min((day for day in (self.first_order, added.first_order) if day), default=None),
            max((day for day in (self.newest_event, added.newest_event) if day), default=None),
            max((day for day in (self.newest_line, added.newest_line) if day), default=None),
        )

    def may_lose(self, closed: LineDates) -> bool:
        """Whether lines that stand no more can have been the first or the newest."""
        is_first = closed.first_order is not None and closed.first_order == self.first_order
        return is_first or (
            closed.newest_event is not None and closed.newest_event == self.newest_event
        )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def line_date_aggregates() -> list[Column]:
    """Aggregates over core.transactions, named as the facts.

    Reads ordered_at, is_return, is_deleted and superseded_at.
    """
    stands = F.col("superseded_at").isNull() & ~F.col("is_deleted")
    at = F.col("ordered_at")
    # The first and last moments have the first and last days: two days to find, not one a line.
    return [
        F.to_date(F.min(F.when(stands & ~F.col("is_return"), at))).alias(FIRST_ORDER),
        F.to_date(F.max(F.when(stands, at))).alias(NEWEST_EVENT),
        F.to_date(F.max(at)).alias(NEWEST_LINE),
    ]
