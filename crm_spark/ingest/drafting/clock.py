"""Times of day, as a column beside the date has them."""

from __future__ import annotations

import re
from collections.abc import Sequence


def is_time_alone(values: Sequence[str]) -> bool:
    """Whether the values are times of day without a date."""
    pattern = re.compile(r"^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?$")
    return bool(values) and all(pattern.match(value.strip()) for value in values)


def time_pattern(value: str) -> str:
    """Give the pattern of a time of day."""
    match = re.match(r"^\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?( ?)([AaPp][Mm])?$", value.strip())
    if not match:
        return "H:mm"
    seconds = ":ss" if match[1] else ""
    fraction = f"{match[2][0]}{'S' * (len(match[2]) - 1)}" if match[2] else ""
    if match[4]:
        return f"h:mm{seconds}{fraction}{match[3]}a"
    return f"H:mm{seconds}{fraction}"
