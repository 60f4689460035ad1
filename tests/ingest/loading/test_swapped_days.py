"""Dates whose day and month were taken for one another."""

from __future__ import annotations

import json

import pytest
from pyspark.sql import SparkSession

from crm_spark.ingest.loading.swapped_days import swapped, swapped_days, swapped_expressions
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import SourceSection


@pytest.mark.parametrize(
    ("pattern", "other"),
    [
        ("dd/MM/yyyy", "MM/dd/yyyy"),
        ("M/d/yy HH:mm:ss", "d/M/yy HH:mm:ss"),
        ("yyyy-MM-dd", "yyyy-dd-MM"),
        ("yyyyLLdd", "yyyyddLL"),
        ("dd. MMM yyyy", None),
        ("yyyy-mm-dd", None),
        ("HH:mm", None),
    ],
)
def test_day_and_month_of_a_pattern_are_exchanged(pattern: str, other: str | None) -> None:
    assert swapped(pattern) == other


def test_each_pattern_of_an_expression_is_exchanged_by_itself() -> None:
    text = "coalesce(to_date(day, 'd.M.yyyy'), to_date(day, 'yyyy-MM-dd'), 'none')"
    assert [other for other, _ in swapped_expressions(text)] == ["M.d.yyyy", "yyyy-dd-MM"]
    assert next(swapped_expressions(text))[1] == text.replace("d.M.", "M.d.")


@pytest.mark.parametrize(
    ("days", "hints"),
    [
        (
            ["12/31/2024", "10/28/2024"],
            ["the dates may be month first: with 'MM/dd/yyyy' all 2 of these rows can be read"],
        ),
        (["12/31/2024", "31 Dec 2024"], []),
        ([], []),
    ],
)
def test_a_hint_needs_nearly_all_rows_to_be_read_the_other_way(
    days: list[str], hints: list[str], spark: SparkSession
) -> None:
    reason = "ordered_at cannot be read as timestamp from day"
    rows = [(json.dumps({"day": day}), [reason]) for day in days]
    rows += [(json.dumps({"day": "01/01/2024"}), ["amount is zero"])]
    rejected = spark.createDataFrame(rows, "row string, reasons array<string>")
    columns = {
        "customer_id": "who",
        "order_id": "nr",
        "ordered_at": "to_timestamp(day, 'dd/MM/yyyy')",
        "amount": "price",
    }
    source = Source("transactions", SourceSection(path="a", format="csv", columns=columns), "UTC")
    assert swapped_days(rejected, source, {"ordered_at": ["day"]}) == hints
