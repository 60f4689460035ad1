"""What is known of the data before training, as plain numbers, and what a verdict is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class OrderDay:
    """A local day with at least one order."""

    day: date
    n_orders: int


@dataclass(frozen=True)
class IngestFacts:
    """What was made of the order lines that `where` let through, all ingests together.

    A row without a customer id that has another fault, too, counts as both. A file that could not
    be read at all is no row.
    """

    n_rows: int
    n_rejected: int
    n_without_customer: int
    n_lost_files: int


@dataclass(frozen=True)
class PriceFacts:
    """What was sold, in minor units, and how much of it at prices far from the product's usual."""

    sold_minor: int
    unusual_minor: int
    n_unusual_lines: int
    n_unusual_products: int


@dataclass(frozen=True)
class DataFacts:
    """The orders known before the as-of date; a day, an order and a line count without returns.

    `days` are in order, each with an order; `ingest` is None where no ingest is on record, `prices`
    where no product is known.
    """

    as_of: date
    days: tuple[OrderDay, ...] = ()
    n_customers: int = 0
    n_lines: int = 0
    n_lines_of_biggest: int = 0
    ingest: IngestFacts | None = None
    prices: PriceFacts | None = None

    @property
    def history_days(self) -> int:
        """The days from the first order to the as-of date; 0 without any order."""
        return (self.as_of - self.days[0].day).days if self.days else 0

    @property
    def first_order(self) -> str:
        """The day of the first order in words."""
        return f"the first order is of {self.days[0].day}" if self.days else "no order is known"
