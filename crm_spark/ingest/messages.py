"""Errors of Spark and of databases in one line that a user can read."""

from __future__ import annotations

import re


def first_line(error: BaseException) -> str:
    """Give the first line of an error that says something, without classes and codes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines_of_cause = [
        line for line in lines if not line.startswith("An error occurred while calling")
    ]
    text = (lines_of_cause or lines or [type(error).__name__])[0]
    # A column of Spark's own: nobody's suggestion.
    text = re.sub(r"(, )?`_corrupt_record`(?(1)|(, )?)", "", text)
    text = re.sub(r"^:?\s*(?:[\w.$]+(?:Exception|Error)): ", "", text)
    return re.sub(r"^\[[A-Z_.]+\]\s*|\s*SQLSTATE: \w+.*$", "", text)
