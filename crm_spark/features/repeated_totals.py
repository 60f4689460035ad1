"""Orders whose total is counted several times: on each line, or on a line of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.features.orders import LARGEST_LINE, SMALLEST_LINE
from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.words import counted

REPEATED_TOTALS, SUMMARY_LINES = "repeated_order_totals", "summary_lines"

# Told of most orders that can show it, and of no fewer.
_LARGEST_SHARE, _FEWEST_ORDERS = 0.5, 3
# Where all goods have one price, or one of a few, lines are the same by themselves: totals differ
# from order to order, in this share of the orders, or there are many of them.
_SHARE_OF_AMOUNTS, _MANY_AMOUNTS = 0.75, 20


def total_aggregates() -> list[Column]:
    """Aggregates over orders with their smallest and largest line, to be read by total_verdicts."""
    smallest, largest = F.col(SMALLEST_LINE), F.col(LARGEST_LINE)
    has_several_products = F.coalesce(F.col("n_products") > 1, F.lit(False))
    has_one_amount = has_several_products & (smallest == largest)
    # Of two lines the one is the other, and not their sum.
    has_parts = (F.col("n_lines") > 2) & (smallest > 0)
    return [
        F.count_if(has_several_products).alias("n_of_products"),
        F.count_if(has_one_amount).alias("n_of_one_amount"),
        F.approx_count_distinct(F.when(has_one_amount, smallest)).alias("n_amounts"),
        F.count_if(has_parts).alias("n_of_parts"),
        F.count_if(has_parts & (2 * largest == F.col("spend_amount_minor"))).alias("n_summed"),
    ]


def total_verdicts(counts: Mapping[str, Any]) -> list[Verdict]:
    """Judge whether order totals are among the lines, from the values of total_aggregates."""
    verdicts = []
    n, n_same = counts["n_of_products"], counts["n_of_one_amount"]
    n_expected = min(_SHARE_OF_AMOUNTS * n_same, _MANY_AMOUNTS)
    if _is_most(n_same, n) and counts["n_amounts"] >= n_expected:
        found = f"{n_same:,} of {counted(n, 'order')} of several products"
        message = (
            f"in {found} every line has the same amount: if it is the total of the order, it "
            "counts once for each line. Map what the line itself cost as amount, such as "
            "quantity * price"
        )
        needed = "amounts of lines"
        verdicts.append(_verdict(REPEATED_TOTALS, found, needed, message))
    n, n_summed = counts["n_of_parts"], counts["n_summed"]
    if _is_most(n_summed, n):
        found = f"{n_summed:,} of {counted(n, 'order')} of three or more lines"
        message = (
            f"in {found} one line is the sum of all others: if it is the summary of the order, "
            "the order counts twice. Leave such lines out by where"
        )
        verdicts.append(_verdict(SUMMARY_LINES, found, "lines of goods only", message))
    return verdicts


def _is_most(n: int, n_of: int) -> bool:
    return n >= _FEWEST_ORDERS and n > _LARGEST_SHARE * n_of


def _verdict(check: str, found: str, needed: str, message: str) -> Verdict:
    return Verdict(check, TRANSACTIONS.name, found, needed, "warning", message)
