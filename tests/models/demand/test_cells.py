"""What was sold of a few products, as it was known on two dates, worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.demand.cells import NO_DEPARTMENT, sales_cells
from crm_spark.models.demand.data import DemandData
from crm_spark.models.demand.section import DemandSection
from crm_spark.models.demand.series import DEPARTMENT, PRODUCT, REST, TOTAL
from crm_spark.tables.core import TRANSACTIONS

DAY = date(2024, 4, 15)
WEEK, A_DAY = timedelta(days=7), timedelta(days=1)
CUTOFF = DAY - 2 * WEEK
PARAMS = DemandSection(horizon_periods=2, products=3, history_periods=16)
N_WEEKS = 12

DEPARTMENTS = [("apple", "fruit"), ("pear", "fruit"), ("bread", "bakery"), ("stamp", None)]


def at(weeks_before: int) -> datetime:
    """Give a moment in the middle of a week before DAY, 1 the last."""
    return datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC) - weeks_before * WEEK + 3 * A_DAY


def sold(product: str | None, weeks_before: int, amount: str, **given: Any) -> dict[str, Any]:
    """Give a line of a week; it arrived when it was ordered."""
    return {
        "customer_id": "ann",
        "order_id": f"{product}-{weeks_before}",
        "product_id": product,
        "ordered_at": at(weeks_before),
        "arrived_at": at(weeks_before),
        "quantity": Decimal(2),
        "amount": Decimal(amount),
        "is_return": False,
        "is_deleted": False,
        "replaces_order": False,
        "is_zero_amount": False,
        "is_zero_quantity": False,
        **given,
    }


LINES = [
    *[sold("apple", week, "10") for week in range(1, N_WEEKS + 1)],
    *[sold("bread", week, "4.50") for week in range(1, N_WEEKS + 1)],
    # Sold for most of all, but only of late: alone on the later date, not on the earlier.
    *[sold("stamp", week, "100") for week in range(1, 9)],
    # Too little for a series of its own: there are three.
    *[sold("pear", week, "1") for week in range(1, N_WEEKS + 1)],
    *[sold(None, week, "2") for week in range(1, N_WEEKS + 1)],
    sold("apple", 4, "-10", is_return=True),
    # Known a week before the later date only.
    sold("bread", 5, "7", arrived_at=at(1)),
    # Taken for 20 until it was corrected to 30, between the two dates.
    sold("apple", 6, "20", superseded_at=at(2)),
    sold("apple", 6, "30", arrived_at=at(2)),
    # Of the future.
    sold("apple", 0, "1000"),
]


@pytest.fixture(scope="module")
def lines(spark: SparkSession) -> DataFrame:
    """Give LINES as core.transactions."""
    names = TRANSACTIONS.schema.names
    rows = [
        tuple({**line, "line_id": str(place)}.get(name) for name in names)
        for place, line in enumerate(LINES)
    ]
    return spark.createDataFrame(rows, TRANSACTIONS.schema)


def read(lines: DataFrame, departments: DataFrame | None, params: DemandSection) -> DemandData:
    cells = sales_cells(
        lines,
        departments,
        dates=[CUTOFF, DAY],
        period_days=7,
        history_periods=params.history_periods,
        most_products=params.products,
        ranked_periods=26,
        fewest_periods=params.fewest_periods,
    )
    return DemandData(cells, [CUTOFF, DAY], params)


@pytest.fixture(scope="module")
def data(spark: SparkSession, lines: DataFrame) -> DemandData:
    departments = spark.createDataFrame(DEPARTMENTS, "product_id string, department string")
    return read(lines, departments, PARAMS)


def row(data: DemandData, day: date, series_id: str, measure: str = "amount") -> list[float]:
    """Give what was sold of a series in each week, the last first."""
    view = data.view(day)
    values = view.sales[measure].values[view.tree.ids.index(series_id)]
    return [float(one) for one in values[::-1]]


def test_a_product_has_a_series_of_its_own_once_it_was_sold_long_enough(data: DemandData) -> None:
    def own(day: date) -> set[str]:
        tree = data.view(day).tree
        return set(tree.product_id[tree.of_level(PRODUCT)])

    assert own(DAY) == {"apple", "bread", "stamp"}
    assert own(CUTOFF) == {"apple", "bread", "pear"}


def test_a_correction_counts_from_when_it_was_known_and_no_return_does(data: DemandData) -> None:
    # The first week may have begun midway: it is left out of history.
    assert row(data, DAY, "product:apple") == [10, 10, 10, 10, 10, 40, 10, 10, 10, 10, 10]
    assert row(data, CUTOFF, "product:apple") == [10, 10, 10, 30, 10, 10, 10, 10, 10]


def test_what_arrived_later_was_not_known_before(data: DemandData) -> None:
    assert row(data, DAY, "department:bakery")[:6] == [4.5, 4.5, 4.5, 4.5, 11.5, 4.5]
    assert row(data, CUTOFF, "department:bakery")[:4] == [4.5, 4.5, 4.5, 4.5]


def test_items_are_those_of_the_same_lines(data: DemandData) -> None:
    assert row(data, DAY, "product:apple", "units")[:7] == [2, 2, 2, 2, 2, 4, 2]


def test_series_add_up_to_their_department_and_these_to_the_total(data: DemandData) -> None:
    for day in (CUTOFF, DAY):
        view = data.view(day)
        for sales in view.sales.values():
            values = np.nan_to_num(sales.values)
            for place in np.unique(view.tree.parent[view.tree.parent >= 0]):
                parts = values[view.tree.parent == place].sum(axis=0)
                assert parts == pytest.approx(values[place])


def test_what_no_series_stands_for_is_left_in_its_department(data: DemandData) -> None:
    assert row(data, DAY, "other_products:fruit")[:3] == [1, 1, 1]
    # Products of no known department, and lines of no product.
    assert row(data, DAY, f"other_products:{NO_DEPARTMENT}")[:3] == [2, 2, 2]
    assert row(data, CUTOFF, f"other_products:{NO_DEPARTMENT}")[:3] == [102, 102, 102]


def test_a_series_begins_with_its_first_sale(data: DemandData) -> None:
    values = row(data, DAY, "product:stamp")
    assert values[:8] == [100.0] * 8
    assert all(np.isnan(values[8:]))


def test_what_came_is_as_it_was_known_at_the_close(data: DemandData) -> None:
    view = data.view(CUTOFF)
    assert view.actual is not None
    came = {
        name: [float(one) for one in values]
        for name, values in zip(view.tree.ids, view.actual["amount"], strict=True)
    }
    assert came["product:apple"] == [10.0, 10.0]
    assert came["total"] == [117.5, 117.5]
    assert came[f"other_products:{NO_DEPARTMENT}"] == [102.0, 102.0]
    assert data.view(DAY).actual is None


def test_without_departments_products_add_up_to_the_total(lines: DataFrame) -> None:
    tree = read(lines, None, PARAMS).view(DAY).tree
    assert list(tree.level) == [TOTAL, PRODUCT, PRODUCT, PRODUCT, REST]
    assert list(tree.parent) == [-1, 0, 0, 0, 0]


def test_no_products_are_wanted_and_departments_remain(
    spark: SparkSession, lines: DataFrame
) -> None:
    departments = spark.createDataFrame(DEPARTMENTS, "product_id string, department string")
    data = read(lines, departments, PARAMS.model_copy(update={"products": 0}))
    assert set(data.view(DAY).tree.level) == {TOTAL, DEPARTMENT}


def test_without_quantities_there_is_money_alone(spark: SparkSession) -> None:
    names = TRANSACTIONS.schema.names
    line = {**sold("apple", 1, "10"), "line_id": "1", "quantity": None}
    lines = spark.createDataFrame([tuple(map(line.get, names))], TRANSACTIONS.schema)
    assert read(lines, None, PARAMS).measures == ("amount",)


def test_the_order_of_lines_changes_nothing(
    spark: SparkSession, lines: DataFrame, data: DemandData
) -> None:
    departments = spark.createDataFrame(DEPARTMENTS[::-1], "product_id string, department string")
    shuffled = lines.repartition(5, "line_id").orderBy("amount")
    assert read(shuffled, departments, PARAMS).content_hash() == data.content_hash()
