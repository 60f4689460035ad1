"""Decimals of amounts: thousands that are taken for them, and what is rounded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.loading.decimals import Decimals, decimal_aggregates
from crm_spark.ingest.loading.noticed import Noticed
from crm_spark.ingest.mapping.columns import AMOUNT_TEXT, map_source
from crm_spark.ingest.mapping.reasons import REASONS
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import SourceSection
from crm_spark.ingest.verdicts import row_verdicts
from crm_spark.tables.core import TRANSACTIONS

COLUMNS = {
    "customer_id": "amount",
    "order_id": "amount",
    "ordered_at": "timestamp'2024-01-01'",
    "amount": "amount",
}
SOURCE = Source("transactions", SourceSection(path="a", format="csv", columns=COLUMNS), "UTC")


def decimals_of(spark: SparkSession, *amounts: str) -> Decimals:
    """Give what is noticed of amounts that are text."""
    rows = spark.createDataFrame([(amount,) for amount in amounts], "amount string")
    mapped = map_source(rows, TRANSACTIONS, COLUMNS, time_zone="UTC", source_file=F.lit("a"))
    return Decimals.of(mapped.agg(*decimal_aggregates()).collect()[0].asDict())


def said(decimals: Decimals, n_usable: int) -> list[tuple[str, str, str]]:
    """Give check, level and message."""
    noticed = Noticed(n_usable=n_usable, decimals=decimals)
    verdicts = row_verdicts(SOURCE, noticed, ())
    return [(verdict.check, verdict.level, verdict.message) for verdict in verdicts]


CASES = [
    (("1.355", "850", "12.500", "99", "1.355 "), "three_decimals"),
    (("1.000", "850"), "three_decimals"),
    (("12.340", "5.000", "850.000"), None),  # written with three decimals always
    (("12.34", "5.00", "850", "-1.5"), None),
    (("1.2345", "2.50", "3.5"), "rounded_amounts"),
    (("1.345", "2.50", "3.5"), "rounded_amounts"),
    (("1.5E3", "2.50000", "3.5"), None),
    (("x.355", "n/a", "1"), None),  # rejected, and told as such
    ((), None),
]


@pytest.mark.parametrize(("amounts", "check"), CASES)
def test_amounts_that_lose_decimals_are_told_as_what_they_may_be(
    amounts: tuple[str, ...], check: str | None, spark: SparkSession
) -> None:
    n_usable = sum(amount[-1].isdigit() or amount[-1] == " " for amount in amounts)
    found = [one[0] for one in said(decimals_of(spark, *amounts), n_usable)]
    assert found == ([check] if check else [])


def test_the_message_shows_an_amount_and_the_remedy() -> None:
    assert said(Decimals(3, 3, 2, "1.355"), 5) == [
        (
            "three_decimals",
            "warning",
            "transactions: 3 of 3 amounts with a point have three decimals, such as 1.355, and are "
            "rounded to two. If the point parts thousands, take it out: replace(amount, '.', '')",
        )
    ]
    assert said(Decimals(3, 1, 1, "1.355"), 3) == [
        (
            "rounded_amounts",
            "advice",
            "transactions: 1 of 3 amounts have more than two decimals, and are rounded to two",
        )
    ]


def test_amounts_that_are_no_text_are_not_looked_at(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(Decimal("1.355"),)], "amount decimal(10,3)")
    mapped = map_source(rows, TRANSACTIONS, COLUMNS, time_zone="UTC", source_file=F.lit("a"))
    assert mapped.select(AMOUNT_TEXT, REASONS).collect()[0][0] is None
