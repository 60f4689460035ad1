"""Customers of a date as arrays: how they ordered before it, and when they next did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.next_purchase.order_days import EVENTS, Ints, unpacked
from crm_spark.models.rows import flat_lists

# An order day counts for half after so many days.
HALF_LIVES_DAYS = (7, 21, 60, 180)


@dataclass(frozen=True)
class Customers:
    """Customers of one date, an element each: all who had ordered before it.

    `n_days` are days with an order, `tenure_days` those from the first of them to the day before
    the date, `silence_days` those since the last. Of the gaps between order days `mean_gap`,
    `last_gap` and the sum and the sum of squares of their logarithms; 0 of who has ordered once.
    `decayed` has a column a half-life; `places` are the rows that they were read from.
    """

    n_days: Floats
    tenure_days: Floats
    silence_days: Floats
    mean_gap: Floats
    last_gap: Floats
    log_gaps: Floats
    log_gaps_squared: Floats
    decayed: Floats
    places: Ints

    def __len__(self) -> int:
        """How many."""
        return len(self.n_days)


@dataclass(frozen=True)
class Histories:
    """Order days of customers, an element each, with whose, and when they are known.

    Sorted by customer and day. `moments` are those that order_days() was asked with.
    """

    customer: Ints
    day: Ints
    known_from: Ints
    known_to: Ints
    n: int
    moments: Sequence[date]

    @classmethod
    def of(cls, rows: pa.Table | pa.RecordBatch, moments: Sequence[date]) -> Histories:
        """Give the customers of rows of order_days()."""
        customer, events = flat_lists(rows, EVENTS)
        return cls(customer, *unpacked(events), rows.num_rows, moments)

    def before(self, cutoff: date) -> Customers:
        """Give who had ordered before a cut-off, as it was known then."""
        start = _number(cutoff)
        kept = np.flatnonzero(self._seen_on(cutoff) & (self.day < start))
        # The same day may be known by several orders.
        same = (np.diff(self.customer[kept]) == 0) & (np.diff(self.day[kept]) == 0)
        kept = kept[np.append(True, ~same)] if len(kept) else kept
        places, row, n_days = np.unique(
            self.customer[kept], return_inverse=True, return_counts=True
        )
        ago = (start - 1 - self.day[kept]).astype(np.float64)

        def summed(rows: Ints, values: Floats) -> Floats:
            found = np.bincount(rows, weights=values, minlength=len(places))
            return found.astype(np.float64)

        last_at = np.cumsum(n_days) - 1
        first_at = last_at - n_days + 1
        is_gap = np.flatnonzero(np.diff(row) == 0)
        gaps, of_gap = ago[is_gap] - ago[is_gap + 1], row[is_gap]
        span = ago[first_at] - ago[last_at]
        has_gap = n_days > 1
        last_gap = np.zeros(len(places))
        last_gap[has_gap] = ago[last_at[has_gap] - 1] - ago[last_at[has_gap]]
        decayed = [summed(row, 0.5 ** (ago / days)) for days in HALF_LIVES_DAYS]
        return Customers(
            n_days=n_days.astype(np.float64),
            tenure_days=ago[first_at],
            silence_days=ago[last_at],
            mean_gap=span / np.maximum(n_days - 1, 1),
            last_gap=last_gap,
            log_gaps=summed(of_gap, np.log(gaps)),
            log_gaps_squared=summed(of_gap, np.log(gaps) ** 2),
            decayed=np.stack(decayed, axis=-1),
            places=places,
        )

    def days_to_order(self, cutoff: date, customers: Customers, *, known_on: date) -> Floats:
        """Give the day of the customers' first order from a cut-off on: 1 is the cut-off itself.

        As it was known on a later date; infinite where there was none.
        """
        start = _number(cutoff)
        row = np.full(self.n, -1)
        row[customers.places] = np.arange(len(customers))
        came = self._seen_on(known_on) & (self.day >= start) & (self.day < _number(known_on))
        came &= row[self.customer] >= 0
        found = np.full(len(customers), np.inf)
        np.minimum.at(found, row[self.customer[came]], self.day[came] - start + 1.0)
        return found

    def _seen_on(self, moment: date) -> np.ndarray:
        place = self.moments.index(moment)
        return np.asarray((self.known_from <= place) & (self.known_to > place))


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days
