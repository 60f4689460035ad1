"""How figures, days and names are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Protocol

from crm_spark.report.section import ReportSection


class Interval(Protocol):
    """A figure with its 95 % interval, where it has one."""

    @property
    def value(self) -> float | None:
        """The figure; None: not known."""

    @property
    def low(self) -> float | None:
        """The lower end; None: there is no interval."""

    @property
    def high(self) -> float | None:
        """The upper end."""


def day_in_words(day: date) -> str:
    """Write a date: 1 December 2017."""
    return f"{day.day} {day:%B %Y}"


def decimal(value: float, decimals: int = 0) -> str:
    """Write a number with so many decimals; what rounds to zero has no sign."""
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"


def money(style: ReportSection, value: float | None, *, cents: bool = False) -> str:
    """Write an amount, in whole units or with cents."""
    if value is None:
        return "unknown"
    return f"{style.currency}{decimal(value, 2 if cents else 0)}"


def share(value: float | None, decimals: int = 0) -> str:
    """Write a share as a percentage."""
    return "unknown" if value is None else f"{decimal(100 * value, decimals)}%"


def plain(name: str) -> str:
    """Give a name of ours as words: underscores become spaces."""
    return name.removeprefix("n_").replace("_", " ")


def figure(value: float | None, decimals: int = 4) -> str:
    """Write a metric; nothing where it is not known."""
    return "" if value is None else decimal(value, decimals)


def number(value: float | None) -> str:
    """Write a feature's value as short as it can be read."""
    if value is None or not math.isfinite(value):
        return "unknown"
    return decimal(value, 0 if value == round(value) or abs(value) >= 100 else 2)


def with_interval(row: Interval | None, *, is_share: bool = False) -> str:
    """Write a metric with its 95 % interval, where it has one."""
    if row is None or row.value is None:
        return ""
    if is_share:
        return share(row.value, 2)
    text = figure(row.value)
    if row.low is None:
        return text
    return f"{text} ({figure(row.low, 3)} to {figure(row.high, 3)})"


def in_words(text: str, words: Mapping[str, str]) -> str:
    """Replace the names of candidates in a sentence by what they are called."""
    for name in sorted(words, key=len, reverse=True):
        if "_" in name:
            text = text.replace(name, words[name])
    return text
