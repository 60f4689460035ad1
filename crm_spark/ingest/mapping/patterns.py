"""Patterns of dates in the user's expressions: letters that read something else than is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# Functions that read a text by the pattern that is their second argument.
_READERS = {
    *("to_timestamp", "try_to_timestamp", "to_timestamp_ntz", "to_timestamp_ltz"),
    *("to_date", "try_to_date", "unix_timestamp", "to_unix_timestamp"),
}
_TOKEN = re.compile(
    r"""(?P<text>[rR]?'(?:[^'\\]|\\.|'')*'|[rR]?"(?:[^"\\]|\\.|"")*")"""
    r"|(?P<name>`[^`]*`|[A-Za-z_]\w*)|(?P<sign>[(),])|\S",
    re.DOTALL,
)
_LITERAL_PART = re.compile(r"'[^']*'")
_UTC = {"UTC", "GMT", "Z", "Etc/UTC", "Etc/GMT", "+00:00"}
# Who moves a time from one zone to another has seen to what its Z is.
_MOVES = re.compile("utc_timestamp|convert_timezone", re.IGNORECASE)
_WEEK_LETTERS = "EeuwWF"
_YEAR_OF_WEEKS = "Y is the year of weeks: write yyyy"


def pattern_faults(expression: str, time_zone: str = "UTC") -> list[str]:
    """Give what each pattern of an expression reads otherwise than it looks, and what to write.

    `time_zone` is the one that times without an offset are taken in.
    """
    patterns = list(dict.fromkeys(_patterns(expression)))
    faults = [f"the pattern {one!r}: {fault}" for one in patterns if (fault := _fault(one))]
    if time_zone not in _UTC and not _MOVES.search(expression):
        faults += [
            f"the pattern {one!r}: Z in quotes is a letter that is passed over, and the time is "
            f"taken in {time_zone}: write X in its place, without quotes, or no pattern at all"
            for one in patterns
            if "'Z'" in one and set(_letters(one)) & set("HhKk")
        ]
    return faults or _swapped(expression, patterns)


def _swapped(expression: str, patterns: Sequence[str]) -> list[str]:
    """Give patterns one of which takes the day for what another takes for the month.

    Where the expression chooses between them by something else, it is not at fault.
    """
    if re.search(r"\b(case|if|iff|when)\b", expression, re.IGNORECASE):
        return []
    by_letters: dict[str, str] = {}
    for pattern in patterns:
        letters = re.sub(r"(.)\1+", r"\1", _letters(pattern)).replace("L", "M")
        turned = letters.translate(str.maketrans("dM", "Md"))
        if other := by_letters.get(turned):
            return [
                f"the patterns {other!r} and {pattern!r} both read days up to 12, as other dates: "
                "the first would always win. Choose by what tells them apart, as in "
                "if(input_file_name() LIKE '%us%', to_timestamp(day, 'MM/dd/yyyy'), ...)"
            ]
        if {"d", "M"} <= set(letters):
            by_letters.setdefault(letters, pattern)
    return []


def letters_that_only_write(expression: str) -> str | None:
    """Give what to do about letters of a pattern by which Spark writes dates and reads none.

    None where no pattern that can be seen in the expression has any.
    """
    for pattern in _patterns(expression):
        letters = _letters(pattern)
        if "Y" in letters:
            return _YEAR_OF_WEEKS
        if "D" in letters:
            return "D is the day of the year: write dd for the day of the month"
        if found := next((letter for letter in letters if letter in _WEEK_LETTERS), None):
            return (
                f"no date is read by {found}: cut the day or number of the week off, as in "
                "to_timestamp(substr(day, 5), 'MMM dd HH:mm:ss z yyyy')"
            )
    return None


def _patterns(expression: str) -> Iterator[str]:
    """Give the texts that stand as second argument of a function that reads dates."""
    calls: list[tuple[str, int]] = []
    before, name = "", ""
    for token in _TOKEN.finditer(expression):
        text = token.group()
        if text == "(":
            calls.append((name.lower(), 0))
        elif text == ")" and calls:
            calls.pop()
        elif text == "," and calls:
            calls[-1] = (calls[-1][0], calls[-1][1] + 1)
        elif token["text"] and before == "," and calls:
            reader, place = calls[-1]
            if reader in _READERS and place == 1:
                yield _content(text)
        name, before = text if token["name"] else "", text


def _content(literal: str) -> str:
    """Give what a text of SQL holds."""
    if literal[0] in "rR":
        return literal[2:-1]
    quote = literal[0]
    return re.sub(r"\\(.)", r"\1", literal[1:-1].replace(quote * 2, quote))


def _letters(pattern: str) -> str:
    """Give the letters of a pattern that stand for a part of a date, in their order."""
    return re.sub(r"[^A-Za-z]", "", _LITERAL_PART.sub("", pattern))


def _fault(pattern: str) -> str | None:
    letters = _letters(pattern)
    has = set(letters).__contains__
    has_hour = any(map(has, "HhKk"))
    has_month = has("M") or has("L")
    is_date = has("y") or has("d")
    if has("Y"):
        return _YEAR_OF_WEEKS
    if has("D") and has_month:
        return "DD is the day of the year: write dd for the day of the month"
    if has("m") and is_date and not (has_hour and (has_month or has("D"))):
        return "mm is the minute: write MM for the month, and HH before mm for the hour"
    if re.search(r"[HhKk][^A-Za-z]*M", _LITERAL_PART.sub("", pattern)):
        return "MM is the month: write mm for the minute"
    if (has("h") or has("K")) and not has("a"):
        return (
            "hh is the hour up to 12, which needs a for AM and PM: write HH for the hour of the day"
        )
    if (has("H") or has("k")) and has("a"):
        return "HH is the hour of the day: with a for AM and PM write hh"
    return None
