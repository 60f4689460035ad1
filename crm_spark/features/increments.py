"""What of a feature table has to be written: whole dates, and single customers of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.lines import known_at, midnight
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.lake.contract import Table
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import UNTOUCHED, Output, OutputRow, State, Target
from crm_spark.tables.core import TRANSACTIONS

LINES = Output(TRANSACTIONS.name)
# What says by its runs which customers changed.
_FOLLOWED = (LINES, Output(CUSTOMER_ORDERS.name))
# Above this share of customers it is faster to write a table or a date as a whole.
MOST_TOUCHED = 0.5


@dataclass(frozen=True)
class Due:
    """What of a table is to be written: whole dates, and single customers of others.

    `touched` has the columns customer_id and as_of_date; None: no single customer.
    """

    whole: tuple[date, ...]
    touched: DataFrame | None = None
    n_touched: int = 0
    touched_dates: tuple[date, ...] = ()


def runs_since_made(state: State, target: Target) -> tuple[str, ...] | None:
    """Give the runs that changed order lines since a target was made.

    None where they do not tell which customers changed: it was never made, or under other settings,
    something else that it reads changed, or the lines were loaded anew.
    """
    row = state.newest(target.output)
    if row is None or state.is_forced(row) or not state.is_whole(target.output):
        return None
    if (row.fingerprint, row.generation) != (target.fingerprint, target.generation):
        return None
    changed = state.changed_inputs(target)
    if changed is None or any(output not in _FOLLOWED for output in changed):
        return None
    changes = [
        one
        for one in state.changes_since(LINES, _lines_version(row))
        if one.changed_from != UNTOUCHED
    ]
    if any(one.replaces_all for one in changes):
        return None
    return tuple(sorted({one.run_id for one in changes}))


def earliest_change(state: State, target: Target) -> datetime | None:
    """Give the earliest moment that order lines changed since a target was made; None: all."""
    row = state.newest(target.output)
    if row is None:
        return None
    moments = [one.changed_from for one in state.changes_since(LINES, _lines_version(row))]
    known = [moment for moment in moments if moment is not None]
    return min(known, default=UNTOUCHED) if len(known) == len(moments) else None


def _lines_version(row: OutputRow) -> int | None:
    """Give the version of the order lines that an output was made of."""
    return next((read.version for read in row.inputs if read.output == LINES), None)


def changed_lines(lines: DataFrame, runs: Sequence[str]) -> DataFrame:
    """Give the order lines that these runs added or closed."""
    return lines.where(F.col("run_id").isin(*runs) | F.col("closing_run_id").isin(*runs))


def due(run: LakeRun, table: Table, runs_by_date: Mapping[date, Sequence[str] | None]) -> Due:
    """Give what is to be written of stale dates, by the runs that changed lines since each.

    Dates of which runs do not tell, or of which most customers are touched, are written whole.
    """
    whole = [day for day, runs in runs_by_date.items() if runs is None]
    lines = run.lake.read(TRANSACTIONS)
    touched = [
        # What became known on or after the date is none of its business.
        changed_lines(lines, runs)
        .where(known_at() < midnight(F.lit(day)))
        .select("customer_id", F.lit(day).alias("as_of_date"))
        for day, runs in runs_by_date.items()
        if runs
    ]
    if not touched:
        return Due(tuple(whole))
    return _by_share(run, table, whole, reduce(DataFrame.unionByName, touched).distinct())


def _by_share(run: LakeRun, table: Table, whole: Sequence[date], pairs: DataFrame) -> Due:
    counted = pairs.groupBy("as_of_date").count().collect()  # a row a date
    n_pairs = {row["as_of_date"]: row["count"] for row in counted}
    written = run.lake.read(table).where(F.col("as_of_date").isin(list(n_pairs)))
    n_customers = {
        row["as_of_date"]: row["n"]
        for row in written.groupBy("as_of_date")
        .agg(F.count_distinct("customer_id").alias("n"))
        .collect()  # a row a date
    }
    many = [day for day, n in n_pairs.items() if n > MOST_TOUCHED * n_customers.get(day, 0)]
    few = sorted(set(n_pairs) - set(many))
    if not few:
        return Due((*whole, *many))
    of_few = pairs.where(F.col("as_of_date").isin(few))
    return Due((*whole, *many), of_few, sum(n_pairs[day] for day in few), tuple(few))
