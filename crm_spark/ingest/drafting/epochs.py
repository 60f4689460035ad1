"""Numbers that count time: seconds from 1970, days of spreadsheets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence


def epoch_unit(values: Sequence[str]) -> str | None:
    """Tell in which unit whole numbers count from 1970: seconds, millis, micros; None: no such."""
    if not values or not all(re.fullmatch(r"\d{9,19}(\.0+)?", value) for value in values):
        return None
    lengths = Counter(len(value.partition(".")[0]) for value in values)
    n_digits = lengths.most_common(1)[0][0]
    return {10: "seconds", 13: "millis", 16: "micros"}.get(n_digits)


def is_excel_day(values: Sequence[float | None]) -> bool:
    """Whether numbers may be days as spreadsheets count them, of 1954 to 2091."""
    found = [value for value in values if value is not None]
    return bool(found) and all(20_000 <= value < 70_000 for value in found)


def excel_sql(number: str) -> str:
    """Give the stamp of a spreadsheet's day number: local, without a zone."""
    days = f"cast({number} as decimal(18,9))"
    return f"timestamp_ntz'1899-12-30' + make_dt_interval(0, 0, 0, round({days} * 86400))"
