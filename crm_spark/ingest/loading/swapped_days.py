"""Dates whose day and month the mapping may have taken for one another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.loading.rejected import row_cells
from crm_spark.ingest.settings import Source

# The share of the rows that another order has to read.
_NEARLY_ALL = 0.95
_LITERAL = re.compile(r"'([^']*)'")
_DAY, _MONTH = re.compile(r"d+"), re.compile(r"[ML]+")


def swapped(pattern: str) -> str | None:
    """Give a pattern of dates with day and month exchanged; None where it has not both in figures.

    >>> swapped("dd/MM/yyyy HH:mm")
    'MM/dd/yyyy HH:mm'
    >>> swapped("d. MMM yyyy") is None
    True
    """
    day, month = _DAY.search(pattern), _MONTH.search(pattern)
    if day is None or month is None or "y" not in pattern or len(month[0]) > 2:
        return None
    first, second = sorted((day, month), key=lambda found: found.start())
    between = pattern[first.end() : second.start()]
    start, end = pattern[: first.start()], pattern[second.end() :]
    return f"{start}{second[0]}{between}{first[0]}{end}"


def swapped_expressions(text: str) -> Iterator[tuple[str, str]]:
    """Give an expression with each of its patterns exchanged, and the pattern that is then there.

    >>> list(swapped_expressions("to_timestamp(day, 'd.M.y')"))
    [('M.d.y', "to_timestamp(day, 'M.d.y')")]
    """
    for pattern in dict.fromkeys(_LITERAL.findall(text)):
        if other := swapped(pattern):
            yield other, text.replace(f"'{pattern}'", f"'{other}'")


def swapped_days(rejected: DataFrame, source: Source, shown: Mapping[str, list[str]]) -> list[str]:
    """Say where nearly all dates that cannot be read could be, with day and month exchanged.

    Reads the row and reasons of rejected rows; `shown` are the source's columns of each column.
    """
    return [
        hint
        for column, names in shown.items()
        for other, text in swapped_expressions(source.section.mapping[column])
        if (hint := _hint(_unread(rejected, column, names), other, text, source.time_zone))
    ]


def _unread(rejected: DataFrame, column: str, names: list[str]) -> DataFrame:
    """Give what the source had in rows in which a column cannot be read."""
    start = F.lit(f"{column} cannot be read")
    is_unread = F.exists("reasons", lambda reason: F.startswith(reason, start))
    values = (
        rejected.where(is_unread).select(row_cells().alias("_cells")).where("_cells IS NOT NULL")
    )
    return values.select(*[F.element_at("_cells", F.lit(name)).alias(name) for name in names])


def _hint(rows: DataFrame, pattern: str, text: str, time_zone: str) -> str | None:
    with lenient_analysis(rows.sparkSession, time_zone):
        counts = rows.select(F.expr(text).alias("value")).agg(
            F.count(F.lit(1)).alias("n"), F.count("value").alias("n_read")
        )
    n, n_read = counts.collect()[0]
    if not n or n_read < _NEARLY_ALL * n:
        return None
    day, month = _DAY.search(pattern), _MONTH.search(pattern)
    assert day is not None and month is not None
    first = "day" if day.start() < month.start() else "month"
    which = f"all {n:,}" if n_read == n else f"{n_read:,} of {n:,}"
    return f"the dates may be {first} first: with {pattern!r} {which} of these rows can be read"
