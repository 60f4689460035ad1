"""Numbers in place of times: the reason names what they look like, and how to read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.columns import map_source
from crm_spark.ingest.mapping.reasons import REASONS
from crm_spark.tables.core import TRANSACTIONS

UNREADABLE = "ordered_at cannot be read as timestamp from at"
NEW_YEAR = datetime(2019, 1, 1, tzinfo=UTC)
MILLIS, SECONDS = 1_546_300_800_000, 1_546_300_800


def read(
    spark: SparkSession, kind: str, value: Any, expression: str = "at"
) -> tuple[Any, list[str]]:
    """Give ordered_at and the reasons of a row."""
    df = spark.createDataFrame([(value,)], f"at {kind}")
    mapping = {"customer_id": "'c'", "order_id": "'o'", "amount": "1", "ordered_at": expression}
    (row,) = map_source(
        df, TRANSACTIONS, mapping, time_zone="UTC", source_file=F.lit("a.csv")
    ).collect()
    return row["ordered_at"], row[REASONS]


@pytest.mark.parametrize(
    ("kind", "value", "look"),
    [
        ("bigint", MILLIS, "13 digits look like milliseconds"),
        ("double", float(MILLIS), "13 digits look like milliseconds"),
        ("string", str(MILLIS), "13 digits look like milliseconds"),
        ("bigint", MILLIS * 1000, "16 digits look like microseconds"),
        ("string", str(SECONDS), "10 digits look like seconds"),
        ("int", 43466, "5 digits look like days since 1899-12-30"),
        ("string", "43466", "5 digits look like days since 1899-12-30"),
        ("string", "43466.75", "5 digits look like days since 1899-12-30"),
        ("double", 43466.75, "5 digits look like days since 1899-12-30"),
        ("bigint", 20190101, "8 digits look like a date"),
        ("string", "20190101", "8 digits look like a date"),
    ],
)
def test_a_number_is_told_by_its_look_and_what_is_to_be_written_reads_it(
    kind: str, value: Any, look: str, spark: SparkSession
) -> None:
    at, reasons = read(spark, kind, value)
    assert at is None
    (reason,) = reasons
    start, _, remedy = reason.partition(": write ")
    assert start == f"{UNREADABLE}: {look}"
    at, reasons = read(spark, kind, value, remedy)
    assert (at.astimezone(UTC), reasons) == (NEW_YEAR, [])


@pytest.mark.parametrize("value", ["01/31/2019 10:05 PM", "01/31/2019 10:05 pm"])
def test_an_hour_of_half_a_day_is_told_with_the_pattern_that_reads_it(
    value: str, spark: SparkSession
) -> None:
    for expression in ("to_timestamp(at, 'MM/dd/yyyy HH:mm')", "at"):
        at, (reason,) = read(spark, "string", value, expression)
        start, _, remedy = reason.partition(", as in ")
        assert at is None
        assert start == (f"{UNREADABLE}: AM and PM are read by hh and a: write a pattern with both")
    at, reasons = read(spark, "string", value, remedy)
    assert (at.astimezone(UTC), reasons) == (datetime(2019, 1, 31, 22, 5, tzinfo=UTC), [])


@pytest.mark.parametrize("expression", ["at", "to_timestamp(at)", "timestamp_seconds(at)"])
def test_the_reason_is_one_whatever_the_number(expression: str, spark: SparkSession) -> None:
    of_days = [read(spark, "bigint", MILLIS + n * 86_400_000, expression)[1] for n in range(3)]
    assert of_days[0] == of_days[1] == of_days[2] != []


def test_seconds_and_dates_that_are_read_are_right(spark: SparkSession) -> None:
    for kind, value, expression in [
        ("bigint", SECONDS, "at"),
        ("bigint", 20190101, "to_timestamp(cast(at as string), 'yyyyMMdd')"),
        ("string", "20190101", "to_timestamp(at, 'yyyyMMdd')"),
        ("string", "2019-01-01", "at"),
    ]:
        at, reasons = read(spark, kind, value, expression)
        assert (at.astimezone(UTC), reasons) == (NEW_YEAR, [])


def test_a_year_of_five_digits_is_one_reason_whatever_the_day(spark: SparkSession) -> None:
    for day in ("12019-01-01", "12019-01-02"):
        assert read(spark, "string", day) == (None, ["ordered_at is beyond the year 9999 (at)"])
    assert read(spark, "string", "9999-12-31")[1] == []


@pytest.mark.parametrize(("kind", "value"), [("string", "12"), ("string", "x"), ("int", None)])
def test_what_looks_like_nothing_has_no_hint(kind: str, value: Any, spark: SparkSession) -> None:
    assert read(spark, kind, value)[1] in ([UNREADABLE], ["ordered_at is missing (at)"])
