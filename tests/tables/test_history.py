"""Histories: which version a date sees, and which is valid still."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from conftest import TIME_ZONE
from pyspark.sql import SparkSession

from crm_spark.tables.core import CUSTOMERS, PRODUCTS, TRANSACTIONS
from crm_spark.tables.history import as_of, current, is_history


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=ZoneInfo(TIME_ZONE))


def test_a_date_sees_the_version_of_its_midnight_and_the_first_holds_before_it(
    spark: SparkSession,
) -> None:
    versions = spark.createDataFrame(
        [
            ("soap", "bath", None, at(10, 9)),
            ("soap", "home", at(10, 9), at(12)),
            ("soap", "shop", at(12), None),
            ("new", "food", at(11), None),
            ("old", "food", None, None),
        ],
        "product_id string, department string, valid_from timestamp, valid_to timestamp",
    )
    days = [date(2020, 1, 1), *[date(2024, 3, day) for day in (10, 11, 12, 13)]]
    seen: dict[date, dict[str, str]] = {day: {} for day in days}
    rows = as_of(versions, days=days)
    assert rows.columns == ["product_id", "department", "as_of_date"]
    for row in rows.collect():
        assert row["product_id"] not in seen[row["as_of_date"]]
        seen[row["as_of_date"]][row["product_id"]] = row["department"]
    assert list(seen.values()) == [
        {"soap": "bath", "old": "food"},
        {"soap": "bath", "old": "food"},
        {"soap": "home", "old": "food"},  # what changes at midnight is not known yet
        {"soap": "home", "new": "food", "old": "food"},
        {"soap": "shop", "new": "food", "old": "food"},
    ]
    newest = {row["product_id"]: row["department"] for row in current(versions).collect()}
    assert newest == {"soap": "shop", "new": "food", "old": "food"}


def test_products_and_customers_have_a_history_and_lines_have_not() -> None:
    assert [is_history(table) for table in (PRODUCTS, CUSTOMERS, TRANSACTIONS)] == [
        True,
        True,
        False,
    ]
