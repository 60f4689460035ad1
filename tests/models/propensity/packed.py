"""Purchases that are made up, packed into the numbers that purchase_histories() gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from crm_spark.models.propensity.customers import Histories
from crm_spark.models.propensity.purchases import all_ids
from crm_spark.models.propensity.targets import Targets

ALWAYS = 63


@dataclass(frozen=True)
class Bought:
    """A line of a customer, by its place, with the ids of what it is of.

    It is known on the moments from `known_from` on, up to the one before `known_to`, by number.
    """

    customer: int
    day: date
    ids: tuple[str, ...] = ()
    known_from: int = 0
    known_to: int = ALWAYS


def packed(place: int, day: int, known_from: int, known_to: int) -> int:
    """Give the number of an event: twenty bits for the day, from -2**19 on, six for a moment."""
    return ((place * 2**20 + 2**19 + day) * 2**6 + known_from) * 2**6 + known_to


def rows_of(lines: Sequence[Bought], targets: Mapping[date, Targets], n: int) -> pa.Table:
    """Give the rows of so many customers; a line counts for anything, and for the targets it is of.

    As in Spark equal events are there once, in order.
    """
    places = {one: place for place, one in enumerate(all_ids(targets), start=1)}
    events: list[set[int]] = [set() for _ in range(n)]
    for line in lines:
        day = line.day.toordinal() - date(1970, 1, 1).toordinal()
        for place in (0, *(places[one] for one in line.ids if one in places)):
            number = packed(place, day, line.known_from, line.known_to)
            events[line.customer].add(number)
    return pa.table({"events": pa.array([sorted(one) for one in events], pa.list_(pa.int64()))})


def histories_of(
    lines: Sequence[Bought],
    moments: Sequence[date],
    targets: Mapping[date, Targets],
    *,
    n: int | None = None,
    n_customers: Mapping[date, int] | None = None,
) -> Histories:
    """Give the histories of the lines' customers, 100 of them on every date if nothing is given."""
    n = 1 + max(line.customer for line in lines) if n is None else n
    counts = dict.fromkeys(targets, 100) if n_customers is None else n_customers
    return Histories.of(rows_of(lines, targets, n), moments, targets, counts)
