"""Customers whose ids differ in letter case or in leading zeros only.

Looked for among all orders, not in a delivery: the other spelling may come years later, from
another export, while features.customer_orders has every customer and is read for its counts anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.words import counted

ID_SPELLINGS = "customer_id_spellings"

# Up to so many customers are counted exactly where their ids may differ so: one small job.
_FEW_CUSTOMERS = 100_000
# Of more, where sketches differ by more than three times what both are off: 0.01 each.
_ERROR, _LARGEST_DIFFERENCE = 0.01, 0.05
# The share of customers that is told.
_SMALLEST_SHARE = 0.001
_ID = "customer_id"


def spelling_aggregates() -> list[Column]:
    """Aggregates over orders, to be read by spelling_verdicts: none grows with the customers."""
    customer, n_digits = F.col(_ID), F.when(_is_number(), F.length(_ID))
    sketches = {"n_customers": customer, "n_caseless": _caseless(), "n_zeroless": _zeroless()}
    return [
        *[F.approx_count_distinct(ids, _ERROR).alias(name) for name, ids in sketches.items()],
        F.count_if(customer != F.lower(customer)).alias("n_with_capitals"),
        F.count_if(customer != F.upper(customer)).alias("n_with_small_letters"),
        F.count_if(_is_number() & F.startswith(customer, F.lit("0"))).alias("n_with_zeros"),
        F.min(n_digits).alias("fewest_digits"),
        F.max(n_digits).alias("most_digits"),
    ]


def spelling_verdicts(orders: DataFrame, counts: Mapping[str, Any]) -> list[Verdict]:
    """Judge whether customers have several spellings, from the values of spelling_aggregates.

    Counts the customers of `orders` exactly where their ids show that they may have.
    """
    may_differ = [
        # Ids all in capitals, or all in small letters, cannot differ in case.
        counts["n_with_capitals"] and counts["n_with_small_letters"] and _is_near(counts, "case"),
        # Nor can numbers of one length differ in zeros.
        counts["n_with_zeros"]
        and counts["fewest_digits"] < counts["most_digits"]
        and _is_near(counts, "zero"),
    ]
    if not any(may_differ):
        return []
    n, n_caseless, n_zeroless = _counted(orders)
    padded = f"lpad(..., {counts['most_digits'] or 1}, '0')"
    return [
        *_verdict(n, n_caseless, "letter case", "lower(...)"),
        *_verdict(n, n_zeroless, "leading zeros", padded),
    ]


def _is_near(counts: Mapping[str, Any], what: str) -> bool:
    """Whether an exact count is worth it: it is cheap, or the sketches differ."""
    n, n_folded = counts["n_customers"], counts[f"n_{what}less"]
    return bool(n <= _FEW_CUSTOMERS or n_folded < (1 - _LARGEST_DIFFERENCE) * n)


def _counted(orders: DataFrame) -> tuple[int, int, int]:
    """Count customers: as they are, without letter case, without leading zeros."""
    folded = (F.count_distinct(_caseless()), F.count_distinct(_zeroless()))
    counts = orders.select(_ID).distinct().agg(F.count(F.lit(1)), *folded).collect()[0]
    return counts[0], counts[1], counts[2]


def _caseless() -> Column:
    return F.lower(_ID)


def _zeroless() -> Column:
    """Numbers without leading zeros; in other ids a zero is a sign like any other."""
    customer = F.col(_ID)
    return F.when(_is_number(), F.ltrim(customer, F.lit("0"))).otherwise(customer)


def _is_number() -> Column:
    return F.col(_ID).rlike("^[0-9]+$")


def _verdict(n: int, n_folded: int, what: str, remedy: str) -> list[Verdict]:
    if not n or (n - n_folded) / n < _SMALLEST_SHARE:
        return []
    found = f"{counted(n, 'customer')} would be {n_folded:,}"
    message = (
        f"{found} if {what} did not count: if they are the same people, map customer_id as "
        f"{remedy} in every source"
    )
    subject = f"{TRANSACTIONS.name}: {what}"
    return [Verdict(ID_SPELLINGS, subject, found, "one spelling", "warning", message)]
