"""build_features: orders and the customer snapshots that scoring and training need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, fingerprint
from crm_spark.contracts import Table
from crm_spark.jobs.lifecycle import Run, job_run
from crm_spark.models.churn.params import cutoffs_for_test, latest_closed
from crm_spark.progress import log, stage
from crm_spark.run import RunSummary
from crm_spark.tables.core import PRODUCTS, TRANSACTIONS
from crm_spark.tables.features import (
    CUSTOMER_ORDERS,
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
)
from crm_spark.tables.snapshot_features import FEATURES
from crm_spark.transforms.interactions import product_interactions
from crm_spark.transforms.orders import changed_later, customer_orders
from crm_spark.transforms.snapshot import customer_snapshot

DESCRIPTION = "Build customer orders and the snapshots of the date and of the training cut-offs."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write customer orders, and the snapshots and interactions of the date and its cut-offs."""
    with job_run(spark, config, "build_features", as_of) as job:
        lines_checksum = job.require_current(TRANSACTIONS, "ingest_sources")
        day = job.day()
        first, _ = job.order_dates()
        lines = job.lake.read(TRANSACTIONS)
        with stage(spark, "customer orders"):
            orders = job.stamp(customer_orders(lines))
            written = job.note(CUSTOMER_ORDERS, job.lake.overwrite(CUSTOMER_ORDERS, orders))
        inputs = _input_fingerprint(job, [lines_checksum, written.content_checksum])
        dates = _stale(job, CUSTOMER_SNAPSHOT, snapshot_dates(config, day, first), inputs)
        log.info("snapshots of %s", ", ".join(date.isoformat() for date in dates))
        snapshot = snapshots(job, dates).withColumn("input_fingerprint", F.lit(inputs))
        with stage(spark, f"customer snapshots of {len(dates)} dates"):
            job.replace_dates(CUSTOMER_SNAPSHOT, snapshot, dates)
        _write_interactions(job, day, first, fingerprint([lines_checksum, config.time_zone]))
        return job.summary


def _write_interactions(job: Run, day: date, first: date, inputs: str) -> None:
    """Write the product interactions of the date and of the cut-off that a test as of it needs."""
    if "product_id" not in job.config.sources.transactions.columns:
        log.info("no product interactions: they need product_id, mapped in sources.transactions")
        return
    test = job.config.recommendations.test_cutoff(day)
    wanted = [day, *([test] if test > first else [])]
    dates = _stale(job, PRODUCT_INTERACTIONS, wanted, inputs)
    found = product_interactions(job.lake.read(TRANSACTIONS), dates=dates)
    with stage(job.spark, f"product interactions of {len(dates)} dates"):
        rows = found.withColumn("input_fingerprint", F.lit(inputs))
        job.replace_dates(PRODUCT_INTERACTIONS, rows, dates)


def snapshots(job: Run, dates: Sequence[date]) -> DataFrame:
    """Give the customer snapshots of these dates."""
    orders = job.lake.read(CUSTOMER_ORDERS)
    with stage(job.spark, "orders that changed after a date"):
        n_changed = changed_later(orders, dates=dates).count()
    return customer_snapshot(
        orders,
        job.lake.read(TRANSACTIONS),
        product_departments(job),
        dates=dates,
        horizon_days=job.config.churn.horizon_days,
        n_changed=n_changed,
    )


def snapshot_dates(config: Config, day: date, first: date) -> list[date]:
    """Give the date and the cut-offs that training as of that date needs, latest first."""
    test = latest_closed(config.churn, day)
    cutoffs = cutoffs_for_test(config.churn, test, first).all
    return [day, *[cutoff for cutoff in cutoffs if first < cutoff < day]]


def product_departments(job: Run) -> DataFrame | None:
    """Give product_id and department, or None (with advice in the log) without such data."""
    if not _has_departments(job):
        log.info("department features stay null: they need sources.products with a department")
        return None
    return job.lake.read(PRODUCTS).select("product_id", "department")


def _has_departments(job: Run) -> bool:
    products = job.config.sources.products
    return products is not None and "department" in products.columns


def _input_fingerprint(job: Run, checksums: list[str]) -> str:
    """Hash all that a snapshot depends on besides its date."""
    if _has_departments(job):
        checksums = [*checksums, job.require_current(PRODUCTS, "ingest_sources")]
    formulas = [feature.formula for feature in FEATURES]
    return fingerprint([checksums, job.config.time_zone, job.config.churn.horizon_days, formulas])


def _stale(job: Run, table: Table, wanted: Sequence[date], inputs: str) -> list[date]:
    """Give the first date, and of the others those missing, unfinished or of other inputs."""
    if not job.lake.exists(table):
        return list(wanted)
    held = (
        job.lake.read(table)
        .where(F.col("as_of_date").isin(list(wanted)) & (F.col("input_fingerprint") == inputs))
        .select("as_of_date", "run_id")
        .distinct()
    )
    succeeded = job.succeeded_runs("build_features").select("run_id")
    fresh = {row["as_of_date"] for row in held.join(succeeded, "run_id").collect()}
    return [day for day in wanted if day == wanted[0] or day not in fresh]
