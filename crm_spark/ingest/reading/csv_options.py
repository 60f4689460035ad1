"""Options of CSV files, by whatever spelling Spark takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The column of a line that does not fit its file: the line as it came.
CORRUPT_RECORD = "_corrupt_record"
# Encodings of more than one byte for every character.
WIDE = ("UTF-16", "UTF16", "UTF-32", "UTF32")


def option_of(options: Mapping[str, Any], *names: str) -> Any:
    """Give an option by any of its names; Spark does not look at the case of letters."""
    lowered = {key.lower(): value for key, value in options.items()}
    return next((lowered[name] for name in names if name in lowered), None)


def is_option_true(options: Mapping[str, Any], name: str) -> bool:
    """Whether an option is on, however it is spelled."""
    return as_text(option_of(options, name.lower()) or "false").lower() == "true"


def separator_of(options: Mapping[str, Any]) -> str:
    """Give the text that parts the fields of a line."""
    return str(option_of(options, "sep", "delimiter") or ",").replace("\\t", "\t")


def encoding_of(options: Mapping[str, Any]) -> str:
    """Give the encoding by Java's name."""
    return str(option_of(options, "encoding", "charset") or "UTF-8")


def as_text(value: Any) -> str:
    """Give an option's value as Spark takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_read_as_a_whole(options: Mapping[str, Any]) -> bool:
    """Whether Spark reads each file in one piece: lines of UTF-16 cannot be told by their bytes."""
    is_wide = encoding_of(options).upper().startswith(WIDE)
    return is_option_true(options, "multiLine") or is_wide
