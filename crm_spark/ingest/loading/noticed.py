"""What is noticed of a delivery's rows in passing: one customer's share, currencies, overlaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.ingest.loading.decimals import Decimals, decimal_aggregates
from crm_spark.ingest.mapping.cleaning import DOUBTFUL
from crm_spark.ingest.mapping.columns import is_usable
from crm_spark.ingest.settings import Source
from crm_spark.tables.core import TRANSACTIONS

# Facts of the core table's row: the first and the last currency by name.
FIRST_CURRENCY, LAST_CURRENCY = "first_currency", "last_currency"

# Different ids are counted within so much.
_COUNTED_WITHIN = 0.02


@dataclass(frozen=True)
class Noticed:
    """What stands out among the usable rows of a delivery.

    `n_of_biggest`: rows of the customer that has most, by a sketch that is right for large shares.
    `n_doubtful`: rows of a customer who may stand for none. `currencies`: the first and last by
    name, where amounts are not converted. `n_repeated`: rows that are kept, and are the same in
    every mapped column as a row of another file. `decimals`: those of amounts. `n_line_ids` and
    `n_order_lines`: about how many ids of lines there are, and pairs of an order and such an id,
    where line_id is mapped.
    """

    n_usable: int = 0
    n_of_biggest: int = 0
    n_doubtful: int = 0
    currencies: tuple[str, ...] = ()
    n_repeated: int = 0
    decimals: Decimals = field(default_factory=Decimals)
    n_line_ids: int = 0
    n_order_lines: int = 0

    def with_currencies_of(self, facts: Mapping[str, str]) -> tuple[str, ...]:
        """Give first and last currency of these rows and of what was loaded before."""
        known = [facts[name] for name in (FIRST_CURRENCY, LAST_CURRENCY) if name in facts]
        found = sorted({*self.currencies, *known})
        return tuple(dict.fromkeys([found[0], found[-1]])) if found else ()


def currency_facts(currencies: tuple[str, ...]) -> dict[str, str]:
    """Give first and last currency as facts."""
    if not currencies:
        return {}
    return {FIRST_CURRENCY: currencies[0], LAST_CURRENCY: currencies[-1]}


def noticed_aggregates(source: Source) -> list[Column]:
    """Aggregates over the mapped rows of a source, to be read by noticed."""
    if source.table is not TRANSACTIONS:
        return []
    customer = F.when(is_usable(), F.col("customer_id"))
    aggregates = [
        # Of two, since rows without a customer are one of the items.
        F.call_function("approx_top_k", customer, F.lit(2)).alias("biggest"),
        F.count_if(customer == DOUBTFUL).alias("n_doubtful"),
        *decimal_aggregates(),
    ]
    if "line_id" in source.section.columns:
        line, pair = F.col("line_id"), F.xxhash64("order_id", "line_id")
        aggregates += [
            F.approx_count_distinct(F.when(is_usable(), one), _COUNTED_WITHIN).alias(name)
            for name, one in (("n_line_ids", line), ("n_order_lines", pair))
        ]
    if source.currencies is None and "currency" in source.section.columns:
        currency = F.when(is_usable(), F.col("currency"))
        aggregates += [
            F.min(currency).alias("first_currency"),
            F.max(currency).alias("last_currency"),
        ]
    return aggregates


def noticed(aggregates: Mapping[str, Any], *, n_usable: int, n_repeated: int) -> Noticed:
    """Read what noticed_aggregates gave."""
    named = [one["count"] for one in aggregates.get("biggest") or () if one["item"] is not None]
    both = [aggregates.get("first_currency"), aggregates.get("last_currency")]
    currencies = sorted({name for name in both if name is not None})
    n_doubtful = aggregates.get("n_doubtful", 0)
    return Noticed(
        n_usable,
        max(named, default=0),
        n_doubtful,
        tuple(currencies),
        n_repeated,
        Decimals.of(aggregates),
        aggregates.get("n_line_ids", 0),
        aggregates.get("n_order_lines", 0),
    )
