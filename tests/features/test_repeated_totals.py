"""Order totals that stand on each line, or on a line of their own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from crm_spark.features.orders import measured_orders
from crm_spark.features.repeated_totals import total_aggregates, total_verdicts
from crm_spark.tables.core import TRANSACTIONS

Orders = list[list[str]]

TOTALS: Orders = [["115", "115"], ["57.50", "57.50", "57.50"], ["30"], ["80", "80"]]
SUMMED: Orders = [["6", "4", "10"], ["3", "2.40", "3.60", "9"], ["4.80", "1.20", "6"], ["5", "7"]]


def said(spark: SparkSession, orders: Orders, *, product: str | None = None) -> list[str]:
    """Give what is said of orders of these lines; products differ, unless one is given."""
    lines = [
        {
            "customer_id": "c",
            "order_id": f"o{number}",
            "line_id": f"{number:03d}{place}",
            "product_id": product or f"p{place}",
            "ordered_at": None,
            "amount": Decimal(amount),
            "is_return": amount.startswith("-"),
            "is_deleted": False,
            "replaces_order": False,
        }
        for number, amounts in enumerate(orders)
        for place, amount in enumerate(amounts)
    ]
    rows = [tuple(line.get(column.name) for column in TRANSACTIONS.columns) for line in lines]
    schema = ", ".join(f"{c.name} {c.type.simpleString()}" for c in TRANSACTIONS.columns)
    measured = measured_orders(spark.createDataFrame(rows, schema))
    counts = measured.agg(*total_aggregates()).collect()[0].asDict()
    return [verdict.message for verdict in total_verdicts(counts)]


def test_the_total_of_an_order_on_each_of_its_lines_is_told(spark: SparkSession) -> None:
    assert said(spark, TOTALS) == [
        "in 3 of 3 orders of several products every line has the same amount: if it is the total "
        "of the order, it counts once for each line. Map what the line itself cost as amount, such "
        "as quantity * price"
    ]


def test_a_line_that_is_the_sum_of_all_others_is_told(spark: SparkSession) -> None:
    assert said(spark, SUMMED) == [
        "in 3 of 3 orders of three or more lines one line is the sum of all others: if it is the "
        "summary of the order, the order counts twice. Leave such lines out by where"
    ]


@pytest.mark.parametrize(
    "orders",
    [
        [],
        [["1", "1"], ["2", "2"]],  # two may be so by chance
        [["0.99"] * n for n in (2, 3, 2, 4)],  # a shop of one price
        [*TOTALS, ["1", "2"], ["3", "4"], ["5", "6"]],  # half of them
        [["0", "0"], ["0", "0"], ["0", "0"]],
        [["10", "10", "0"], ["7", "7", "0"], ["5", "5", "0"]],  # one of them for nothing
        [["10", "4", "-6"], ["9", "3", "-6"], ["8", "2", "-6"]],  # returns are no lines bought
    ],
)
def test_lines_that_are_alike_by_themselves_are_not_told(
    orders: Orders, spark: SparkSession
) -> None:
    assert said(spark, orders) == []


def test_several_lines_of_one_product_have_one_amount(spark: SparkSession) -> None:
    assert said(spark, TOTALS, product="p") == []
