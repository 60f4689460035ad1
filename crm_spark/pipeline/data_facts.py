"""What the report shows of the data, read from the lake."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow.compute as pc
from pyspark.sql import functions as F

from crm_spark.features.product_names import with_product_names
from crm_spark.features.tables import PRODUCT_PRICES
from crm_spark.report.subject import ReportRequest
from crm_spark.tables.checks import CheckRow, read_checks, read_checks_of_run
from crm_spark.tables.core import SOURCE_TABLES
from crm_spark.tables.ops import JOB_RUNS, REJECTIONS

N_PRICES = 10


N_REASONS = 20


LEVELS = ("error", "warning", "advice")


@dataclass(frozen=True)
class SourceCounts:
    """What the newest ingest did to one table; `cleaned` counts rows by what a rule did to them."""

    name: str
    rows_read: int
    rows_written: int
    rows_rejected: int
    rows_filtered: int
    rows_duplicate: int
    cleaned: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RejectedReason:
    """How many rows of a table are still rejected for a reason, and how many were taken back."""

    table: str
    reason: str
    n: int
    n_taken_back: int
    newest: date


@dataclass(frozen=True)
class UnusualPrice:
    """A product that was sold far from its usual price, and for how much money."""

    name: str
    usual_from_price: float | None
    usual_to_price: float | None
    lowest_price: float | None
    highest_price: float | None
    n_unusual_lines: int
    unusual_amount: float


@dataclass(frozen=True)
class DataFacts:
    """What is known of the data of a date; what a run did not make is empty."""

    sources: tuple[SourceCounts, ...] = ()
    rejected: tuple[RejectedReason, ...] = ()
    unusual_prices: tuple[UnusualPrice, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    ingest_checks: tuple[CheckRow, ...] = ()


def read_data(
    request: ReportRequest, *, training_runs: Collection[str], quiet_advice: Collection[str]
) -> DataFacts:
    """Read what the newest ingest counted and said, what was rejected, odd prices, and verdicts.

    Advice of the checks `quiet_advice` stays in ops.checks: there is some on every run.
    """
    checks = read_checks(request.lake, request.day, training_runs)
    bad = [
        row
        for row in checks
        if row.level in LEVELS and not (row.level == "advice" and row.check in quiet_advice)
    ]
    bad.sort(key=lambda row: (LEVELS.index(row.level), row.job, row.check, row.subject))
    ingest = _newest_ingest(request)
    return DataFacts(
        _sources(ingest) if ingest else (),
        _rejected(request),
        _unusual_prices(request),
        tuple(bad[:N_REASONS]),
        tuple(read_checks_of_run(request.lake, ingest["run_id"])) if ingest else (),
    )


def _newest_ingest(request: ReportRequest) -> Mapping[str, Any] | None:
    """Give the row of the newest ingest in ops.job_runs."""
    succeeded = (pc.field("job") == "ingest_sources") & (pc.field("status") == "succeeded")
    rows = request.lake.rows(JOB_RUNS, succeeded)
    return max(rows, key=lambda row: row["started_at"], default=None)


def _sources(ingest: Mapping[str, Any]) -> tuple[SourceCounts, ...]:
    names = [table.name for table in SOURCE_TABLES.values()]
    counts = [table for table in ingest["tables"] if table["name"] in names]
    return tuple(
        SourceCounts(
            row["name"],
            row["rows_read"],
            row["rows_written"],
            row["rows_rejected"],
            row["rows_filtered"],
            row["rows_duplicate"],
            {one["effect"]: one["n_rows"] for one in row["cleaned"] or []},
        )
        for row in counts
    )


def _rejected(request: ReportRequest) -> tuple[RejectedReason, ...]:
    """Give the rows still rejected of each table and reason, the most frequent first."""
    if not request.lake.exists(REJECTIONS):
        return ()
    reasons = (
        request.lake.read(REJECTIONS)
        .groupBy(F.col("table_name").alias("table"), "reason")
        .agg(
            (F.sum("n_rows") - F.sum("n_taken_back")).alias("n"),
            F.sum("n_taken_back").alias("n_taken_back"),
            F.max("rejected_on").alias("newest"),
        )
        .orderBy(F.desc("n"), "table", "reason")
        .limit(N_REASONS)
    )
    return tuple(RejectedReason(**row.asDict()) for row in reasons.collect())


def _unusual_prices(request: ReportRequest) -> tuple[UnusualPrice, ...]:
    """Give the products with most money at prices far from their usual one."""
    prices = request.of_date(PRODUCT_PRICES)
    if prices is None:
        return ()
    first = (
        prices.where("n_unusual_lines > 0")
        .orderBy(F.desc("unusual_amount"), "product_id")
        .limit(N_PRICES)
    )
    named = with_product_names(request.lake, first, request.mapped)
    fields = list(UnusualPrice.__dataclass_fields__)
    rows = named.orderBy(F.desc("unusual_amount"), "product_id").select(*fields).collect()
    return tuple(UnusualPrice(**row.asDict()) for row in rows)
