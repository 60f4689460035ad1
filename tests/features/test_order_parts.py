"""Order numbers that are used again, and refunds that name the order they are of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.features.interactions import product_interactions
from crm_spark.features.orders import (
    count_changes,
    customer_orders,
    orders_as_of,
    reused_numbers,
    split_orders,
)
from crm_spark.tables.core import TRANSACTIONS
from tests.features.as_stored import stored_orders

NAMES = TRANSACTIONS.schema.names


def at(day: str) -> datetime:
    """Read a day as its noon in UTC."""
    return datetime.fromisoformat(f"{day} 12:00").replace(tzinfo=UTC)


def order_lines(spark: SparkSession, rows: Sequence[dict[str, Any]]) -> DataFrame:
    """Give lines: an order_id, a day, an amount, and what is unusual of them.

    They are of customer c where they name no other.
    """
    made = []
    for number, row in enumerate(rows):
        day = row.pop("day")
        line = {
            "customer_id": row.pop("customer", "c"),
            "line_id": f"{number:06d}",
            "ordered_at": at(day),
            "arrived_at": at(row.pop("arrived", day)),
            "amount": Decimal(row.pop("amount")),
            "is_deleted": False,
            "replaces_order": False,
            "is_zero_amount": False,
            "is_zero_quantity": False,
        }
        line["is_return"] = line["amount"] < 0
        gone = row.pop("gone", None)
        made.append({**line, **row, "superseded_at": at(gone) if gone else None})
    rows_of_table = [tuple(line.get(name) for name in NAMES) for line in made]
    return spark.createDataFrame(rows_of_table, TRANSACTIONS.schema)


def all_orders(lines: DataFrame, span_days: int = 31) -> DataFrame:
    """Give the orders, those of used-again numbers by themselves."""
    orders = stored_orders(lines, span_days=span_days)
    reused = reused_numbers(orders)
    plain = orders.where("split_after_days IS NULL")
    return plain.unionByName(split_orders(lines, reused)).localCheckpoint()


def line(order_id: str, day: str, amount: str, **more: str) -> dict[str, Any]:
    """Give a line as order_lines() takes it."""
    return {"order_id": order_id, "day": day, "amount": amount, "product_id": "p", **more}


def spends(orders: DataFrame) -> list[tuple[str, int, int, bool]]:
    """Give order, part, what was bought in cents, and whether the order counts."""
    names = ("order_id", "order_part", "spend_amount_minor", "is_counted")
    return sorted(tuple(row[name] for name in names) for row in orders.collect())


def test_numbers_that_begin_again_every_year_are_orders_of_their_own(spark: SparkSession) -> None:
    lines = order_lines(
        spark,
        [
            line("1", "2017-01-03", "10"),
            line("2", "2017-06-01", "20"),
            line("1", "2018-01-02", "30"),
            line("2", "2018-06-01", "40"),
            line("1", "2018-01-30", "1"),
        ],
    )
    assert spends(all_orders(lines)) == [
        ("1", 1, 1000, True),
        ("1", 2, 3100, True),
        ("2", 1, 2000, True),
        ("2", 2, 4000, True),
    ]
    assert spends(all_orders(lines, span_days=400)) == [
        ("1", 1, 4100, True),
        ("2", 1, 6000, True),
    ]


def test_an_order_spans_so_many_days_from_its_first_line_on_and_not_from_line_to_line(
    spark: SparkSession,
) -> None:
    days = ("2017-01-01", "2017-02-01", "2017-02-02", "2017-03-05", "2017-03-06")
    lines = order_lines(spark, [line("1", day, "1") for day in days])
    assert [(part, spend) for _, part, spend, _ in spends(all_orders(lines))] == [
        (1, 200),  # the first of February is the 31st day
        (2, 200),
        (3, 100),
    ]


def test_a_return_opens_no_order_and_belongs_to_the_one_before_it(spark: SparkSession) -> None:
    lines = order_lines(
        spark,
        [
            line("1", "2017-01-01", "10"),
            line("1", "2017-06-01", "-4"),
            line("1", "2018-01-01", "20"),
            line("1", "2018-06-01", "-5"),
            line("2", "2017-01-01", "10"),
            line("2", "2017-09-01", "-10", product_id="q"),
        ],
    )
    names = ("order_id", "order_part", "n_lines", "returned_amount_minor")
    found = sorted(tuple(row[name] for name in names) for row in all_orders(lines).collect())
    assert found == [("1", 1, 1, 400), ("1", 2, 1, 500), ("2", 1, 1, 1000)]


# A number of one order until a line comes late or goes, and the other way round.
CHANGING = [
    line("1", "2017-01-01", "1"),
    line("1", "2017-02-20", "2"),
    line("1", "2017-01-30", "4", arrived="2017-03-01"),
    line("2", "2017-01-01", "1", gone="2017-03-01"),
    line("2", "2017-02-15", "2"),
    line("3", "2017-01-01", "1"),
    line("3", "2017-02-01", "2", gone="2017-03-01"),
    line("3", "2017-02-02", "4"),
    line("4", "2017-01-01", "8"),
]


@pytest.mark.parametrize("is_counted_before", [True, False])
def test_as_of_a_date_a_number_has_the_orders_that_its_lines_then_make(
    spark: SparkSession, is_counted_before: bool
) -> None:
    lines = order_lines(spark, [dict(row) for row in CHANGING])
    orders = all_orders(lines)
    dates = [date(2017, 2, 10), date(2017, 2, 25), date(2017, 3, 2)]
    changes = count_changes(orders, dates=dates) if is_counted_before else None
    found = orders_as_of(orders, lines, dates=dates, changes=changes)
    for day in dates:
        cut = F.lit(f"{day} 00:00:00").cast("timestamp")
        then = lines.where(F.greatest("ordered_at", "arrived_at") < cut).withColumn(
            "superseded_at", F.when(F.col("superseded_at") < cut, F.col("superseded_at"))
        )
        expected = [row for row in spends(all_orders(then)) if row[2]]
        of_day = spends(found.where(F.col("as_of_date") == F.lit(day)))
        assert [row for row in of_day if row[2]] == expected
    assert spends(found.where("as_of_date = DATE'2017-02-25'")) == [
        ("1", 1, 100, True),
        ("1", 2, 200, True),
        ("2", 1, 100, True),
        ("2", 2, 200, True),
        ("3", 1, 300, True),
        ("3", 2, 400, True),
        ("4", 1, 800, True),
    ]


def test_a_product_counts_the_orders_of_a_number_that_was_used_again(spark: SparkSession) -> None:
    lines = order_lines(spark, [dict(row) for row in CHANGING])
    reused = reused_numbers(customer_orders(lines))
    dates = [date(2017, 2, 10), date(2017, 3, 2)]
    rows = product_interactions(lines, dates=dates, reused=reused).collect()
    assert {row["as_of_date"]: row["n_orders"] for row in rows} == {
        date(2017, 2, 10): 5,  # 1, 2, 3 twice, 4
        date(2017, 3, 2): 6,  # 1 twice, 2, 3 twice, 4
    }


# --- refunds -------------------------------------------------------------------------------------


def refund(order_id: str, day: str, amount: str, of_order: str) -> dict[str, Any]:
    """Give a line that gives money of another order back."""
    return line(order_id, day, amount, refund_of_order_id=of_order) | {"product_id": None}


REFUNDS = [
    line("309", "2019-02-03", "107"),
    line("309", "2019-02-03", "100") | {"product_id": None},
    refund("310", "2019-03-02", "-207", "309"),
    line("311", "2019-02-05", "40"),
    refund("312", "2019-03-05", "-10", "311"),
    line("313", "2019-02-06", "15"),
    line("314", "2019-02-08", "-15"),  # the product came back: the newest purchase of it
    refund("315", "2019-03-06", "-20", "313"),
    refund("316", "2019-03-06", "-5", "unknown"),
    refund("317", "2019-03-07", "-4", "311"),
]


def test_a_refund_without_a_product_is_of_the_order_that_it_names(spark: SparkSession) -> None:
    lines = order_lines(spark, [dict(row) for row in REFUNDS])
    orders = stored_orders(lines, has_refunds=True)
    names = ("kept_amount_minor", "orphan_returned_amount_minor", "is_counted")
    found = {row["order_id"]: tuple(row[name] for name in names) for row in orders.collect()}
    assert found == {
        "309": (0, 0, False),
        "310": (0, 0, False),
        "311": (2600, 0, True),
        "312": (0, 0, False),
        "313": (0, 0, False),
        "314": (0, 0, False),
        "315": (0, 2000, False),
        "316": (0, 500, False),
        "317": (0, 0, False),
    }


def test_a_refund_changes_nothing_before_it_is_known(spark: SparkSession) -> None:
    lines = order_lines(spark, [dict(row) for row in REFUNDS])
    orders = stored_orders(lines, has_refunds=True)
    dates = [date(2019, 3, 1), date(2019, 3, 6), date(2019, 4, 1)]
    changes = count_changes(orders, dates=dates)
    assert changes.n_refunds > 0
    for known in (changes, None):
        as_of = orders_as_of(orders, lines, dates=dates, changes=known)
        rows = as_of.where("order_id IN ('309', '311')").collect()
        kept = {(row["as_of_date"].isoformat(), row["order_id"]): row for row in rows}
        assert {key: row["kept_amount_minor"] for key, row in kept.items()} == {
            ("2019-03-01", "309"): 20700,
            ("2019-03-01", "311"): 4000,
            ("2019-03-06", "309"): 0,
            ("2019-03-06", "311"): 3000,
            ("2019-04-01", "309"): 0,
            ("2019-04-01", "311"): 2600,
        }


LATER_DATES = (date(2019, 3, 3), date(2019, 3, 7), date(2019, 4, 1))
LATER_CHANGES = {
    "a line comes to an order that was taken back": [
        line("309", "2019-02-03", "107"),
        refund("310", "2019-03-02", "-107", "309"),
        line("309", "2019-03-04", "5"),
    ],
    "a refunded product comes back under another number": [
        line("309", "2019-02-03", "100"),
        refund("310", "2019-03-01", "-100", "309"),
        line("311", "2019-03-05", "-100"),
    ],
    "a purchase before the last return arrives after it": [
        line("1", "2019-02-01", "10"),
        line("2", "2019-02-03", "10", arrived="2019-03-05"),
        line("3", "2019-02-10", "-10"),
        line("4", "2019-03-10", "10"),
    ],
    "a return arrives late, and a purchase follows it": [
        line("1", "2019-02-01", "10"),
        line("2", "2019-02-10", "-10", arrived="2019-03-08"),
        line("3", "2019-02-12", "10"),
    ],
    "a return is replaced by one of an earlier day": [
        line("1", "2019-02-01", "10"),
        line("2", "2019-02-03", "10"),
        line("3", "2019-02-10", "-10", gone="2019-03-06"),
        line("3", "2019-02-02", "-10", arrived="2019-03-06"),
    ],
    "a purchase turns out to be of another product": [
        line("1", "2019-02-01", "10"),
        line("2", "2019-02-03", "10", gone="2019-03-06"),
        line("2", "2019-02-03", "10", product_id="q", arrived="2019-03-06"),
        line("3", "2019-02-10", "-10"),
    ],
    "a return arrives after a line of nothing": [
        line("1", "2019-02-01", "10"),
        line("2", "2019-02-10", "-4", arrived="2019-03-05"),
        line("3", "2019-02-12", "0"),
    ],
    "one return after another takes of older purchases": [
        line("1", "2019-02-01", "10"),
        line("2", "2019-02-03", "10"),
        line("3", "2019-02-10", "-15"),
        line("4", "2019-03-02", "10"),
        line("5", "2019-03-04", "-12"),
        line("6", "2019-03-20", "-9"),
    ],
}


Amounts = dict[tuple[str, date], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def before_changes(spark: SparkSession) -> tuple[Amounts, Amounts]:
    """Give what was found of each case as of each date, and what its lines gave then.

    Each case is a customer.
    """
    rows = [dict(row, customer=name) for name, of in LATER_CHANGES.items() for row in of]
    lines = order_lines(spark, rows).cache()
    orders = stored_orders(lines, has_refunds=True)
    changes = count_changes(orders, dates=LATER_DATES)
    found = orders_as_of(orders, lines, dates=LATER_DATES, changes=changes).collect()
    expected = []
    for day in LATER_DATES:
        cut = datetime(day.year, day.month, day.day, tzinfo=UTC)
        then = lines.where(F.greatest("ordered_at", "arrived_at") < F.lit(cut))
        is_gone = F.col("superseded_at") < F.lit(cut)
        then = then.where(~F.coalesce(is_gone, F.lit(False))).withColumn(
            "superseded_at", F.lit(None).cast("timestamp")
        )
        rows_then = customer_orders(then, has_refunds=True).collect()
        expected += [row.asDict() | {"as_of_date": day} for row in rows_then]
    return _amounts(found), _amounts(expected)


def _amounts(rows: Sequence[Any]) -> Amounts:
    names = ("order_id", "kept_amount_minor", "orphan_returned_amount_minor", "is_counted")
    amounts: Amounts = {}
    for row in rows:
        of_day = amounts.setdefault((row["customer_id"], row["as_of_date"]), [])
        of_day.append(tuple(row[name] for name in names))
    return {key: sorted(of_day) for key, of_day in amounts.items()}


@pytest.mark.parametrize("day", LATER_DATES, ids=str)
@pytest.mark.parametrize("name", LATER_CHANGES)
def test_an_order_is_as_it_was_before_whatever_comes_later(
    name: str, day: date, before_changes: tuple[Amounts, Amounts]
) -> None:
    found, expected = before_changes
    assert expected[name, day]
    assert found[name, day] == expected[name, day]
