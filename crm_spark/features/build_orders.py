"""features.customer_orders brought up to date: all orders, or those of customers who changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.features.id_spellings import spelling_aggregates, spelling_verdicts
from crm_spark.features.increments import changed_lines, earliest_change, runs_since_made
from crm_spark.features.order_parts import PART, SPLIT_AFTER, reused_numbers
from crm_spark.features.orders import (
    LARGEST_LINE,
    SMALLEST_LINE,
    measured_orders,
    split_orders,
)
from crm_spark.features.repeated_totals import total_aggregates, total_verdicts
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.features.targets import FeatureSettings, orders_target
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.delta import Written
from crm_spark.lake.run import Finished, LakeRun
from crm_spark.lake.state import Output
from crm_spark.runtime.observed import ObservedCounts
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.checks import Verdict, write_checks
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.words import counted, verb

# The name of the check of order numbers that were used again.
REUSED_NUMBERS = "reused_order_numbers"
# That of returns that nothing bought explains, told from this share of what was returned on.
ORPHANED_RETURNS, LARGEST_ORPHANED_SHARE = "orphaned_returns", 0.1
# A fact of the table's row: rows of numbers that may have several orders.
N_REUSED = "n_reused"


def bring_orders_up_to_date(run: LakeRun, settings: FeatureSettings) -> None:
    """Write the orders of the customers whose lines changed, or all where that is not known."""
    target = orders_target(settings)
    run.require(target)
    reason = run.state.why_not_current(target)
    if reason is None:
        row = run.state.newest(target.output)
        assert row is not None
        run.note_unchanged(CUSTOMER_ORDERS, row)
        return
    log.info("%s: %s", CUSTOMER_ORDERS.name, reason)
    runs = runs_since_made(run.state, target)
    changed_from = earliest_change(run.state, target) if runs is not None else None
    if runs is not None:
        written, totals = _merge_orders(run, settings, runs)
    else:
        written, totals = _overwrite_orders(run, settings)
    orders = run.lake.read(CUSTOMER_ORDERS)
    if runs is None and not totals[N_REUSED]:
        noticed = totals  # of all orders, as they were written
    else:
        noticed = orders.agg(*_notice_aggregates()).collect()[0].asDict()
    run.finish(
        Finished(
            target,
            written.version,
            written.content_checksum,
            changed_from=changed_from,
            replaces_all=runs is None,
            facts={N_REUSED: str(noticed[N_REUSED])},
        )
    )
    verdicts = [
        *_reused_verdict(noticed, settings),
        *_orphan_verdict(noticed),
        *total_verdicts(totals),
        *spelling_verdicts(orders, noticed),
    ]
    for verdict in verdicts:
        log.warning(verdict.message)
    write_checks(run, None, verdicts)


def _overwrite_orders(run: LakeRun, settings: FeatureSettings) -> tuple[Written, Mapping[str, Any]]:
    """Write all orders, and give the aggregates of totals and of what is noticed of them."""
    lines = run.lake.read(TRANSACTIONS)
    orders = ObservedCounts(
        run.stamp(_orders(lines, settings)),
        *_notice_aggregates(),
        *total_aggregates(),
    )
    with stage(run.spark, "customer orders"):
        written = run.lake.overwrite(CUSTOMER_ORDERS, _as_stored(orders.rows))
    counts = orders.exact()
    if counts[N_REUSED]:
        # Next to no table has any: it is cheaper to look for them in what was written.
        reused = reused_numbers(run.lake.read(CUSTOMER_ORDERS)).persist()
        try:
            _merge(run, _split(run, lines, reused, settings), None)
        finally:
            reused.unpersist()
        written = _whole_again(run, written)
    return run.note(CUSTOMER_ORDERS, written), counts


def _merge_orders(
    run: LakeRun, settings: FeatureSettings, runs: Sequence[str]
) -> tuple[Written, Mapping[str, Any]]:
    """Merge the orders of changed customers: the files of other customers stay as they are.

    Gives what total_aggregates() are of these.
    """
    lines = run.lake.read(TRANSACTIONS)
    key = list(CUSTOMER_ORDERS.key)
    changed = changed_lines(lines, runs).select("customer_id").distinct().persist()
    of_changed = lines.join(changed, "customer_id", "left_semi")
    orders = run.stamp(_orders(of_changed, settings)).persist()  # read more than once
    try:
        if not orders.where(F.col(SPLIT_AFTER).isNotNull()).isEmpty():
            plain = _as_stored(orders.where(F.col(SPLIT_AFTER).isNull()))
            split = _split(run, of_changed, reused_numbers(orders), settings)
            rows = plain.unionByName(split).persist()
        else:
            rows = _as_stored(orders)
        before = run.lake.read(CUSTOMER_ORDERS).join(changed, "customer_id", "left_semi")
        gone = before.select(*key).join(rows.select(*key), key, "left_anti")
        with stage(run.spark, "customer orders of changed customers"):
            written = _merge(run, rows, gone)
            totals = orders.agg(*total_aggregates()).collect()[0].asDict()
        rows.unpersist()
    finally:
        orders.unpersist()
        changed.unpersist()
    return run.note(CUSTOMER_ORDERS, _whole_again(run, written)), totals


def _orders(lines: DataFrame, settings: FeatureSettings) -> DataFrame:
    return measured_orders(
        lines, span_days=settings.order_span_days, has_refunds=settings.has_refunds
    )


def _as_stored(orders: DataFrame) -> DataFrame:
    return orders.drop(SMALLEST_LINE, LARGEST_LINE)


def _split(
    run: LakeRun, lines: DataFrame, reused: DataFrame, settings: FeatureSettings
) -> DataFrame:
    return run.stamp(split_orders(lines, reused, has_refunds=settings.has_refunds))


def _merge(run: LakeRun, rows: DataFrame, gone: DataFrame | None) -> Written:
    removed = rows.where("false") if gone is None else gone
    return run.lake.merge(
        CUSTOMER_ORDERS, rows, removed, unless_same=CUSTOMER_ORDERS.content_columns
    )


def _whole_again(run: LakeRun, written: Written) -> Written:
    """Give what stands after a merge: the checksum is of all rows."""
    checksum = content_checksum(run.lake.read(CUSTOMER_ORDERS), CUSTOMER_ORDERS)
    return Written(written.rows, run.lake.version(CUSTOMER_ORDERS), checksum)


def known_reused_numbers(run: LakeRun) -> DataFrame | None:
    """Give the order numbers that may have several orders; None where no number has."""
    row = run.state.newest(Output(CUSTOMER_ORDERS.name))
    if row is None or not int(row.facts.get(N_REUSED, 0)):
        return None
    return reused_numbers(run.lake.read(CUSTOMER_ORDERS))


def _notice_aggregates() -> list[Column]:
    """Aggregates over orders of what stands out among them; money in minor units."""
    is_again = (F.col(PART) > 1) & (F.col("n_lines") > 0)
    return [
        F.count(SPLIT_AFTER).alias(N_REUSED),
        F.count_if(is_again).alias("n_again"),
        F.coalesce(F.sum("returned_amount_minor"), F.lit(0)).alias("returned"),
        F.coalesce(F.sum("orphan_returned_amount_minor"), F.lit(0)).alias("orphaned"),
        *spelling_aggregates(),
    ]


def _reused_verdict(noticed: Mapping[str, int], settings: FeatureSettings) -> list[Verdict]:
    """Say how many orders have a number that another order of the customer has."""
    if not noticed["n_again"]:
        return []
    n_again, span = noticed["n_again"], counted(settings.order_span_days, "day")
    found = counted(n_again, "order")
    message = (
        f"{found} {verb(n_again, 'has', 'have')} the number of an earlier order of the same "
        f"customer: lines bought under one number more than {span} apart are different orders. If "
        "they are of one, raise order_span_days"
    )
    needed = f"lines of a number within {span}"
    return [Verdict(REUSED_NUMBERS, TRANSACTIONS.name, found, needed, "warning", message)]


def _orphan_verdict(noticed: Mapping[str, int]) -> list[Verdict]:
    """Say how much of what was given back nothing explains that was bought before."""
    share = noticed["orphaned"] / noticed["returned"] if noticed["returned"] else 0.0
    if share < LARGEST_ORPHANED_SHARE:
        return []
    found = f"{100 * share:.0f} % of the money given back"
    message = (
        f"{found} is of nothing that the customer bought before: returns are netted against "
        "purchases of the same product. If refunds have no product and say which order they are "
        "of, map that as refund_of_order_id"
    )
    needed = f"below {100 * LARGEST_ORPHANED_SHARE:.0f} %"
    return [Verdict(ORPHANED_RETURNS, TRANSACTIONS.name, found, needed, "warning", message)]
