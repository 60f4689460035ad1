"""Ids: one form each, whatever type or spelling the source has them in."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.columns import map_source
from crm_spark.tables.core import TRANSACTIONS

NO_BREAK, ZERO_WIDTH, MARK = "\u00a0", "\u200b", "\ufeff"


@pytest.mark.parametrize(
    ("kind", "value", "text", "found"),
    [
        # One customer, as files of several kinds have him.
        ("bigint", 17850, "id", "17850"),
        ("double", 17850.0, "id", "17850"),
        ("float", 17850.0, "id", "17850"),
        ("decimal(20,2)", Decimal("17850.00"), "id", "17850"),
        ("string", "17850", "id", "17850"),
        ("string", "17850.0", "id", "17850"),
        ("string", "1.785E4", "id", "17850"),
        ("double", 12345678.0, "id", "12345678"),
        ("string", "17850.0", "cast(cast(id as double) as bigint)", "17850"),
        ("double", -1.0, "id", "-1"),
        ("string", "-1.0", "id", "-1"),
        ("string", "1.7850E+04", "id", "17850"),
        ("string", "1,7850E+04", "id", "17850"),
        ("string", "1.7850e+04", "id", "17850"),
        ("string", "-1.00E+0", "id", "-1"),
        ("string", "17850.00", "id", "17850"),
        ("string", "17850.0000000000", "id", "17850"),
        ("string", "17850,0", "id", "17850"),
        # Others, that no number may make the same.
        ("string", "17.000", "id", "17.000"),
        ("string", "17,000", "id", "17,000"),
        ("string", "17850.10", "id", "17850.10"),
        ("string", "017850", "id", "017850"),
        ("string", "85123E4", "id", "85123E4"),
        ("string", "1.5", "id", "1.5"),
        ("string", "1.55E+01", "id", "1.55E+01"),
        ("string", "17.850E+03", "id", "17.850E+03"),
        ("string", "anne+x@shop.example", "id", "anne+x@shop.example"),
        ("double", 1.5, "id", "1.5"),
        ("string", "1.50", "id", "1.50"),
        ("decimal(20,0)", Decimal("18446744073709551615"), "id", "18446744073709551615"),
        # Blanks and what nobody sees.
        ("string", f"{MARK} a b\t\r\n{NO_BREAK}", "id", "a b"),
        ("string", f"{ZERO_WIDTH}é{ZERO_WIDTH}", "id", "é"),
        ("string", f" {NO_BREAK}\t", "id", None),
        ("string", "", "id", None),
        ("string", None, "id", None),
        # None at all.
        ("double", float("nan"), "id", None),
        ("double", float("inf"), "id", None),
        ("string", "NaN", "cast(cast(id as double) as bigint)", None),
        ("string", "-inf", "cast(id as double)", None),
        ("double", float("nan"), "cast(id as bigint)", None),
        # Other kinds are text like any other.
        ("binary", bytearray(b" c1 "), "id", "c1"),
        ("binary", bytearray(b"17850.0"), "id", "17850"),
        ("binary", bytearray(b""), "id", None),
        ("boolean", True, "id", "true"),
        ("date", date(2017, 6, 1), "id", "2017-06-01"),
        # Excel has left out digits of these.
        ("string", "8.96529E+19", "id", None),
        ("string", "1.12346E+17", "id", None),
        ("string", "1,12346E+17", "id", None),
        ("string", " 1.23457E+12 ", "id", None),
        ("string", "1E+05", "id", None),
        ("string", "1.23457E+12", "cast(cast(id as double) as bigint)", None),
        # A double has lost digits of these: two customers would be one.
        ("string", "12345678901234567", "cast(cast(id as double) as bigint)", None),
        ("double", 1e17, "id", None),
        ("double", 1e17, "cast(id as bigint)", None),
        ("float", 17850001.0, "id", None),
        ("string", "1.2345678901234568E16", "id", None),
        ("string", "1.5E300", "id", None),
        ("string", "12345678901234567", "cast(id as bigint)", "12345678901234567"),
    ],
)
def test_an_id_has_one_form(
    kind: str, value: Any, text: str, found: str | None, spark: SparkSession
) -> None:
    rows = spark.createDataFrame([(value,)], f"id {kind}")
    mapping = {"product_id": text}
    mapped = map_source(rows, TRANSACTIONS, mapping, time_zone="UTC", source_file=F.lit("a.csv"))
    assert mapped.select("product_id").collect()[0][0] == found
