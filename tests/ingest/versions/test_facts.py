"""Days of the first and newest lines: of those that stand, returns told apart from orders."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from conftest import TIME_ZONE
from pyspark.sql import SparkSession

from crm_spark.ingest.versions.facts import LineDates, line_date_aggregates

SCHEMA = "ordered_at timestamp, is_return boolean, is_deleted boolean, superseded_at timestamp"
NOW = datetime(2024, 6, 1, tzinfo=ZoneInfo(TIME_ZONE))


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2024, 1, day, hour, tzinfo=ZoneInfo(TIME_ZONE))


def days(*numbers: int) -> LineDates:
    return LineDates(*[date(2024, 1, number) for number in numbers])


def test_superseded_and_deleted_lines_do_not_count_and_a_return_is_no_order(
    spark: SparkSession,
) -> None:
    lines = [
        (at(1), False, False, NOW),
        (at(2), True, False, None),
        (at(3, 0), False, False, None),
        (at(4, 23), True, False, None),
        (at(5), False, True, NOW),
        (at(6), False, False, NOW),
    ]
    row = spark.createDataFrame(lines, SCHEMA).agg(*line_date_aggregates()).collect()[0]
    assert LineDates.of_row(row) == days(3, 4, 6)


def test_without_a_line_no_day_is_known(spark: SparkSession) -> None:
    row = spark.createDataFrame([], SCHEMA).agg(*line_date_aggregates()).collect()[0]
    found = LineDates.of_row(row)
    assert found == LineDates()
    assert found.as_facts() == {}


def test_days_of_facts_are_the_days_that_were_noted() -> None:
    assert LineDates.of_facts(days(1, 2, 3).as_facts()) == days(1, 2, 3)
    assert LineDates.of_facts({}) == LineDates()


def test_added_lines_only_widen_the_days() -> None:
    assert days(3, 5, 5).with_added(days(4, 4, 9)) == days(3, 5, 9)
    assert days(3, 5, 5).with_added(days(1, 7, 7)) == days(1, 7, 7)
    assert LineDates().with_added(days(1, 7, 7)) == days(1, 7, 7)
    assert days(1, 7, 7).with_added(LineDates()) == days(1, 7, 7)


def test_lines_that_go_matter_where_they_can_have_been_the_first_or_the_newest() -> None:
    assert days(1, 9, 9).may_lose(days(1, 2, 2))
    assert days(1, 9, 9).may_lose(days(3, 9, 9))
    assert not days(1, 9, 9).may_lose(days(2, 8, 9))
    assert not days(1, 9, 9).may_lose(LineDates())
