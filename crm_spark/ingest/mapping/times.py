"""Times that are none: numbers read as the wrong unit, and years of five digits."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.expressions import as_sql
from crm_spark.ingest.mapping.fields import SourceColumn

LAST_YEAR = 9999
_TIME_ALONE = r"^\s*T?[0-9]{1,2}:[0-9]{1,2}"
_NUMBER = r"^\s*[0-9]{5,16}(?:\.[0-9]+)?\s*$"
_HALF_DAY = r"(?i)[0-9]\s?[ap]\.?m\.?$"
_DAY = r"^(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])$"


def is_time_alone(source: SourceColumn | None) -> Column:
    """Whether the only source is text, and a time of day without a date."""
    if source is None or not isinstance(source.kind, T.StringType):
        return F.lit(False)
    return F.coalesce(source.value.rlike(_TIME_ALONE), F.lit(False))


def is_beyond(value: Column) -> Column:
    """Whether a time is later than any calendar's; never null."""
    return F.coalesce(F.year(value) > LAST_YEAR, F.lit(False))


def whole_number(source: SourceColumn | None) -> Column | None:
    """Give the whole number in the only source, whether it is one or text; None: neither."""
    if source is None:
        return None
    if isinstance(source.kind, T.StringType):
        number = F.when(source.value.rlike(_NUMBER), source.value)
    elif isinstance(source.kind, T.NumericType):
        number = source.value
    else:
        return None
    return F.floor(number.cast("decimal(38,10)")).cast("decimal(38,0)")


def is_number_as_seconds(value: Column, number: Column) -> Column:
    """Whether a time is a number of days or a date in digits that was taken for seconds."""
    is_same = F.unix_seconds(value.cast("timestamp")) == number
    return F.coalesce(is_same & (_is_days(number) | _is_day(number)), F.lit(False))


def time_hint(source: SourceColumn, number: Column) -> Column:
    """Give what the only source looks like, mostly a number, and what to write.

    Null where it cannot be told.
    """
    name = as_sql(source.name)
    whole = name if isinstance(source.kind, T.IntegralType) else f"cast({name} as bigint)"
    is_text = isinstance(source.kind, T.StringType)
    text = name if is_text else f"cast({whole} as string)"
    hints = [
        (_has_digits(number, 13), "13 digits look like milliseconds", f"timestamp_millis({whole})"),
        (_has_digits(number, 16), "16 digits look like microseconds", f"timestamp_micros({whole})"),
        (_has_digits(number, 10), "10 digits look like seconds", f"timestamp_seconds({whole})"),
        (_is_day(number), "8 digits look like a date", f"to_timestamp({text}, 'yyyyMMdd')"),
        (
            _is_days(number),
            "5 digits look like days since 1899-12-30",
            f"date_add(DATE'1899-12-30', cast({name} as int))",
        ),
    ]
    (first, look, remedy), *others = hints
    found = F.when(first, F.lit(f"{look}: write {remedy}"))
    for matches, look, remedy in others:
        found = found.when(matches, F.lit(f"{look}: write {remedy}"))
    if is_text:
        pattern = f"to_timestamp({name}, 'MM/dd/yyyy hh:mm a')"
        half_day = f"AM and PM are read by hh and a: write a pattern with both, as in {pattern}"
        found = found.when(source.value.rlike(_HALF_DAY), F.lit(half_day))
    return found


def _has_digits(number: Column, n: int) -> Column:
    return (number >= 10 ** (n - 1)) & (number < 10**n)


def _is_day(number: Column) -> Column:
    return number.cast("string").rlike(_DAY)


def _is_days(number: Column) -> Column:
    return (number >= 20_000) & (number <= 60_000)
