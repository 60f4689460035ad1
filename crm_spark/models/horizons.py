"""Horizons as they are configured: one or several, the first of which is the one that counts."""

from __future__ import annotations

from crm_spark.words import noun


def one_is_a_list_of_one(value: object) -> object:
    """Give what is configured as a tuple where it is a single horizon."""
    return (value,) if isinstance(value, int) else value


def checked_horizons(value: tuple[int, ...], *, first: str, most_days: int) -> tuple[int, ...]:
    """Give horizons where they are one to six, different, and no longer than so many days.

    `first` says what the first one does. Raises ValueError else.
    """
    if not 1 <= len(value) <= 6:
        raise ValueError(f"one to six horizons, the one that {first} first")
    if faults := sorted({one for one in value if not 1 <= one <= most_days}):
        days = noun(most_days, "day")
        raise ValueError(f"a horizon is 1 to {most_days} {days}, not {', '.join(map(str, faults))}")
    if len(set(value)) < len(value):
        raise ValueError("a horizon stands there twice")
    return value
