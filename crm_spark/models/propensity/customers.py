"""Customers by targets as arrays: what was bought before a cut-off, and what came after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.propensity.purchases import EVENTS, Ints, all_ids, unpacked
from crm_spark.models.propensity.targets import Targets
from crm_spark.models.rows import flat_lists

# A purchase counts for half after so many days.
HALF_LIVES_DAYS = (7, 21, 60, 180)
# Of the last so many horizons, days are counted apart.
RECENT_HORIZONS = 3
# Nothing is known of a day that never was.
NEVER = -1

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Purchases:
    """Counts of purchase days: `decayed` has a last axis, a place for each half-life.

    `silence_days` are those since the last one, NEVER where nothing was bought.
    """

    n_days: Floats
    n_recent_days: Floats
    silence_days: Floats
    decayed: Floats


@dataclass(frozen=True)
class Customers:
    """Customers of one cut-off, a row each: purchases of anything, and by target, a column each.

    `is_buyer` says who bought what in the horizon; None where it has not closed. `usual_share` is
    the share of customers who bought a target in the horizon before; `places` are the customers'
    rows among those that they were read from.
    """

    tenure_days: Floats
    anything: Purchases
    by_target: Purchases
    usual_share: Floats
    places: Ints
    is_buyer: Flags | None = None

    def __len__(self) -> int:
        """How many."""
        return len(self.tenure_days)

    @property
    def outcomes(self) -> Floats:
        """The outcomes, customer by customer, as 0 and 1."""
        assert self.is_buyer is not None, "the cut-off has closed"
        return self.is_buyer.ravel().astype(np.float64)


@dataclass(frozen=True)
class Histories:
    """Purchase days of customers, an element each, with who, what, and when they are known.

    `moments` and `targets` are those that purchase_histories() was asked with; `n_customers` are
    all of a date, of whom these may be a part.
    """

    customer: Ints
    place: Ints
    day: Ints
    known_from: Ints
    known_to: Ints
    n: int
    moments: Sequence[date]
    targets: Mapping[date, Targets]
    n_customers: Mapping[date, int]

    @classmethod
    def of(
        cls,
        rows: pa.Table | pa.RecordBatch,
        moments: Sequence[date],
        targets: Mapping[date, Targets],
        n_customers: Mapping[date, int],
    ) -> Histories:
        """Give the customers of rows of purchase_histories()."""
        customer, events = flat_lists(rows, EVENTS)
        parts = unpacked(events)
        return cls(customer, *parts, rows.num_rows, moments, targets, n_customers)

    def before(
        self, cutoff: date, *, horizon_days: int, closed_on: date | None = None
    ) -> Customers:
        """Give who had bought anything before a cut-off, as it was known then.

        With `closed_on` also what they bought in the horizon, as it was known on that date.
        """
        of = self.targets[cutoff]
        ids = {one: place for place, one in enumerate(all_ids(self.targets), start=1)}
        columns = np.full(len(ids) + 1, -1)
        columns[[ids[one] for one in of.ids]] = np.arange(len(of))

        start = _number(cutoff)
        seen = self._seen_on(cutoff) & (self.day < start)
        is_anything = self.place == 0
        customers = np.unique(self.customer[seen & is_anything])
        rows = np.full(self.n, -1)
        rows[customers] = np.arange(len(customers))

        def purchases(chosen: Flags, cells: Ints, shape: tuple[int, ...]) -> Purchases:
            # The same day may be known by several lines.
            kept = np.flatnonzero(chosen)
            same = (np.diff(cells[kept]) == 0) & (np.diff(self.day[kept]) == 0)
            kept = kept[np.append(True, ~same)] if len(kept) else kept
            ago = (start - 1 - self.day[kept]).astype(np.float64)
            return _purchases(cells[kept], ago, shape, RECENT_HORIZONS * horizon_days)

        anything = seen & is_anything
        of_anything = purchases(anything, rows[self.customer], (len(customers),))
        column = columns[self.place]
        cells = rows[self.customer] * len(of) + column
        of_targets = purchases(seen & (column >= 0), cells, (len(customers), len(of)))
        first = np.zeros(len(customers))
        np.maximum.at(first, rows[self.customer[anything]], start - 1 - self.day[anything])
        usual = [one.n_buyers for one in of]
        return Customers(
            first,
            of_anything,
            of_targets,
            np.array(usual, float) / max(self.n_customers[cutoff], 1),
            customers,
            None
            if closed_on is None
            else self._later_buyers(
                rows, column, (len(customers), len(of)), start, horizon_days, closed_on
            ),
        )

    def _seen_on(self, moment: date) -> Flags:
        place = self.moments.index(moment)
        return np.asarray((self.known_from <= place) & (self.known_to > place))

    def _later_buyers(
        self,
        rows: Ints,
        column: Ints,
        shape: tuple[int, int],
        start: int,
        horizon_days: int,
        closed_on: date,
    ) -> Flags:
        in_horizon = (self.day >= start) & (self.day < start + horizon_days)
        row = rows[self.customer]
        later = self._seen_on(closed_on) & in_horizon & (column >= 0) & (row >= 0)
        found = np.zeros(shape, bool)
        found[row[later], column[later]] = True
        return found


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _purchases(cells: Ints, ago: Floats, shape: tuple[int, ...], recent_days: int) -> Purchases:
    n = int(np.prod(shape))

    def summed(weights: Floats | None = None) -> Floats:
        found = np.bincount(cells, weights=weights, minlength=n)
        return found.reshape(shape).astype(np.float64)

    silence = np.full(n, np.inf)
    np.minimum.at(silence, cells, ago)
    return Purchases(
        summed(),
        summed((ago < recent_days).astype(np.float64)),
        np.where(np.isinf(silence), NEVER, silence).reshape(shape),
        np.stack([summed(0.5 ** (ago / days)) for days in HALF_LIVES_DAYS], axis=-1),
    )
