"""What an expression raises when it runs, as a fault of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.mapping.expressions import referenced_columns
from crm_spark.ingest.mapping.numbers import cut_decimals
from crm_spark.ingest.mapping.patterns import letters_that_only_write
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.broken import broken_file
from crm_spark.ingest.reading.schema import quoted
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import as_configured

# Of patterns that Spark of old read by other rules, or not.
_NO_PATTERN = "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME"
_HINTS = {
    _NO_PATTERN: (
        "dates are not read by that pattern: of its letters E, u, w and others only write: cut off "
        "what they stand for"
    ),
    "INVALID_FORMAT.MISMATCH_INPUT": (
        "to_number fails where a value does not match its format: write try_to_number, and such "
        "rows are rejected by themselves"
    ),
    "Unclosed": "it is no regular expression of Java",
    "Dangling meta": "it is no regular expression of Java",
}


def explained(
    error: Exception, source: Source, frames: Callable[[], Iterable[DataFrame]]
) -> ConfigError | DataError | None:
    """Give the error of an expression that fails on rows of the source; None where none does.

    Runs each expression by itself on all rows of each frame.
    """
    if found := cut_decimals(error):
        return DataError(f"the mapping does not fit the data: {found}")
    if not isinstance(error, PySparkException | Py4JJavaError) or broken_file(error):
        return None
    faults = list(dict.fromkeys(fault for rows in frames() for fault in run_faults(source, rows)))
    if not faults:
        return None
    return ConfigError(listed(f"sources.{source.name}: the mapping fails on its rows", faults))


def run_faults(source: Source, rows: DataFrame) -> Iterator[str]:
    """Give what expressions raise on these rows, with a value that they raise it for.

    Nothing, where the rows themselves cannot be read.
    """
    if _raised(rows, "1", source.time_zone) is not None:
        return
    for key, text in source.section.expressions.items():
        error = _raised(rows, text, source.time_zone)
        if error is not None and broken_file(error) is None:
            value = _value(rows, text, source.time_zone)
            shown = f", for {value}" if value else ""
            yield as_configured(f"{key}: {text!r}: {_why(error, text)}{shown}")


def _raised(rows: DataFrame, text: str, time_zone: str) -> Exception | None:
    try:
        with lenient_analysis(rows.sparkSession, time_zone):
            rows.select(F.expr(text)).write.format("noop").mode("overwrite").save()
    except (PySparkException, Py4JJavaError) as error:
        return error
    return None


def _value(rows: DataFrame, text: str, time_zone: str) -> str | None:
    """Give the values of a row that an expression fails on; None where none is found."""
    try:
        return _failing_value(rows, text, time_zone)
    except Exception:  # noqa: BLE001 - the error to tell is the expression's
        return None


def _failing_value(rows: DataFrame, text: str, time_zone: str) -> str | None:
    with lenient_analysis(rows.sparkSession, time_zone):
        names = referenced_columns(rows, text)
    if not names:
        return None
    few = rows.select(*[F.col(quoted(name)) for name in names]).distinct().limit(20)
    schema: Any = few.schema
    for row in few.collect():
        if _raised(rows.sparkSession.createDataFrame([row], schema), text, time_zone):
            return ", ".join(f"{name} = {row[name]!r}" for name in names)
    return None


def _why(error: Exception, expression: str) -> str:
    raised = str(error)
    if _NO_PATTERN in raised and (letters := letters_that_only_write(expression)):
        return letters
    hint = next((hint for part, hint in _HINTS.items() if part in raised), None)
    return hint or first_line(error)
