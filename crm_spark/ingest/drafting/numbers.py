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
# One value is an accident; what two or more have is how the column is written.
_FEWEST = 2


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


def number_form(values: Sequence[str]) -> NumberForm | None:
    """Tell how the numbers among these values are written; None where there is none."""
    parts = [match for value in values if (match := _WHOLE.match(value.strip()))]
    read = {mark: [part for part in parts if _is_read(part, mark)] for mark in _DIGITS}
    decimal = "," if len(read[","]) > len(read["."]) else "."
    fitting = read[decimal]
    if not fitting:
        return None
    is_doubtful = len(read[","]) == len(read["."]) and any(
        re.search(r"[.,]", part["digits"]) for part in fitting
    )
    n_plain = sum(re.fullmatch(r"\d*[.,]?\d*", part["digits"]) is not None for part in fitting)
    return NumberForm(
        share=len(fitting) / len(values),
        decimal=decimal,
        drop=_adornments(fitting, decimal, n_plain),
        has_trailing_minus=_is_usual(sum(bool(part["trailing"]) for part in fitting), len(values)),
        has_parentheses=_is_usual(sum(bool(part["open"]) for part in fitting), len(values)),
        is_whole=all(re.fullmatch(r"\d+", part["digits"]) for part in fitting),
        is_doubtful=is_doubtful,
    )


def _is_read(part: re.Match[str], mark: str) -> bool:
    digits = part["digits"]
    is_balanced = bool(part["open"]) == bool(part["close"])
    n_minus = sum(bool(part[name]) for name in ("minus", "inner", "trailing", "open"))
    has_digit = re.search(r"\d", digits) is not None
    return bool(_DIGITS[mark].match(digits)) and has_digit and is_balanced and n_minus <= 1


def _adornments(parts: Sequence[re.Match[str]], decimal: str, n_plain: int) -> str:
    """Give the characters to drop: those of a mark that many have, or that nearly all need."""
    found: Counter[str] = Counter()
    for part in parts:
        text = (part["before"] or "") + (part["after"] or "")
        between = part[0].strip().removesuffix(")").removeprefix("(")
        marks = {
            mark
            for mark in part["digits"]
            if mark in f".,{_APOSTROPHES}{_BLANKS}" and mark != decimal
        }
        blanks = {mark for mark in between if mark in _BLANKS} if text else set()
        found.update(marks | blanks | set(text))
    usual = {mark for mark, n in found.items() if _is_usual(n, len(parts))}
    if decimal == "," and found:
        usual |= {"."} & set(found)
    return "".join(sorted(usual, key=lambda mark: (mark.isalpha(), mark)))


def _is_usual(n: int, n_all: int) -> bool:
    """Whether so many of the values are a way of writing, and no accident."""
    return n >= _FEWEST or (n == 1 and n_all <= _FEWEST)


def _dropped(text: str, drop: str) -> str:
    """Give the expression without these characters."""
    function = "replace" if len(drop) == 1 else "translate"
    return f"{function}({text}, {literal(drop)}, '')"
