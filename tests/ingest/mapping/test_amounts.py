"""Amounts that cannot be read: the expression that their reason names reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.amounts import amount_hint

# What is written, and what is meant; None: nothing that is certain.
AMOUNTS = [
    ("$30.00", "30.00"),
    ("-$30.00", "-30.00"),
    ("30.00\N{NO-BREAK SPACE}€", "30.00"),
    ("£12", "12"),
    ("30,00 €", "30.00"),
    ("€ 1.234,50", "1234.50"),
    ("$1,234", "1234"),
    ("(12.00)", "-12.00"),
    ("($1,234.50)", "-1234.50"),
    ("123.00-", "-123.00"),
    ("1,222.00-", "-1222.00"),
    ("1,560.00", "1560.00"),
    ("1,234,567", "1234567"),
    ("1.355,90", "1355.90"),
    ("9,99", "9.99"),
    ("1'234.50", "1234.50"),
    ("14\N{NO-BREAK SPACE}800", "14800"),
    ("14\N{NARROW NO-BREAK SPACE}800,50", "14800.50"),
    ("\N{MINUS SIGN}50.00", "-50.00"),
    ("1,234", None),
    ("(12,50)", None),
    ("free", None),
    ("$ or €", None),
    ("12.00 EUR", None),
]


@pytest.fixture(scope="module")
def hints(spark: SparkSession) -> dict[str, str | None]:
    """Give the hint of each text."""
    df = spark.createDataFrame([(text,) for text, _ in AMOUNTS], "`a b` string")
    return {row[0]: row[1] for row in df.select("a b", amount_hint(F.col("a b"), "a b")).collect()}


@pytest.mark.parametrize(("text", "meant"), AMOUNTS)
def test_what_the_hint_says_to_write_reads_the_amount(
    hints: dict[str, str | None], text: str, meant: str | None, spark: SparkSession
) -> None:
    hint = hints[text]
    if meant is None:
        assert hint is None
        return
    assert hint is not None
    df = spark.createDataFrame([(text,)], "`a b` string")
    read = F.btrim(F.expr(hint.partition(": write ")[2]), F.lit(" \N{NO-BREAK SPACE}"))
    assert df.select(read.cast("decimal(18,2)")).collect()[0][0] == Decimal(meant)


def test_a_percentage_is_no_amount(spark: SparkSession) -> None:
    df = spark.createDataFrame([("8%",), ("12,5 %",)], "off string")
    found = {row[0] for row in df.select(amount_hint(F.col("off"), "off")).collect()}
    assert found == {
        "it is a percentage and no amount: write the price times translate(off, '%', '') / 100"
    }
