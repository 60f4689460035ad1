"""A column of a sample: what its values are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite

from crm_spark.ingest.drafting.clock import is_time_alone
from crm_spark.ingest.drafting.epochs import epoch_unit, is_excel_day
from crm_spark.ingest.drafting.numbers import NumberForm, number_form
from crm_spark.ingest.drafting.stamps import StampForm, stamp_form
from crm_spark.ingest.mapping.cleaning import PLACEHOLDERS

_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")
_CURRENCY = re.compile(r"^[A-Za-z]{3}$")
_BOOLEANS = {"true", "false", "yes", "no", "y", "n", "0", "1", "t", "f"}
_N_EXAMPLES, _WIDEST_EXAMPLE = 3, 24
# Of those that Spark has typed: what needs no form.
_STAMPS = ("timestamp", "timestamp_ntz", "date")
_WHOLE = ("tinyint", "smallint", "int", "bigint")


@dataclass(frozen=True)
class Hints:
    """How a file writes numbers and dates, where that is known; None: it is not.

    `are_days_sure` where other dates of the file tell, and not only what goes with its numbers.
    """

    decimal: str | None = None
    is_day_first: bool | None = None
    are_days_sure: bool = False


@dataclass(frozen=True)
class Column:
    """A column: its name, as SQL writes it, and the sampled values, as text, None where blank.

    `type` is Spark's. A column of items belongs to an array within its row. `hints` are what other
    columns of the file show of how it is written, `files` those of several that have the column.
    """

    name: str
    sql: str
    values: tuple[str | None, ...]
    type: str = "string"
    is_item: bool = False
    hints: Hints = Hints()
    files: frozenset[int] = frozenset()

    @cached_property
    def given(self) -> list[str]:
        """The values that are none of those that stand for nothing."""
        nothing = set(PLACEHOLDERS)
        return [
            text for text in self.values if text and text.strip() and text.lower() not in nothing
        ]

    @property
    def n(self) -> int:
        """The number of rows looked at."""
        return len(self.values)

    @property
    def blank_share(self) -> float:
        """The share of rows without a value."""
        return 1 - len(self.given) / self.n if self.n else 1.0

    @cached_property
    def distinct(self) -> dict[str, int]:
        """The values, each with how often it is there, in the order of first sight."""
        found: dict[str, int] = {}
        for text in self.given:
            found[text] = found.get(text, 0) + 1
        return found

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value, and none comes twice."""
        return bool(self.given) and len(self.distinct) == self.n

    @property
    def examples(self) -> str:
        """The first values that differ, for a comment."""
        shown = [_shown(text) for text in list(self.distinct)[:_N_EXAMPLES]]
        return ", ".join(shown) or "no value in the rows looked at"

    @cached_property
    def number(self) -> NumberForm | None:
        """How its numbers are written; None where it has none."""
        if self.type in _STAMPS or self.type == "boolean":
            return None
        return number_form(self.given, decimal=self.hints.decimal) if self.given else None

    @cached_property
    def stamp(self) -> StampForm | None:
        """How its dates and times are written; None where it has none."""
        if self.type in _STAMPS:
            return StampForm(1.0, has_zone=self.type == "timestamp", has_time=self.type != "date")
        if self.type not in ("string", *_WHOLE) or not self.given:
            return None
        hints = self.hints
        form = stamp_form(self.given, is_day_first=hints.is_day_first)
        return replace(form, is_doubtful=False) if form and hints.are_days_sure else form

    @property
    def epoch(self) -> str | None:
        """The unit in which it counts from 1970; None: it does not."""
        return epoch_unit(self.given)

    @property
    def is_excel_day(self) -> bool:
        """Whether its numbers may be a spreadsheet's days."""
        return self.is_number and is_excel_day(self.floats)

    @property
    def is_time_alone(self) -> bool:
        """Whether it holds times of day without dates."""
        return is_time_alone(self.given)

    @property
    def is_email(self) -> bool:
        """Whether its values are e-mail addresses."""
        return _share(self.given, _EMAIL) > 0.8

    @property
    def is_currency(self) -> bool:
        """Whether its values are codes of currencies."""
        return _share(self.given, _CURRENCY) > 0.9 and len(self.distinct) <= 40

    @property
    def is_boolean(self) -> bool:
        """Whether its values are yes or no."""
        if self.type == "boolean":
            return True
        return bool(self.given) and {text.lower() for text in self.distinct} <= _BOOLEANS

    @property
    def is_number(self) -> bool:
        """Whether nearly all of its values are numbers."""
        return self.number is not None and self.number.share >= 0.8

    @property
    def has_decimals(self) -> bool:
        """Whether any of its numbers is no whole one."""
        return any(value % 1 for value in self.floats if value is not None and isfinite(value))

    @property
    def largest(self) -> float:
        """The largest of its plain numbers, without their signs; 0 where there is none."""
        return max((abs(value) for value in self.floats if value is not None), default=0.0)

    @cached_property
    def floats(self) -> list[float | None]:
        """Its values as numbers, by the form they are written in."""
        form = self.number
        return [as_float(text, form) if text and form else None for text in self.values]


def as_float(text: str, form: NumberForm) -> float | None:
    """Give a number that is written in a form; None where it is not."""
    plain = "".join(mark for mark in text.strip() if mark not in form.drop)
    plain = plain.replace(form.decimal, ".")
    if form.has_parentheses and plain.startswith("("):
        plain = "-" + plain.strip("()")
    if form.has_trailing_minus and plain.endswith("-"):
        plain = "-" + plain[:-1]
    try:
        return float(plain)
    except ValueError:
        return None


def _share(values: Sequence[str], pattern: re.Pattern[str]) -> float:
    n = sum(pattern.match(text.strip()) is not None for text in values)
    return n / len(values) if values else 0.0


def _shown(text: str) -> str:
    plain = re.sub(r"[\s\x00-\x1f\x7f\u0085\u2028\u2029]+", " ", text).strip()
    return plain if len(plain) <= _WIDEST_EXAMPLE else plain[: _WIDEST_EXAMPLE - 3] + "..."
