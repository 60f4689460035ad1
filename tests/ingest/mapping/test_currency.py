"""Amounts in one currency, at the rate that held on the order's local day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.columns import map_source
from crm_spark.ingest.mapping.currency import CurrenciesSection, convert
from crm_spark.tables.core import EXCHANGE_RATES, TRANSACTIONS

RATES = [
    ("EUR", date(2017, 6, 1), Decimal("0.88")),
    ("EUR", date(2017, 6, 5), Decimal("0.90")),
    ("USD", date(2017, 6, 1), Decimal("0.78125")),
]
# name, currency, local day, amount -> amount in GBP
LINES = [
    ("home", "GBP", 1, "9.99", "9.99"),
    ("the day itself", "EUR", 1, "10.00", "8.80"),
    ("the rate before holds on", "EUR", 4, "10.00", "8.80"),
    ("until the next", "EUR", 5, "10.00", "9.00"),
    ("as long as is allowed", "USD", 4, "1.00", "0.78"),
    ("half a cent is rounded up", "USD", 1, "0.16", "0.13"),
    ("not a day longer", "USD", 5, "1.00", None),
    ("not before the first", "EUR", 0, "10.00", None),
    ("never heard of", "XXX", 1, "10.00", None),
    ("none said", None, 1, "10.00", None),
    ("a return", "EUR", 1, "-10.00", "-8.80"),
]


@pytest.fixture(scope="module")
def converted(spark: SparkSession) -> dict[str, Decimal | None]:
    """Give the amount of each line in pounds."""
    rates = spark.createDataFrame(RATES, "currency string, rate_date date, rate decimal(18,8)")
    rows = [
        # Late in the evening in New York, the next day in UTC.
        (name, currency, datetime(2017, 6, day + 1, 3, tzinfo=UTC), Decimal(amount), None)
        for name, currency, day, amount, _ in LINES
    ]
    schema = "name string, currency string, ordered_at timestamp, amount decimal(18,2), "
    lines = spark.createDataFrame(rows, schema + "discount_amount decimal(18,2)")
    params = CurrenciesSection(reporting=" gbp", max_rate_age_days=3)
    found = convert(lines, rates, params).collect()
    assert len(found) == len(LINES)
    return {row["name"]: row["amount"] for row in found}


@pytest.mark.parametrize(("name", "expected"), [(line[0], line[4]) for line in LINES])
def test_each_line_is_turned_at_the_rate_of_its_day(
    converted: dict[str, Decimal | None], name: str, expected: str | None
) -> None:
    assert converted[name] == (None if expected is None else Decimal(expected))


def test_currencies_are_codes_whatever_their_letters_in_lines_and_in_rates(
    spark: SparkSession,
) -> None:
    df = spark.createDataFrame([("usd",), (" Usd\u00a0",), ("USD",), (" ",), (None,)], "c string")
    lines = {"customer_id": "'c'", "order_id": "'o'", "amount": "1", "currency": "c"}
    rates = {"currency": "c", "rate": "1", "rate_date": "date'2017-06-01'"}
    for table, mapping in [(TRANSACTIONS, lines), (EXCHANGE_RATES, rates)]:
        rows = map_source(df, table, mapping, time_zone="UTC", source_file=F.lit("a.csv"))
        assert [row["currency"] for row in rows.collect()] == ["USD"] * 3 + [None] * 2


def test_a_reporting_currency_has_a_name() -> None:
    with pytest.raises(ValidationError, match="expected the code of a currency"):
        CurrenciesSection(reporting=" ")
