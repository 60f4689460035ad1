"""Customers whose ids differ in letter case or leading zeros only."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.features import id_spellings
from crm_spark.features.id_spellings import spelling_aggregates, spelling_verdicts


def said(orders: DataFrame) -> list[str]:
    """Give what is said of the customers of orders."""
    counts = orders.agg(*spelling_aggregates()).collect()[0].asDict()
    verdicts = spelling_verdicts(orders, counts)
    assert all(verdict.level == "warning" for verdict in verdicts)
    return [verdict.message for verdict in verdicts]


def orders_of(spark: SparkSession, *customers: str) -> DataFrame:
    """Give two orders of each customer."""
    return spark.createDataFrame([(one,) for one in customers * 2], "customer_id string")


CASES: list[tuple[tuple[str, ...], list[str]]] = [
    (
        ("ann@x.org", "Ann@x.org", "ANN@X.ORG", "bob@x.org"),
        [
            "4 customers would be 2 if letter case did not count: if they are the same people, map "
            "customer_id as lower(...) in every source"
        ],
    ),
    (
        ("00123", "123", "1789", "0123"),
        [
            "4 customers would be 2 if leading zeros did not count: if they are the same people, "
            "map customer_id as lpad(..., 5, '0') in every source"
        ],
    ),
    (("00123", "00124"), []),
    (("7", "12", "1200"), []),
    (("C1", "C2"), []),
    (("c01", "c1"), []),
    (("Ann", "bob"), []),
    ((), []),
]


@pytest.mark.parametrize(("customers", "expected"), CASES)
def test_customers_with_several_spellings_are_counted(
    customers: tuple[str, ...], expected: list[str], spark: SparkSession
) -> None:
    assert said(orders_of(spark, *customers)) == expected


def test_of_many_customers_only_what_sketches_show_is_counted(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(id_spellings, "_FEW_CUSTOMERS", 10)
    few = spark.range(2000).selectExpr("concat(if(id < 4, 'C', 'c'), id % 1998) AS customer_id")
    many = spark.range(2000).selectExpr("concat(if(id < 1000, 'C', 'c'), id % 1000) AS customer_id")
    assert said(few) == []
    assert said(many)[0].startswith("2,000 customers would be 1,000 if letter case")


def test_one_customer_in_more_than_a_thousand_is_not_told(spark: SparkSession) -> None:
    ids = spark.range(1200).selectExpr("if(id = 0, 'C1', concat('c', id)) AS customer_id")
    assert said(ids) == []


def test_ids_of_one_spelling_cost_no_second_look(spark: SparkSession) -> None:
    orders = orders_of(spark, "c1", "c2", "00123", "00456")
    counts: dict[str, Any] = orders.agg(*spelling_aggregates()).collect()[0].asDict()
    unread = spark.createDataFrame([], "other string")
    assert spelling_verdicts(unread, counts) == []
