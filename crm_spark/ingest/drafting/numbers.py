"""How the numbers of a text column are written: decimal mark, thousands, signs, currency."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crm_spark.ingest.drafting.sql import literal

_BLANKS = " \u00a0\u202f"
_APOSTROPHES = "'\u2019"
_SIGN = (
    r"(?:[$€£¥₹₽₺₩]|(?:R\$|kr|zł|Kč|Fr|USD|EUR|GBP|CHF|JPY|CAD|AUD|SEK|NOK|DKK|PLN|CZK|BRL|INR)\.?)"
)
_WHOLE = re.compile(
    rf"^(?P<open>\()?\s*(?P<minus>[-+])?\s*(?P<before>{_SIGN})?[{_BLANKS}]*(?P<inner>-)?"
    rf"(?P<digits>[\d.,][\d.,{_APOSTROPHES}{_BLANKS}]*?(?:[eE][-+]?\d+)?)[{_BLANKS}]*(?P<after>{_SIGN})?"
    r"\s*(?P<trailing>-)?(?P<close>\))?$",
    re.IGNORECASE,
)
# Digits by the decimal mark they may be read with.
_DIGITS = {
    ".": re.compile(
        rf"^(?:\d{{1,3}}(?:[,{_APOSTROPHES}{_BLANKS}]\d{{3}})+|\d+)?(?:\.\d*)?(?:[eE][-+]?\d+)?$"
    ),
    ",": re.compile(rf"^(?:\d{{1,3}}(?:[.{_APOSTROPHES}{_BLANKS}]\d{{3}})+|\d+)?(?:,\d*)?$"),
}
_NEARLY_ALL = 0.8


@dataclass(frozen=True)
class NumberForm:
    """How a column writes its numbers, and the share of its values that are read so.

    `drop` are characters that only adorn: separators of thousands, signs of currency, blanks.
    `is_doubtful` where each mark may be the decimal one or that of thousands.
    """

    share: float
    decimal: str = "."
    drop: str = ""
    has_trailing_minus: bool = False
    has_parentheses: bool = False
    is_whole: bool = False
    is_doubtful: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether Spark reads the numbers as they are."""
        return not (
            self.drop or self.has_trailing_minus or self.has_parentheses or self.decimal == ","
        )

    def as_sql(self, column: str) -> str:
        """Give the expression that makes numbers of a column's text."""
        if self.is_plain:
            return column
        text = column
        if self.has_parentheses:
            text = f"regexp_replace(trim({text}), '^[(](.*)[)]$', '-$1')"
        if self.drop:
            text = _dropped(text, self.drop)
        if self.has_trailing_minus:
            text = f"regexp_replace({text}, '^ *(.*)-$', '-$1')"
        if self.decimal == ",":
            text = f"replace({text}, ',', '.')"
        return f"cast({text} as double)"


def number_form(values: Sequence[str], *, decimal: str | None = None) -> NumberForm | None:
    """Tell how the numbers among these values are written; None where there is none.

    `decimal` is the mark that the file shows elsewhere, for where no value tells.
    """
    parts = [match for value in values if (match := _WHOLE.match(value.strip()))]
    read = {mark: [part for part in parts if _is_read(part, mark)] for mark in _DIGITS}
    has_marks = any(re.search(r"[.,]", part["digits"]) for part in parts)
    is_open = has_marks and len(read[","]) == len(read["."])
    is_doubtful = is_open and decimal is None
    if not is_open or decimal is None:
        decimal = "," if len(read[","]) > len(read["."]) else "."
    fitting = read[decimal]
    if not fitting:
        return None
    share = len(fitting) / len(values)
    # In a column of numbers one such value is a number; among other things it is an accident.
    fewest = 1 if share >= _NEARLY_ALL else 2
    return NumberForm(
        share=share,
        decimal=decimal,
        drop=_adornments(fitting, decimal, fewest),
        has_trailing_minus=sum(bool(part["trailing"]) for part in fitting) >= fewest,
        has_parentheses=sum(bool(part["open"]) for part in fitting) >= fewest,
        is_whole=all(re.fullmatch(r"\d+", part["digits"]) for part in fitting),
        is_doubtful=is_doubtful,
    )


def _is_read(part: re.Match[str], mark: str) -> bool:
    digits = part["digits"]
    is_balanced = bool(part["open"]) == bool(part["close"])
    n_minus = sum(bool(part[name]) for name in ("minus", "inner", "trailing", "open"))
    has_digit = re.search(r"\d", digits) is not None
    return bool(_DIGITS[mark].match(digits)) and has_digit and is_balanced and n_minus <= 1


def _adornments(parts: Sequence[re.Match[str]], decimal: str, fewest: int) -> str:
    """Give the characters to drop: separators of thousands, signs of currency, blanks."""
    found: Counter[str] = Counter()
    for part in parts:
        text = (part["before"] or "") + (part["after"] or "")
        inside = {mark for mark in part["digits"] if not (mark.isalnum() or mark in f"{decimal}-+")}
        blanks = {mark for mark in part[0].strip() if mark in _BLANKS} if text else set()
        found.update(inside | blanks | set(text))
    usual = {mark for mark, n in found.items() if n >= fewest}
    return "".join(sorted(usual, key=lambda mark: (mark.isalpha(), mark)))


def _dropped(text: str, drop: str) -> str:
    """Give the expression without these characters."""
    function = "replace" if len(drop) == 1 else "translate"
    return f"{function}({text}, {literal(drop)}, '')"
