"""Orders that are made up, packed into the numbers that order_days() gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from crm_spark.models.next_purchase.customers import Customers, Histories

ALWAYS = 2**15 - 1
CUTOFF = date(2024, 6, 3)


@dataclass(frozen=True)
class Ordered:
    """An order of a customer, by its place.

    It is known on the moments from `known_from` on, up to the one before `known_to`, by number.
    """

    customer: int
    day: date
    known_from: int = 0
    known_to: int = ALWAYS


def packed(day: int, known_from: int, known_to: int) -> int:
    """Give the number of an event: the day, from -2**19 on, and ten bits for each moment."""
    return (2**19 + day) * 2**30 + known_from * 2**15 + known_to


def rows_of(orders: Sequence[Ordered], n: int) -> pa.Table:
    """Give the rows of so many customers. As in Spark equal events are there once, in order."""
    events: list[set[int]] = [set() for _ in range(n)]
    for one in orders:
        day = one.day.toordinal() - date(1970, 1, 1).toordinal()
        events[one.customer].add(packed(day, one.known_from, one.known_to))
    return pa.table({"events": pa.array([sorted(one) for one in events], pa.list_(pa.int64()))})


def histories_of(
    orders: Sequence[Ordered], moments: Sequence[date], *, n: int | None = None
) -> Histories:
    """Give the histories of the orders' customers."""
    n = 1 + max(one.customer for one in orders) if n is None else n
    return Histories.of(rows_of(orders, n), moments)


def before(days: int) -> date:
    """Give the day so many before the last that is known at the cut-off."""
    return CUTOFF - timedelta(days=1 + days)


def after(days: int) -> date:
    """Give the day so many after the cut-off; 0 is the cut-off itself."""
    return CUTOFF + timedelta(days=days)


def customers_of(*histories: Sequence[int]) -> Customers:
    """Give customers at the cut-off by how many days ago they ordered, 0 for the day before it."""
    orders = [Ordered(place, before(days)) for place, ago in enumerate(histories) for days in ago]
    return histories_of(orders, [CUTOFF], n=len(histories)).before(CUTOFF)
