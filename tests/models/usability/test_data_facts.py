"""The small aggregates behind the verdict on the data."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from crm_spark.models.usability.data_facts import (
    customer_shares,
    customers_by_class,
    orders_per_day,
    rejected_by_kind,
)
from crm_spark.tables.core import TRANSACTIONS, rejected

ORDERS = "customer_id string, order_date date, n_lines long, is_counted boolean"
FIRST, SECOND = date(2024, 3, 1), date(2024, 3, 2)


def test_days_and_shares_count_orders_that_are_no_returns(spark: SparkSession) -> None:
    rows = [
        ("anna", FIRST, 3, True),
        ("anna", FIRST, 2, True),
        ("bert", FIRST, 1, True),
        ("bert", SECOND, 0, False),  # came back only
        ("carl", SECOND, 0, False),
    ]
    orders = spark.createDataFrame(rows, ORDERS)
    assert [tuple(row) for row in orders_per_day(orders).collect()] == [(FIRST, 3)]
    assert tuple(customer_shares(orders).collect()[0]) == (2, 6, 5)


def test_without_orders_there_are_zeros(spark: SparkSession) -> None:
    orders = spark.createDataFrame([], ORDERS)
    assert orders_per_day(orders).collect() == []
    assert tuple(customer_shares(orders).collect()[0]) == (0, 0, 0)


def test_rejected_rows_are_told_apart_by_their_reasons(spark: SparkSession) -> None:
    no_customer = "customer_id is missing (CustomerID)"
    bad_amount = "amount cannot be read as decimal(18,2) from price"
    reasons = [
        [no_customer],
        [no_customer],
        [bad_amount],
        [bad_amount, "order_id is missing (order)"],
        [no_customer, bad_amount],  # both
        ["customer_id cannot be read as string from CustomerID"],
        None,
    ]
    rows = [("{}", row_reasons, None, "a.csv", "run") for row_reasons in reasons]
    rows.append((None, ["it has no column qty"], None, "b.csv", "run"))
    table = spark.createDataFrame(rows, rejected(TRANSACTIONS).schema)
    row = rejected_by_kind(table).collect()[0].asDict()
    assert row == {"n_without_customer": 3, "n_rejected": 4, "n_lost_files": 1}
    assert tuple(rejected_by_kind(table.where("false")).collect()[0]) == (0, 0, 0)


def test_a_customer_of_several_cutoffs_counts_once_for_a_class(spark: SparkSession) -> None:
    rows = [
        ("anna", FIRST, 1.0),
        ("anna", SECOND, 1.0),
        ("bert", FIRST, 0.0),
        ("bert", SECOND, 1.0),
    ]
    labelled = spark.createDataFrame(rows, "customer_id string, as_of_date date, label double")
    counted = customers_by_class(labelled, label="label", test=SECOND).collect()
    assert sorted(map(tuple, counted)) == [(0.0, 1, 0), (1.0, 2, 2)]
