"""Cleaning rules, each on a row that breaks it and one that just does not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.cleaning import CleaningSection, cleaning_reasons
from crm_spark.tables.core import PRODUCTS, TRANSACTIONS

GOOD: dict[str, Any] = {
    "customer_id": "17",
    "order_id": "A1",
    "product_id": "p",
    "line_id": None,
    "store_id": None,
    "refund_of_order_id": None,
    "ordered_at": datetime(2017, 6, 1, 12, tzinfo=UTC),
    "amount": Decimal("9.99"),
    "known": datetime(2017, 6, 2, 12, tzinfo=UTC),
}
SCHEMA = "customer_id string, order_id string, product_id string, line_id string, " + (
    "store_id string, refund_of_order_id string, ordered_at timestamp, "
    "amount decimal(18,2), known timestamp"
)
STRICT = CleaningSection(
    latest_date=date(2017, 12, 31),
    negative_amounts="reject",
    zero_amounts="reject",
    test_customers=("TEST.*", "7"),
)

# What is wrong, the rules, and the reason.
CASES: list[tuple[dict[str, Any], CleaningSection, list[str]]] = [
    ({}, CleaningSection(), []),
    ({}, STRICT, []),
    (
        {"ordered_at": datetime(1970, 1, 1, 12, tzinfo=UTC)},
        CleaningSection(),
        ["ordered_at is 1970-01-01, before earliest_date 1990-01-01"],
    ),
    ({"ordered_at": datetime(1990, 1, 1, 12, tzinfo=UTC)}, CleaningSection(), []),
    (
        {"ordered_at": datetime(2018, 1, 1, 12, tzinfo=UTC), "known": None},
        STRICT,
        ["ordered_at is 2018-01-01, after latest_date 2017-12-31"],
    ),
    (
        {"ordered_at": datetime(2017, 6, 4, 12, tzinfo=UTC)},
        CleaningSection(),
        ["ordered_at is 2017-06-04, in the future of 2017-06-02, when it was known"],
    ),
    ({"ordered_at": datetime(2017, 6, 3, 12, tzinfo=UTC)}, CleaningSection(), []),
    ({"ordered_at": datetime(2017, 6, 4, 12, tzinfo=UTC)}, CleaningSection(ahead_days=None), []),
    ({"ordered_at": datetime(2017, 6, 4, 12, tzinfo=UTC), "known": None}, CleaningSection(), []),
    ({"amount": Decimal(-1)}, CleaningSection(), []),
    ({"amount": Decimal(-1)}, STRICT, ["amount is -1.00, below zero"]),
    ({"amount": Decimal(0)}, STRICT, ["amount is zero"]),
    ({"customer_id": "TEST 7"}, STRICT, ["customer_id is of a test account (TEST.*)"]),
    ({"customer_id": "MY TEST"}, STRICT, []),
    ({"customer_id": "7"}, STRICT, ["customer_id is of a test account (7)"]),
    (
        {"customer_id": "Guest"},
        CleaningSection(),
        ["customer_id is missing: Guest stands for none (cleaning.placeholders)"],
    ),
    ({"customer_id": "0"}, CleaningSection(), []),
    (
        {"customer_id": "0"},
        CleaningSection(placeholders=("0",)),
        ["customer_id is missing: 0 stands for none (cleaning.placeholders)"],
    ),
    ({"customer_id": "-1"}, CleaningSection(placeholders=()), []),
    (
        {"customer_id": "(NULL)"},
        CleaningSection(),
        ["customer_id is missing: (NULL) stands for none (cleaning.placeholders)"],
    ),
    (
        {"customer_id": "#REF!"},
        CleaningSection(),
        ["customer_id is missing: #REF! stands for none (cleaning.placeholders)"],
    ),
    (
        {"product_id": "caf\ufffd"},
        CleaningSection(),
        ["product_id holds characters that could not be decoded: is the encoding right?"],
    ),
    ({"product_id": "caf\ufffd"}, CleaningSection(broken_text="keep"), []),
    ({"customer_id": None, "amount": None, "ordered_at": None}, STRICT, []),
]


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> list[list[str]]:
    """Give the reasons of each case, one Spark job for each set of rules."""
    reasons: dict[int, list[str]] = {}
    for rules in {id(rules): rules for _, rules, _ in CASES}.values():
        rows = [
            (number, *{**GOOD, **wrong}.values())
            for number, (wrong, case_rules, _) in enumerate(CASES)
            if case_rules is rules
        ]
        df = spark.createDataFrame(rows, f"number int, {SCHEMA}")
        column = F.array_compact(
            F.array(*cleaning_reasons(TRANSACTIONS, rules, known_by=F.col("known")))
        )
        reasons |= {row[0]: row[1] for row in df.select("number", column).collect()}
    return [reasons[number] for number in range(len(CASES))]


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: str(CASES[n][0]))
def test_each_rule_finds_what_breaks_it_and_nothing_else(
    found: list[list[str]], number: int
) -> None:
    assert found[number] == CASES[number][2]


def test_a_table_without_times_and_amounts_is_asked_for_its_ids_only(spark: SparkSession) -> None:
    reasons = cleaning_reasons(PRODUCTS, STRICT, known_by=F.lit(None).cast("timestamp"))
    df = spark.createDataFrame([("caf\ufffd",), ("soap",)], "product_id string")
    by_row = [row[0] for row in df.select(F.array_compact(F.array(*reasons))).collect()]
    assert [len(row_reasons) for row_reasons in by_row] == [1, 0]


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="no regular expression"):
        CleaningSection(test_customers=("TEST(",))
