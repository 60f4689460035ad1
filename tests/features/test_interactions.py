"""Purchases of products before dates, against a plain-Python oracle, and in a window after."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.features.interactions import bought_between, product_interactions
from crm_spark.tables.core import TRANSACTIONS
from tests.features.oracle import Line, is_visible, midnight

NEW_YORK = ZoneInfo("America/New_York")
# Clocks go forward on 2017-03-12 and back on 2017-11-05.
DATES = (date(2017, 3, 12), date(2017, 3, 13), date(2017, 11, 5), date(2017, 11, 6))
Key = tuple[str, str, date]
Values = tuple[int, float, float, int]


def as_frame(spark: SparkSession, lines: Sequence[Line]) -> DataFrame:
    """Give the lines as core.transactions."""
    rows = [
        {
            **dataclasses.asdict(line),
            "line_id": str(number),
            "is_deleted": False,
            "replaces_order": False,
            "is_zero_amount": False,
            "is_zero_quantity": False,
        }
        for number, line in enumerate(lines)
    ]
    names = TRANSACTIONS.schema.names
    return spark.createDataFrame(
        [tuple(row.get(name) for name in names) for row in rows], TRANSACTIONS.schema
    )


def at(text: str) -> datetime:
    """Read a local New York time as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


def line(customer: str, order: str, ordered: str, product: str | None, **others: Any) -> Line:
    """Write a line that is known as soon as it is ordered."""
    stamp = at(ordered)
    fields: dict[str, Any] = {"arrived_at": stamp, "amount": Decimal(1)} | others
    return Line(customer, order, stamp, product_id=product, **fields)


def drawn(n: int) -> list[Line]:
    """Draw lines whose stamps lie near a midnight or a date, more often than not."""
    rng = random.Random(13)
    microsecond = timedelta(microseconds=1)
    shifts = (timedelta(), -microsecond, microsecond, timedelta(hours=-5), timedelta(hours=2))
    delays = (timedelta(), timedelta(), timedelta(hours=5), timedelta(days=1), timedelta(days=40))
    lines = []
    for _ in range(n):
        day = rng.choice(DATES) - timedelta(
            days=rng.choice([-2, 0, 1, 2, 30, 90, rng.randint(0, 400)])
        )
        ordered = midnight(day, NEW_YORK) + rng.choice(shifts)
        near = midnight(rng.choice(DATES), NEW_YORK) + rng.choice(shifts[:3])
        arrived = rng.choice([ordered + rng.choice(delays), ordered + rng.choice(delays), near])
        superseded = rng.choice([None, None, None, arrived + rng.choice(delays), near])
        lines.append(
            Line(
                customer_id=f"c{rng.randrange(6)}",
                order_id=f"o{rng.randrange(25)}",
                ordered_at=ordered,
                arrived_at=arrived,
                superseded_at=superseded,
                product_id=rng.choice(["apple", "pear", "milk", None]),
                amount=Decimal(1),
                is_return=rng.random() < 0.2,
            )
        )
    return lines


def expected_of(lines: Sequence[Line], dates: Sequence[date]) -> dict[Key, Values]:
    """Give the interactions by the words of the table, one key at a time."""
    found: dict[Key, Values] = {}
    for day in dates:
        firsts: dict[tuple[str, str], dict[str, datetime]] = {}
        for one in lines:
            if one.is_return or one.product_id is None:
                continue
            if is_visible(one, midnight(day, NEW_YORK)):
                orders = firsts.setdefault((one.customer_id, one.product_id), {})
                orders[one.order_id] = min(one.ordered_at, orders.get(one.order_id, one.ordered_at))
        for (customer, product), orders in firsts.items():
            ages = [(day - first.astimezone(NEW_YORK).date()).days for first in orders.values()]
            found[customer, product, day] = (
                len(ages),
                sum(round(0.5 ** (age / 30), 9) for age in ages),
                sum(round(0.5 ** (age / 90), 9) for age in ages),
                min(ages) - 1,
            )
    return found


def collected(lines: DataFrame, dates: Sequence[date]) -> dict[Key, Values]:
    found: dict[Key, Values] = {}
    for row in product_interactions(lines, dates=dates).collect():
        key = (row["customer_id"], row["product_id"], row["as_of_date"])
        assert key not in found, f"{key} is there twice"
        found[key] = (
            row["n_orders"],
            row["n_orders_half_life_30d"],
            row["n_orders_half_life_90d"],
            row["days_since_last_order"],
        )
    return found


def approximately(rows: dict[Key, Values]) -> dict[Key, Any]:
    return {key: pytest.approx(values, rel=0, abs=2e-9) for key, values in rows.items()}


DRAWN = drawn(700)


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> DataFrame:
    """Give the drawn lines."""
    return as_frame(spark, DRAWN).coalesce(1).cache()


@pytest.fixture(scope="module")
def found(frame: DataFrame) -> dict[Key, Values]:
    """Give the interactions of the drawn lines for all dates; the dates are given twice."""
    return collected(frame, [*reversed(DATES), DATES[0]])


def test_interactions_are_those_of_the_oracle_on_every_date(found: dict[Key, Values]) -> None:
    expected = expected_of(DRAWN, DATES)
    assert {key[2] for key in expected} == set(DATES)
    assert found == approximately(expected)


def test_a_date_alone_gives_what_it_gives_among_others_whatever_the_partitions(
    frame: DataFrame, found: dict[Key, Values]
) -> None:
    alone = collected(frame.repartition(5, "line_id"), [DATES[2]])
    assert alone == {key: values for key, values in found.items() if key[2] == DATES[2]}


def test_what_happened_or_became_known_on_or_after_the_date_has_no_influence(
    spark: SparkSession, found: dict[Key, Values]
) -> None:
    day = DATES[2]
    cut = midnight(day, NEW_YORK)
    # A line replaced on or after the date was still in force then.
    known = [
        dataclasses.replace(
            one,
            superseded_at=one.superseded_at
            if one.superseded_at and one.superseded_at < cut
            else None,
        )
        for one in DRAWN
        if one.ordered_at < cut and one.arrived_at < cut
    ]
    assert 0 < len(known) < len(DRAWN)
    assert collected(as_frame(spark, known), [day]) == {
        key: values for key, values in found.items() if key[2] == day
    }


DAY = date(2017, 6, 14)
BY_HAND = [
    # Three lines of one order, on two days: one order, on the day of the first.
    line("once", "1", "2017-06-11 12:00", "apple"),
    line("once", "1", "2017-06-11 12:00", "apple"),
    line("once", "1", "2017-06-13 12:00", "apple"),
    # The same number of an order of somebody else is another order.
    line("twice", "1", "2017-06-13 12:00", "apple"),
    line("twice", "2", "2017-05-15 12:00", "apple"),
    # The last local moment before the date is Wednesday in UTC; the first moment is too late.
    line("late", "1", "2017-06-13 23:59:59.999999", "apple"),
    line("late", "2", "2017-06-14 00:00", "apple"),
    line("returned", "1", "2017-06-10 12:00", "apple", is_return=True),
    line("unknown", "1", "2017-06-10 12:00", None),
    line("arrives", "1", "2017-06-10 12:00", "apple", arrived_at=at("2017-06-14 00:00")),
    line("arrived", "1", "2017-06-10 12:00", "apple", arrived_at=at("2017-06-13 23:59")),
    line("replaced", "1", "2017-06-10 12:00", "apple", superseded_at=at("2017-06-13 23:59")),
    line("replaced", "1", "2017-06-10 12:00", "pear", arrived_at=at("2017-06-13 23:59")),
    line("current", "1", "2017-06-10 12:00", "apple", superseded_at=at("2017-06-14 00:00")),
]


def test_by_hand_orders_ages_and_silences(spark: SparkSession) -> None:
    found = collected(as_frame(spark, BY_HAND), [DAY])
    of_age_4 = (1, 0.5 ** (4 / 30), 0.5 ** (4 / 90), 3)
    of_age_1 = (1, 0.5 ** (1 / 30), 0.5 ** (1 / 90), 0)
    expected: dict[Key, Values] = {
        ("once", "apple", DAY): (1, 0.5 ** (3 / 30), 0.5 ** (3 / 90), 2),
        ("twice", "apple", DAY): (2, 0.5 ** (1 / 30) + 0.5, 0.5 ** (1 / 90) + 0.5 ** (1 / 3), 0),
        ("late", "apple", DAY): of_age_1,
        ("arrived", "apple", DAY): of_age_4,
        ("replaced", "pear", DAY): of_age_4,
        ("current", "apple", DAY): of_age_4,
    }
    assert found == approximately(expected)


def test_bought_between_takes_the_first_moment_and_leaves_the_last_one_out(
    spark: SparkSession,
) -> None:
    start, end, known_before = date(2017, 6, 10), date(2017, 6, 13), date(2017, 6, 14)
    lines = [
        line("c", "before", "2017-06-09 23:59:59.999999", "before"),
        line("c", "start", "2017-06-10 00:00", "start"),
        line("c", "again", "2017-06-11 00:00", "last"),
        line("c", "last", "2017-06-12 23:59:59.999999", "last"),
        line("c", "end", "2017-06-13 00:00", "end"),
        line("d", "start", "2017-06-11 12:00", "start"),
        line("c", "r", "2017-06-11 12:00", "returned", is_return=True),
        line("c", "n", "2017-06-11 12:00", None),
        line("c", "a", "2017-06-11 12:00", "in time", arrived_at=at("2017-06-13 23:59:59")),
        line("c", "b", "2017-06-11 12:00", "too late", arrived_at=at("2017-06-14 00:00")),
        line("c", "e", "2017-06-11 12:00", "gone", superseded_at=at("2017-06-13 23:59:59")),
        line("c", "f", "2017-06-11 12:00", "still there", superseded_at=at("2017-06-14 00:00")),
    ]
    found = bought_between(
        as_frame(spark, lines), start=start, end=end, known_before=known_before
    ).collect()
    assert sorted(tuple(row) for row in found) == [
        ("c", "in time"),
        ("c", "last"),
        ("c", "start"),
        ("c", "still there"),
        ("d", "start"),
    ]
