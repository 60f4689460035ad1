"""What customers bought of departments, as of a date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from crm_spark.features.departments import customer_departments
from crm_spark.features.tables import CUSTOMER_DEPARTMENTS
from tests.features.oracle import Line, as_frame

DAY = date(2024, 3, 10)


def line(order: str, product: str | None, age: float, amount: str, **more: Any) -> Line:
    # The session's midnight is New York's, five hours behind.
    at = datetime(2024, 3, 10, 5, tzinfo=UTC) - timedelta(days=age)
    fields: dict[str, Any] = {"arrived_at": at, **more}
    return Line("c1", order, at, product_id=product, amount=Decimal(amount), **fields)


def test_recency_frequency_and_spend_of_each_department_worked_out_by_hand(
    spark: SparkSession,
) -> None:
    lines = [
        line("o1", "milk", 10, "2.00"),
        line("o1", "butter", 10, "3.00"),
        line("o2", "milk", 1.5, "2.50"),
        line("o2", "soap", 1.5, "2.50"),
        line("o3", "unheard of", 1.5, "9.00"),
        line("o3", None, 1.5, "9.00"),
        line("r1", "milk", 1.2, "-2.00", is_return=True),
        # Not known yet, and no longer so.
        line("o4", "soap", 5, "7.00", arrived_at=datetime(2024, 3, 10, 5, tzinfo=UTC)),
        line("o5", "soap", 5, "7.00", superseded_at=datetime(2024, 3, 9, tzinfo=UTC)),
    ]
    departments = spark.createDataFrame(
        [("milk", "dairy"), ("butter", "dairy"), ("soap", "drugs"), ("unheard of", None)],
        "product_id string, department string",
    )
    found = customer_departments(as_frame(spark, lines), departments, day=DAY)
    assert {row["department"]: tuple(row)[3:] for row in found.collect()} == {
        "dairy": (1, 2, 2, 7.5, 0.75),
        "drugs": (1, 1, 1, 2.5, 0.25),
    }
    assert set(found.columns) == set(CUSTOMER_DEPARTMENTS.content_columns)
