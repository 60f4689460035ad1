"""features.customer_orders on one small table, the expected orders beside it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from crm_spark.features.orders import (
    OrderChanges,
    changed_later,
    count_changes,
    customer_orders,
    orders_as_of,
)
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.tables.core import TRANSACTIONS
from tests.features.as_stored import stored_orders

Orders = dict[tuple[str, str], Row]


def at(text: str | None) -> datetime | None:
    """Read "06-01 12:00" as a UTC instant of 2017."""
    return datetime.fromisoformat(f"2017-{text}").replace(tzinfo=UTC) if text else None


COLUMNS = (
    "customer_id",
    "order_id",
    "product_id",
    "ordered_at",
    "arrived_at",
    "superseded_at",
    "quantity",
    "amount",
    "discount_amount",
    "is_return",
)

# In New York it is four hours earlier than in UTC.
LINES = [
    # two products on three lines, of which the first is written last
    ("ann", "plain", "apple", "06-01 12:00:05", "06-01 12:00:05", None, "2", "10.10", "1", False),
    ("ann", "plain", "apple", "06-01 12:00:05", "06-01 12:00:05", None, "0.5", "2.20", None, False),
    ("ann", "plain", "milk", "06-01 12:00:00", "06-01 12:00:00", None, "1", "0.29", "0.25", False),
    # bought, and one line brought back a week later
    ("ann", "mixed", "apple", "06-02 12:00", "06-02 12:00", None, "3", "30", None, False),
    ("ann", "mixed", "milk", "06-09 12:00", "06-10 09:00", None, "-1", "-8", "-2", True),
    # nothing but what came back
    ("ann", "return", "soap", "06-03 12:00", "06-03 12:00", None, "-1", "-5.55", None, True),
    # neither product nor quantity nor discount known
    ("ann", "unknown", None, "06-04 12:00", "06-04 12:00", None, None, "7", None, False),
    ("ann", "unknown", None, "06-04 12:00", "06-04 12:00", None, None, "0", None, False),
    # late evening of the day before in New York
    ("ann", "late", "milk", "06-06 03:59:59", "06-06 03:59:59", None, "1", "1", None, False),
    # came three days late, and was corrected the day after
    ("ann", "fixed", "apple", "06-07 12:00", "06-10 12:00", "06-11 12:00", "9", "90", "9", False),
    ("ann", "fixed", "pear", "06-07 13:00", "06-11 12:00", None, "1", "10", None, False),
    # taken back as a whole
    ("ann", "struck", "apple", "06-08 12:00", "06-08 12:00", "06-20 12:00", "1", "1", "1", False),
    # announced before the time it is for
    ("ann", "ahead", "pear", "06-12 12:00", "06-08 12:00", None, "1", "1", None, False),
    # the same order id of another customer; zeros
    ("bert", "plain", "soap", "06-01 12:00", "06-01 12:00", None, "0", "0", "0", False),
]


@pytest.fixture(scope="module")
def lines(spark: SparkSession) -> DataFrame:
    """Give LINES as core.transactions."""

    def typed(row: tuple[Any, ...]) -> dict[str, Any]:
        cells = dict(zip(COLUMNS, row, strict=True))
        for name in ("ordered_at", "arrived_at", "superseded_at"):
            cells[name] = at(cells[name])
        for name in ("quantity", "amount", "discount_amount"):
            cells[name] = None if cells[name] is None else Decimal(cells[name])
        return cells

    rows = [
        {
            "is_zero_amount": False,
            "is_zero_quantity": False,
            "is_deleted": False,
            "replaces_order": False,
            "line_id": f"{number:06d}",
            **typed(row),
        }
        for number, row in enumerate(LINES)
    ]
    names = TRANSACTIONS.schema.names
    return spark.createDataFrame(
        [tuple(row.get(name) for name in names) for row in rows], TRANSACTIONS.schema
    )


@pytest.fixture(scope="module")
def stored(lines: DataFrame) -> DataFrame:
    """Give the orders of LINES."""
    return stored_orders(lines)


@pytest.fixture(scope="module")
def orders(stored: DataFrame) -> Orders:
    """Give the orders of LINES by customer and order."""
    return {(row["customer_id"], row["order_id"]): row for row in stored.collect()}


def seen(row: Row, *names: str) -> tuple[Any, ...]:
    """Give some cells of an order, its stamps as UTC instants."""
    return tuple(
        row[name].astimezone(UTC) if isinstance(row[name], datetime) else row[name]
        for name in names
    )


def test_each_order_of_each_customer_is_one_row(orders: Orders, stored: DataFrame) -> None:
    assert set(orders) == {(row[0], row[1]) for row in LINES}
    assert stored.count() == len(orders)


def test_the_columns_are_those_of_the_table_but_for_the_run(stored: DataFrame) -> None:
    expected = {c.name: c.type for c in CUSTOMER_ORDERS.columns if c.name != "run_id"}
    assert {f.name: f.dataType for f in stored.schema} == expected


def test_no_lines_give_no_orders(lines: DataFrame) -> None:
    assert customer_orders(lines.where("false")).collect() == []


def test_lines_products_items_and_money_are_summed_in_thousandths_and_cents(
    orders: Orders,
) -> None:
    names = ("n_lines", "n_products", "items_milli", "spend_amount_minor", "discount_amount_minor")
    assert seen(orders["ann", "plain"], *names) == (3, 2, 3500, 1259, 125)


def test_an_order_is_of_the_time_of_its_first_line(orders: Orders) -> None:
    assert seen(orders["ann", "plain"], "ordered_at") == (at("06-01 12:00:00"),)


def test_day_and_hour_are_those_of_the_local_clock(orders: Orders) -> None:
    assert seen(orders["ann", "late"], "order_date", "order_hour") == (date(2017, 6, 5), 23)


def test_what_comes_back_adds_to_returns_and_takes_nothing_off_what_was_bought(
    orders: Orders,
) -> None:
    names = (
        "n_lines",
        "n_return_lines",
        "n_products",
        "items_milli",
        "spend_amount_minor",
        "returned_amount_minor",
        "discount_amount_minor",
        "is_counted",
    )
    found = seen(orders["ann", "mixed"], *names)
    assert found == (1, 1, 1, 3000, 3000, 800, None, True)


RETURNS = [
    # Sold twice, then three times the price of one brought back: the newest goes first.
    ("old", "06-01 12:00", "apple", "10", False),
    ("new", "06-02 12:00", "apple", "30", False),
    ("back", "06-03 12:00", "apple", "-32", True),
    # Brought back before it was bought, and more than was bought.
    ("early", "06-01 12:00", "pear", "-5", True),
    ("pears", "06-02 12:00", "pear", "7", False),
    ("much", "06-03 12:00", "pear", "-9", True),
    ("again", "06-04 12:00", "pear", "4", False),
    # A discount written as a line below zero is no purchase.
    ("cut", "06-05 12:00", "soap", "-2", False),
    ("soap", "06-05 12:00", "soap", "6", False),
    ("soap", "06-06 12:00", "soap", "-1", True),
    # Of unknown products.
    ("some", "06-01 12:00", None, "3", False),
    ("none", "06-02 12:00", None, "-3", True),
]


@pytest.fixture(scope="module")
def netted(spark: SparkSession) -> Orders:
    """Give the orders of RETURNS as known on each of the days after a line."""
    names = TRANSACTIONS.schema.names
    rows = [
        {
            "customer_id": "c",
            "order_id": order,
            "line_id": f"{number:06d}",
            "product_id": product,
            "ordered_at": at(stamp),
            "arrived_at": at(stamp),
            "amount": Decimal(amount),
            "is_return": is_return,
            "is_deleted": False,
            "replaces_order": False,
            "is_zero_amount": False,
            "is_zero_quantity": False,
        }
        for number, (order, stamp, product, amount, is_return) in enumerate(RETURNS)
    ]
    lines = spark.createDataFrame(
        [tuple(row.get(name) for name in names) for row in rows], TRANSACTIONS.schema
    )
    dates = [date(2017, 6, day) for day in (2, 3, 4, 7)]
    found = orders_as_of(stored_orders(lines), lines, dates=dates).collect()
    return {(row["as_of_date"].day, row["order_id"]): row for row in found}


def test_a_return_takes_back_the_newest_purchase_of_its_product(netted: Orders) -> None:
    kept = {order: netted[7, order]["kept_amount_minor"] for order in ("old", "new", "pears")}
    assert kept == {"old": 800, "new": 0, "pears": 0}
    counted = {order: netted[7, order]["is_counted"] for order in ("old", "new", "pears", "some")}
    assert counted == {"old": True, "new": False, "pears": False, "some": False}


def test_what_no_purchase_before_explains_is_orphaned(netted: Orders) -> None:
    orphaned = {
        order: netted[7, order]["orphan_returned_amount_minor"]
        for order in ("back", "early", "much", "none")
    }
    assert orphaned == {"back": 0, "early": 500, "much": 200, "none": 0}
    assert netted[7, "again"]["kept_amount_minor"] == 400


def test_a_return_changes_nothing_before_it_is_known(netted: Orders) -> None:
    assert netted[3, "new"]["kept_amount_minor"] == 3000
    assert netted[3, "new"]["is_counted"]
    assert not netted[4, "new"]["is_counted"]
    assert netted[2, "some"]["is_counted"]


def test_an_adjustment_below_zero_is_no_purchase_that_can_be_taken_back(netted: Orders) -> None:
    assert netted[7, "cut"]["kept_amount_minor"] == -200
    assert netted[7, "soap"]["kept_amount_minor"] == 500


def test_an_order_of_returns_alone_does_not_count(orders: Orders) -> None:
    names = (
        "is_counted",
        "n_lines",
        "n_return_lines",
        "spend_amount_minor",
        "returned_amount_minor",
    )
    assert seen(orders["ann", "return"], *names) == (False, 0, 1, 0, 555)


def test_an_unknown_quantity_is_one_item_and_unknown_products_and_discounts_stay_unknown(
    orders: Orders,
) -> None:
    names = ("items_milli", "n_products", "discount_amount_minor", "spend_amount_minor")
    assert seen(orders["ann", "unknown"], *names) == (2000, None, None, 700)


def test_a_superseded_line_is_left_out_of_all_sums_and_of_the_order_time(orders: Orders) -> None:
    names = ("ordered_at", "n_lines", "items_milli", "spend_amount_minor", "discount_amount_minor")
    found = seen(orders["ann", "fixed"], *names)
    assert found == (at("06-07 13:00"), 1, 1000, 1000, None)


def test_an_order_is_known_once_a_line_has_both_happened_and_arrived(orders: Orders) -> None:
    assert seen(orders["ann", "fixed"], "first_known_at") == (at("06-10 12:00"),)


def test_an_order_announced_ahead_is_not_known_before_its_time(orders: Orders) -> None:
    names = ("first_known_at", "last_change_at")
    assert seen(orders["ann", "ahead"], *names) == (at("06-12 12:00"), at("06-12 12:00"))


def test_the_last_change_is_the_last_arrival_or_replacement_of_its_lines_and_their_returns(
    orders: Orders,
) -> None:
    changes = {
        order: seen(orders["ann", order], "last_change_at")[0]
        for order in ("plain", "mixed", "fixed", "struck")
    }
    assert changes == {
        "plain": at("06-10 09:00"),  # milk came back then, in another order
        "mixed": at("06-10 09:00"),
        "fixed": at("06-11 12:00"),
        "struck": at("06-20 12:00"),
    }


def test_an_order_with_no_line_left_keeps_its_row_without_a_time(orders: Orders) -> None:
    names = ("ordered_at", "order_date", "order_hour", "is_counted", "n_lines", "last_change_at")
    found = seen(orders["ann", "struck"], *names)
    assert found == (None, None, None, False, 0, at("06-20 12:00"))


def test_zeros_are_known_values(orders: Orders) -> None:
    names = ("n_lines", "items_milli", "spend_amount_minor", "discount_amount_minor", "is_counted")
    assert seen(orders["bert", "plain"], *names) == (1, 0, 0, 0, True)


def test_as_of_a_date_an_order_is_made_of_the_lines_known_then(
    lines: DataFrame, stored: DataFrame
) -> None:
    as_of = orders_as_of(
        stored,
        lines,
        dates=[date(2017, 6, 9), date(2017, 6, 11), date(2017, 6, 12)],
    )
    rows = as_of.where("order_id = 'fixed'").collect()
    # Ordered on the 7th, known on the 10th, replaced on the 11th.
    assert {row["as_of_date"]: row["spend_amount_minor"] for row in rows} == {
        date(2017, 6, 11): 9000,
        date(2017, 6, 12): 1000,
    }


def test_as_of_a_date_an_order_counts_from_the_local_midnight_after_it(
    lines: DataFrame, stored: DataFrame
) -> None:
    dates = [date(2017, 6, 5), date(2017, 6, 6)]
    rows = orders_as_of(stored, lines, dates=dates).where("order_id = 'late'")
    # 23:59:59 on the 5th in New York, though the 6th in UTC.
    assert [row["as_of_date"] for row in rows.collect()] == [date(2017, 6, 6)]


def test_only_orders_known_before_a_date_can_have_changed_later(stored: DataFrame) -> None:
    dates = [date(2017, 6, day) for day in (9, 11, 21)]
    rows = changed_later(stored, dates=dates).collect()
    # On the 9th, "fixed" was not known yet, and of "late" and "plain" no return was: they are as
    # now, with nothing taken back. By the 21st, all changes have come.
    assert sorted((row["as_of_date"].day, row["order_id"]) for row in rows) == [
        (9, "mixed"),
        (9, "struck"),
        (11, "fixed"),
        (11, "struck"),
    ]


def test_before_the_first_return_an_order_is_the_one_with_nothing_taken_back(
    lines: DataFrame, stored: DataFrame
) -> None:
    dates = [date(2017, 6, 9), date(2017, 6, 11)]
    assert count_changes(stored, dates=dates[:1]) == OrderChanges(2, 0, 2, 0)
    known = orders_as_of(stored, lines, dates=dates).where("order_id = 'late'")
    kept = {row["as_of_date"].day: row["kept_amount_minor"] for row in known.collect()}
    # The return of the 10th takes back the newest milk, of "late", first.
    assert kept == {9: 100, 11: 0}


@pytest.mark.parametrize(
    ("day", "changes"),
    [(11, OrderChanges(2, 0, 0, 0)), (21, OrderChanges(0, 0, 0, 0))],
    ids=["few", "none"],
)
def test_knowing_how_many_orders_changed_later_changes_no_order(
    lines: DataFrame, stored: DataFrame, day: int, changes: OrderChanges
) -> None:
    dates = [date(2017, 6, day)]
    plain = orders_as_of(stored, lines, dates=dates)
    with_count = orders_as_of(stored, lines, dates=dates, changes=changes)
    found = with_count.select(plain.columns).collect()
    assert sorted(found, key=str) == sorted(plain.collect(), key=str)
