"""Order days as they were known on several dates, made by Spark of orders that change."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.features.orders import customer_orders
from crm_spark.models.next_purchase.customers import Histories
from crm_spark.models.next_purchase.order_days import count_customers, order_days
from crm_spark.tables.core import TRANSACTIONS

EARLY, MIDDLE, LATE = MOMENTS = [date(2017, 7, 1), date(2017, 8, 1), date(2017, 9, 1)]

# customer, order, product, ordered on, arrived on, amount; below zero it takes back its product.
LINES = [
    ("regular", "o1", "a", "2017-06-10", "2017-06-10", 10),
    ("regular", "o2", "b", "2017-06-10", "2017-06-10", 5),
    ("regular", "o3", "a", "2017-06-20", "2017-06-20", 20),
    ("regular", "o4", "a", "2017-08-01", "2017-08-01", 20),
    ("arrived late", "o1", "a", "2017-06-10", "2017-07-15", 20),
    ("gave all back", "o1", "a", "2017-06-15", "2017-06-15", 9),
    ("gave all back", "r1", "a", "2017-07-20", "2017-07-20", -9),
    ("gave some back", "o1", "a", "2017-06-15", "2017-06-15", 9),
    ("gave some back", "o1", "b", "2017-06-15", "2017-06-15", 4),
    ("gave some back", "r1", "a", "2017-07-20", "2017-07-20", -9),
    ("came after", "o1", "a", "2017-08-31", "2017-08-31", 9),
]


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    """Give order_days() of LINES, which happen at noon, New York's morning."""

    def line(place: int, one: tuple[str, str, str, str, str, int]) -> dict[str, Any]:
        customer, order, product, ordered, arrived, amount = one
        return {
            "customer_id": customer,
            "order_id": order,
            "line_id": str(place),
            "product_id": product,
            "ordered_at": datetime.fromisoformat(f"{ordered}T16:00").replace(tzinfo=UTC),
            "arrived_at": datetime.fromisoformat(f"{arrived}T16:00").replace(tzinfo=UTC),
            "quantity": Decimal(-1 if amount < 0 else 1),
            "amount": Decimal(amount),
            "is_return": amount < 0,
            "is_deleted": False,
            "replaces_order": False,
            "is_zero_amount": False,
            "is_zero_quantity": False,
        }

    names = TRANSACTIONS.schema.names
    values = [
        tuple(line(place, one).get(name) for name in names) for place, one in enumerate(LINES)
    ]
    lines = spark.createDataFrame(values, TRANSACTIONS.schema)
    return order_days(customer_orders(lines), lines, MOMENTS).persist()


@pytest.fixture(scope="module")
def known(rows: DataFrame) -> dict[date, dict[str, tuple[float, float]]]:
    """Give by date each customer's order days and days of silence."""
    table = rows.orderBy("customer_id").toArrow()
    histories = Histories.of(table, MOMENTS)
    names = table.column("customer_id").to_pylist()
    found = {}
    for day in MOMENTS:
        customers = histories.before(day)
        values = zip(customers.n_days.tolist(), customers.silence_days.tolist(), strict=True)
        found[day] = dict(zip([names[one] for one in customers.places], values, strict=True))
    return found


def test_orders_of_one_day_are_one_day(known: dict[date, dict[str, tuple[float, float]]]) -> None:
    assert known[EARLY]["regular"] == (2, 10)
    assert known[MIDDLE]["regular"] == (2, 41)
    # The first of August is no day before it.
    assert known[LATE]["regular"] == (3, 30)


def test_an_order_is_known_from_its_arrival_on(
    known: dict[date, dict[str, tuple[float, float]]],
) -> None:
    assert "arrived late" not in known[EARLY]
    assert known[MIDDLE]["arrived late"] == (1, 51)


def test_an_order_that_was_taken_back_whole_counts_until_then(
    known: dict[date, dict[str, tuple[float, float]]],
) -> None:
    assert known[EARLY]["gave all back"] == (1, 15)
    assert "gave all back" not in known[MIDDLE]
    assert known[LATE]["gave some back"] == (1, 77)


def test_whoever_came_later_is_not_there_before(
    rows: DataFrame, known: dict[date, dict[str, tuple[float, float]]]
) -> None:
    assert "came after" not in known[MIDDLE]
    assert known[LATE]["came after"] == (1, 0)
    for day in MOMENTS:
        assert count_customers(rows, MOMENTS, day) == len(known[day])
