"""How the dates and times of a text column are written, as Spark's patterns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from crm_spark.ingest.drafting.clock import time_pattern
from crm_spark.ingest.drafting.sql import literal

_TIME = (
    r"(?P<between>T|,? +| at )(?P<time>\d{1,2}:\d{2}(?P<seconds>:\d{2}(?P<fraction>[.,]\d{1,9})?)?)"
    r"(?P<half> ?[AaPp][Mm])?(?P<zone> ?(?:Z|[+-]\d{2}:?\d{2}|[A-Z]{3,4}))?"
)
_DATES = (
    re.compile(
        rf"^(?P<a>\d{{1,4}})(?P<sep>[-/.])(?P<b>\d{{1,2}})(?P=sep)(?P<c>\d{{1,4}})(?:{_TIME})?$"
    ),
    re.compile(
        rf"^(?P<a>\d{{1,2}})(?P<sep>[- ]|\. ?)(?P<month>[A-Za-z]{{3,9}})(?P<sep2>[- .]|, )"
        rf"(?P<c>\d{{4}}|\d{{2}})(?:{_TIME})?$"
    ),
    re.compile(
        rf"^(?P<month>[A-Za-z]{{3,9}})(?P<sep>[- ])(?P<a>\d{{1,2}})(?P<sep2>,? |-)"
        rf"(?P<c>\d{{4}}|\d{{2}})(?:{_TIME})?$"
    ),
    # As C writes it: the year comes last.
    re.compile(
        r"^(?P<month>[A-Z][a-z]{2})(?P<sep> )(?P<a>\d{1,2}) "
        r"(?P<time>\d{2}:\d{2}(?P<seconds>:\d{2}))"
        r"(?P<zone> [A-Z]{3,4})? (?P<c>\d{4})$"
    ),
)
_WEEKDAY = re.compile(r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:[a-z]*day|s|nes|rs|ur)?,? ")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_COMPACT = {8: "yyyyMMdd", 12: "yyyyMMddHHmm", 14: "yyyyMMddHHmmss"}
_FEWEST, _FEWEST_SHARE = 2, 0.02


@dataclass(frozen=True)
class StampForm:
    """How a column writes its stamps, and the share of its values that are read so.

    `patterns` are none where Spark needs none. `is_doubtful` where days and months cannot be told
    apart. `cut` is the length of a weekday's name before the date.
    """

    share: float
    patterns: tuple[str, ...] = ()
    has_zone: bool = False
    has_time: bool = True
    zone_names: tuple[str, ...] = ()
    is_doubtful: bool = False
    cut: int = 0

    def as_sql(self, column: str) -> str:
        """Give the expression that makes stamps of a column's text."""
        text = f"substr({column}, {self.cut + 1})" if self.cut else column
        if not self.patterns:
            return f"to_timestamp({text})"
        read = [
            f"to_timestamp({text}, {literal(pattern)})" if pattern else f"to_timestamp({text})"
            for pattern in self.patterns
        ]
        return read[0] if len(read) == 1 else f"coalesce({', '.join(read)})"


@dataclass(frozen=True)
class _Shape:
    """How one value is written; `order` is of its date: ymd, dmy, mdy or ?, where both may be."""

    order: str
    pattern: str
    zone: str = ""
    has_time: bool = False
    cut: int = 0


def stamp_form(values: Sequence[str], *, is_day_first: bool | None = None) -> StampForm | None:
    """Tell how the stamps among these values are written; None where there is none.

    `is_day_first` is what the file shows elsewhere, for where no value tells.
    """
    shapes = [shape for value in values if (shape := _shape(value.strip()))]
    if not shapes:
        return None
    shapes, is_doubtful = _told_apart(shapes, is_day_first)
    n = Counter((shape.pattern, shape.cut) for shape in shapes)
    usual = [key for key, k in n.most_common() if k >= _fewest(len(values))] or [
        n.most_common(1)[0][0]
    ]
    cut = usual[0][1]
    patterns = list(dict.fromkeys(pattern for pattern, one in usual if one == cut))
    kept = [shape for shape in shapes if shape.pattern in patterns and shape.cut == cut]
    names = {shape.zone for shape in kept if shape.zone.isalpha() and shape.zone != "Z"}
    return StampForm(
        share=len(kept) / len(values),
        patterns=() if patterns == [""] else tuple(_merged(patterns)),
        has_zone=all(shape.zone for shape in kept),
        has_time=any(shape.has_time for shape in kept),
        zone_names=tuple(sorted(names)),
        is_doubtful=is_doubtful,
        cut=cut,
    )


def _fewest(n: int) -> float:
    return max(_FEWEST, _FEWEST_SHARE * n)


def _shape(value: str) -> _Shape | None:
    if re.fullmatch(r"\d+", value):
        return _compact(value)
    weekday = _WEEKDAY.match(value)
    cut = weekday.end() if weekday else 0
    match = next((found for pattern in _DATES if (found := pattern.match(value[cut:]))), None)
    if match is None:
        return None
    shape = _named(match) if "month" in match.re.groupindex else _numeric(match)
    return replace(shape, cut=cut) if shape else None


def _compact(value: str) -> _Shape | None:
    pattern = _COMPACT.get(len(value))
    if pattern is None or not _is_day(int(value[:4]), int(value[4:6]), int(value[6:8])):
        return None
    return _Shape("ymd", pattern, has_time=len(value) > 8)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        return 1900 <= year <= 2100 and bool(date(year, month, day))
    except ValueError:
        return False


def _numeric(match: re.Match[str]) -> _Shape | None:
    a, b, c, sep = match["a"], match["b"], match["c"], match["sep"]
    if len(a) == 4 and len(c) <= 2:
        if not (1 <= int(b) <= 12 and 1 <= int(c) <= 31):
            return None
        pattern = "" if _is_iso(match) else f"yyyy{sep}M{sep}d{_time(match)}"
        return _Shape("ymd", pattern, _zone(match), match["time"] is not None)
    if len(a) > 2 or len(c) not in (2, 4):
        return None
    first, second, year = int(a), int(b), "yyyy" if len(c) == 4 else "yy"
    if not (1 <= max(first, second) <= 31 and 1 <= min(first, second) <= 12):
        return None
    order = "dmy" if first > 12 else "mdy" if second > 12 else "?"
    pattern = f"{{0}}{sep}{{1}}{sep}{year}{_time(match)}"
    return _Shape(order, pattern, _zone(match), match["time"] is not None)


def _is_iso(match: re.Match[str]) -> bool:
    """Whether Spark reads a stamp without a pattern: with a zone it wants the seconds."""
    zone = (match["zone"] or "").strip()
    is_common = not zone.isalpha() or zone in ("Z", "UTC", "GMT")
    is_plain = not match["half"] and "," not in f"{match['between']}{match['fraction']}"
    return (
        match["sep"] == "-"
        and is_plain
        and match["between"] != " at "
        and (not zone or (is_common and match["seconds"] is not None))
    )


def _named(match: re.Match[str]) -> _Shape | None:
    groups = match.groupdict()
    month, year = groups["month"], "yyyy" if len(groups["c"]) == 4 else "yy"
    if month[:3].lower() not in _MONTHS:
        return None
    name = "MMM" if len(month) == 3 else "MMMM"
    has_time = groups.get("time") is not None
    if match.string[match.end("c") :] == "" and has_time:  # the year comes last
        zone = " z" if groups["zone"] else ""
        return _Shape("ymd", f"{name} d H:mm:ss{zone} {year}", _zone(match), has_time=True)
    if match.start("month") < match.start("a"):
        pattern = f"{name}{groups['sep']}d{groups['sep2']}{year}"
    else:
        pattern = f"d{groups['sep']}{name}{groups['sep2']}{year}"
    return _Shape("ymd", pattern + _time(match), _zone(match), has_time)


def _zone(match: re.Match[str]) -> str:
    return (match.groupdict().get("zone") or "").strip()


def _time(match: re.Match[str]) -> str:
    """Give the pattern of the time behind a date."""
    if not match["time"]:
        return ""
    between = match["between"]
    text = "'T'" if between == "T" else "' at '" if between == " at " else between
    text += time_pattern(match["time"] + (match["half"] or ""))
    zone = match["zone"] or ""
    if zone:
        form = "XXX" if ":" in zone or zone.strip() == "Z" else "XX" if zone[-1].isdigit() else "z"
        text += (" " if zone.startswith(" ") else "") + form
    return text


def _told_apart(shapes: Sequence[_Shape], is_day_first: bool | None) -> tuple[list[_Shape], bool]:
    """Decide which of two numbers is the day, by those that are beyond 12."""
    n = Counter(shape.order for shape in shapes)
    if not n["?"] and not n["dmy"] and not n["mdy"]:
        return list(shapes), False
    is_mixed = bool(n["dmy"]) == bool(n["mdy"])
    day_first = n["dmy"] > n["mdy"]
    if n["dmy"] == n["mdy"]:
        has_points = any(re.match(r"\{0\}\.", shape.pattern) for shape in shapes)
        day_first = True if has_points else bool(is_day_first)
        is_mixed = not has_points
    usual = "dmy" if day_first else "mdy"
    told = [
        shape
        if shape.order == "ymd"
        else replace(
            shape,
            pattern=_filled(shape.pattern, usual if shape.order == "?" else shape.order),
        )
        for shape in shapes
    ]
    return told, is_mixed


def _filled(pattern: str, order: str) -> str:
    first, second = ("d", "M") if order == "dmy" else ("M", "d")
    return pattern.replace("{0}", first).replace("{1}", second)


def _merged(patterns: Sequence[str]) -> list[str]:
    """Put patterns that differ by what is at their end alone into one, with an optional end."""
    kept: list[str] = []
    for pattern in sorted(patterns, key=len, reverse=True):
        longer = next((one for one in kept if pattern and one.startswith(pattern)), None)
        if longer is None or "[" in longer:
            kept.append(pattern)
        else:
            kept[kept.index(longer)] = f"{pattern}[{longer[len(pattern) :]}]"
    return kept
