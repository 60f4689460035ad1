"""What is said of rows that a delivery loses: rejected ones, and those `where` cannot judge."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.ingest.loading.commonest import CommonReason, explained_rows
from crm_spark.ingest.loading.counts import RowCounts
from crm_spark.ingest.loading.delivery import Delivery
from crm_spark.ingest.settings import Source
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import counted

REJECTED_ROWS, UNDECIDED_ROWS = "rejected_rows", "undecided_rows"

# The shares of a delivery's rows from which on rejected rows are a warning, and an error.
WARNING_SHARE, ERROR_SHARE = 0.05, 0.5


def lost_verdicts(delivery: Delivery, counts: RowCounts) -> list[Verdict]:
    """Judge the rows that a delivery lost, from the rejected rows as they were written.

    These are read where their share is large enough to be told, and at no other time.
    """
    source = delivery.source
    verdicts = undecided_verdict(source, counts)
    if level_of_rejected(counts) is not None:
        reasons, hints = explained_rows(source, _rejected_now(delivery), delivery.frames())
        verdicts += rejected_verdict(source, counts, reasons, hints)
    return verdicts


def level_of_rejected(counts: RowCounts) -> Level | None:
    """Give how bad the share of rejected rows is; None where it is not to be told."""
    share = _share(counts)
    if share >= ERROR_SHARE:
        return "error"
    return "warning" if share >= WARNING_SHARE else None


def rejected_verdict(
    source: Source, counts: RowCounts, reasons: Iterable[CommonReason], hints: Iterable[str]
) -> list[Verdict]:
    """Judge the share of rows that cannot be used; `counts` are those of the delivery."""
    level = level_of_rejected(counts)
    if level is None:
        return []
    found = f"{100 * _share(counts):.0f} % of {counted(counts.n_mapped, 'row')}"
    why = "; ".join([*(f"{one.n_rows:,} {one.text}" for one in reasons), *hints])
    message = (
        f"{source.name}: {found} are rejected: {why}. They are kept in {source.rejected.name}: "
        "mend the mapping, the options or the files, and ingest again"
    )
    needed = f"below {100 * WARNING_SHARE:.0f} %"
    return [Verdict(REJECTED_ROWS, source.name, found, needed, level, message)]


def undecided_verdict(source: Source, counts: RowCounts) -> list[Verdict]:
    """Say how many rows are left out since `where` is null for them."""
    n, where = counts.n_undecided, source.section.where
    if not n:
        return []
    found = f"{n:,} of {counted(counts.n_read, 'row')}"
    names = sorted(counts.undecided_by)
    since = f", since {' or '.join(names)} is empty there" if names else ""
    message = (
        f"{source.name}: where is neither true nor false for {found}{since}: they are left out. "
        f"Write coalesce({where}, true) to keep them, or coalesce({where}, false) if they are not "
        "wanted"
    )
    needed = "true or false for every row"
    return [Verdict(UNDECIDED_ROWS, source.name, found, needed, "warning", message)]


def _share(counts: RowCounts) -> float:
    n_rejected = counts.n_unusable + counts.n_conflicts
    return n_rejected / counts.n_mapped if counts.n_mapped else 0.0


def _rejected_now(delivery: Delivery) -> DataFrame:
    """Give the rows that this run rejected; a file that cannot be read is none of them."""
    run = delivery.run
    rows = run.lake.read(delivery.source.rejected).where("row IS NOT NULL")
    return rows.where(F.col("run_id") == run.summary.run_id)
