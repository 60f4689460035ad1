"""Who churned: every order of the table below beside the label that it leads to."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from crm_spark.features.orders import customer_orders
from crm_spark.models.churn.inputs import with_attributes
from crm_spark.models.churn.labels import churn_labels, is_active
from crm_spark.tables.core import TRANSACTIONS

# The horizon is [2017-11-01, 2017-11-08), labels close with the end of 2017-11-09. The session's
# time zone is New York, four hours behind UTC until the clocks go back on 2017-11-05, five after.
CUTOFF = date(2017, 11, 1)
HORIZON_DAYS, GRACE_DAYS, ACTIVE_DAYS = 7, 2, 30

RETURN, STRUCK = "return", "struck"
CANCELLED_IN_TIME, CANCELLED_LATE = "cancelled in time", "cancelled late"

# customer, days since the last order, ordered at and arrived at (UTC), what it is -> label
ORDERS = [
    ("on the first day", 3, "11-01 15:00", "11-01 15:00", "order", 0.0),
    ("at the midnight of the cut-off", 3, "11-01 04:00", "11-01 04:00", "order", 0.0),
    ("in the last second before the cut-off", 3, "11-01 03:59:59", "11-01 03:59:59", "order", 1.0),
    ("on the cut-off in London only", 3, "11-01 00:30", "11-01 00:30", "order", 1.0),
    ("in the last second of the horizon", 3, "11-08 04:59:59", "11-08 04:59:59", "order", 0.0),
    ("on the next day in London already", 3, "11-08 00:30", "11-08 00:30", "order", 0.0),
    ("a day after the last", 3, "11-08 05:00", "11-08 05:00", "order", 1.0),
    ("long after", 3, "12-24 15:00", "12-24 15:00", "order", 1.0),
    ("known in the last second of the grace", 3, "11-03 15:00", "11-10 04:59:59", "order", 0.0),
    ("known too late by a second", 3, "11-03 15:00", "11-10 05:00", "order", 1.0),
    ("said to be known before it was placed", 3, "11-03 15:00", "10-20 15:00", "order", 0.0),
    ("just brought something back", 3, "11-03 15:00", "11-03 15:00", RETURN, 1.0),
    ("had the order struck", 3, "11-03 15:00", "11-03 15:00", STRUCK, 1.0),
    ("cancelled before labels close", 3, "11-03 15:00", "11-03 15:00", CANCELLED_IN_TIME, 1.0),
    ("cancelled later", 3, "11-03 15:00", "11-03 15:00", CANCELLED_LATE, 0.0),
    ("no order", 3, None, None, None, 1.0),
    ("active by a day", 29, None, None, None, 1.0),
    ("lapsed by a day", 30, None, None, None, None),
    ("lapsed, and came back", 30, "11-03 15:00", "11-03 15:00", "order", None),
    ("ordered yesterday", 0, "11-03 15:00", "11-03 15:00", "order", 0.0),
]


def at(text: str) -> datetime:
    """Read "06-01 12:00" as a UTC instant of 2017."""
    return datetime.fromisoformat(f"2017-{text}").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def lines(spark: SparkSession) -> DataFrame:
    """Give ORDERS as core.transactions."""

    def line(customer: str, ordered: str, arrived: str, what: str | None) -> dict[str, object]:
        return {
            "customer_id": customer,
            "order_id": what,
            "line_id": f"{customer} {what}",
            "ordered_at": at(ordered),
            "arrived_at": at(arrived),
            "amount": Decimal(-1 if what == RETURN else 1),
            "is_return": what == RETURN,
            "is_deleted": False,
            "replaces_order": False,
            "is_zero_amount": False,
            "is_zero_quantity": False,
            "superseded_at": at("11-04 15:00") if what == STRUCK else None,
        }

    placed = [
        line(customer, ordered, str(arrived), what)
        for customer, _, ordered, arrived, what, _ in ORDERS
        if ordered is not None
    ]
    cancelled = {CANCELLED_IN_TIME: "11-09 15:00", CANCELLED_LATE: "11-10 15:00"}
    back = [
        line(customer, cancelled[what], cancelled[what], RETURN)
        for customer, _, _, _, what, _ in ORDERS
        if what in cancelled
    ]
    names = TRANSACTIONS.schema.names
    rows = [tuple(fields.get(name) for name in names) for fields in placed + back]
    return spark.createDataFrame(rows, TRANSACTIONS.schema)


@pytest.fixture(scope="module")
def orders(lines: DataFrame) -> DataFrame:
    """Give ORDERS as features.customer_orders, made by the transform itself."""
    return customer_orders(lines)


SNAPSHOT = T.StructType(
    [
        T.StructField("customer_id", T.StringType()),
        T.StructField("as_of_date", T.DateType()),
        T.StructField("days_since_last_order", T.LongType()),
        T.StructField("n_orders", T.LongType()),
    ]
)


@pytest.fixture(scope="module")
def snapshot(spark: SparkSession) -> DataFrame:
    """Give the customers of ORDERS as features.customer_snapshot, cut to what labels read."""
    rows = [(customer, CUTOFF, silence, 7) for customer, silence, *_ in ORDERS]
    return spark.createDataFrame(rows, SNAPSHOT)


def label(
    snapshot: DataFrame,
    orders: DataFrame,
    lines: DataFrame,
    dates: tuple[date, ...] = (CUTOFF,),
) -> dict[tuple[str, date], float]:
    """Give the label of each customer and cut-off."""
    labelled = churn_labels(
        snapshot,
        orders,
        lines,
        dates=dates,
        horizon_days=HORIZON_DAYS,
        grace_days=GRACE_DAYS,
        active_days=ACTIVE_DAYS,
    ).collect()
    found = {(row["customer_id"], row["as_of_date"]): row["label"] for row in labelled}
    assert len(found) == len(labelled), "a customer has one label at each cut-off"
    return found


@pytest.fixture(scope="module")
def labels(
    snapshot: DataFrame, orders: DataFrame, lines: DataFrame
) -> dict[tuple[str, date], float]:
    """Give the label of each customer of ORDERS, one Spark job for all tests of the table."""
    return label(snapshot, orders, lines)


@pytest.mark.parametrize(("customer", "expected"), [(row[0], row[-1]) for row in ORDERS])
def test_each_order_leads_to_its_label(
    labels: dict[tuple[str, date], float], customer: str, expected: float | None
) -> None:
    assert labels.get((customer, CUTOFF)) == expected


def test_several_orders_in_the_horizon_give_one_label(
    snapshot: DataFrame, orders: DataFrame, lines: DataFrame
) -> None:
    one = orders.where("customer_id = 'on the first day'")
    again = one.replace({"order": "another"}, subset=["order_id"])
    found = label(snapshot.where("customer_id = 'on the first day'"), one.unionByName(again), lines)
    assert found == {("on the first day", CUTOFF): 0.0}


def test_each_cutoff_has_its_own_horizon(
    spark: SparkSession, orders: DataFrame, lines: DataFrame
) -> None:
    # The order is placed on 2017-11-01.
    expected = {date(2017, 10, 25): 1.0, date(2017, 10, 26): 0.0, CUTOFF: 0.0}
    expected[date(2017, 11, 2)] = 1.0
    customer = "on the first day"
    rows = [(customer, day, 3, 7) for day in [*expected, date(2017, 12, 1)]]
    found = label(spark.createDataFrame(rows, SNAPSHOT), orders, lines, tuple(expected))
    assert found == {(customer, day): churned for day, churned in expected.items()}


def test_orders_of_one_customer_say_nothing_of_another(
    snapshot: DataFrame, orders: DataFrame, lines: DataFrame
) -> None:
    others = orders.where("customer_id <> 'on the first day'")
    found = label(snapshot.where("customer_id = 'on the first day'"), others, lines)
    assert found == {("on the first day", CUTOFF): 1.0}


def test_nobody_to_label_gives_no_labels_and_no_orders_give_churn(
    snapshot: DataFrame, orders: DataFrame, lines: DataFrame
) -> None:
    nobody, nothing = snapshot.limit(0), orders.limit(0)
    assert label(nobody, orders, lines) == {}
    assert Counter(label(snapshot, nothing, lines).values()) == {
        1.0: sum(silence < ACTIVE_DAYS for _, silence, *_ in ORDERS)
    }


def test_labels_keep_the_columns_of_the_snapshot_and_add_a_double(
    snapshot: DataFrame, orders: DataFrame, lines: DataFrame
) -> None:
    labelled = churn_labels(
        snapshot,
        orders,
        lines,
        dates=(CUTOFF, CUTOFF),
        horizon_days=7,
        grace_days=2,
        active_days=30,
    )
    assert labelled.columns == [*snapshot.columns, "label"]
    assert labelled.schema["label"].dataType == T.DoubleType()
    assert {row["n_orders"] for row in labelled.collect()} == {7}


def test_who_has_no_known_last_order_is_not_active(spark: SparkSession) -> None:
    df = spark.createDataFrame([("a", None), ("b", 0)], "customer_id string, s long")
    renamed = df.withColumnRenamed("s", "days_since_last_order")
    assert [row["customer_id"] for row in renamed.where(is_active(1)).collect()] == ["b"]


def test_attributes_are_those_known_on_the_date(spark: SparkSession) -> None:
    early, late = date(2024, 3, 1), date(2024, 5, 1)
    rows = spark.createDataFrame(
        [("moved", early), ("moved", late), ("stays", late), ("unknown", late)],
        "customer_id string, as_of_date date",
    )
    moved = datetime(2024, 4, 1, tzinfo=UTC)
    customers = spark.createDataFrame(
        [
            ("moved", None, moved, "North", "18-24"),
            ("moved", moved, None, "South", "18-24"),
            ("stays", None, None, "East", None),
        ],
        "customer_id string, valid_from timestamp, valid_to timestamp, region string, "
        "age_group string",
    )
    found = with_attributes(rows, customers, ["region", "age_group"], dates=[early, late])
    assert {
        (row["customer_id"], row["as_of_date"]): (
            row["attribute_region"],
            row["attribute_age_group"],
        )
        for row in found.collect()
    } == {
        ("moved", early): ("North", "18-24"),
        ("moved", late): ("South", "18-24"),
        ("stays", late): ("East", None),
        ("unknown", late): (None, None),
    }
