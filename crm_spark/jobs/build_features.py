"""build_features: orders and the customer snapshots that scoring and training need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, fingerprint
from crm_spark.contracts import content_checksum
from crm_spark.jobs.lifecycle import Run, job_run
from crm_spark.models.churn.params import cutoffs_for_test, latest_closed
from crm_spark.progress import log, stage
from crm_spark.run import RunSummary
from crm_spark.tables.core import PRODUCTS, TRANSACTIONS
from crm_spark.tables.features import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT
from crm_spark.tables.snapshot_features import FEATURES
from crm_spark.transforms.orders import customer_orders
from crm_spark.transforms.snapshot import customer_snapshot

DESCRIPTION = "Build customer orders and the snapshots of the date and of the training cut-offs."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write features.customer_orders, and the snapshot of the date and of missing cut-offs."""
    with job_run(spark, config, "build_features", as_of) as job:
        job.require_current(TRANSACTIONS, "ingest_sources")
        lines = job.lake.read(TRANSACTIONS)
        with stage(spark, "customer orders"):
            orders = job.stamp(customer_orders(lines))
            written = job.note(CUSTOMER_ORDERS, job.lake.overwrite(CUSTOMER_ORDERS, orders))
        day = job.day()
        first, _ = job.order_dates()
        departments = product_departments(job)
        inputs = _input_fingerprint(job, written.content_checksum, departments)
        wanted = snapshot_dates(config, day, first)
        dates = _stale(job, wanted, inputs, always=day)
        log.info("snapshots of %s", ", ".join(date.isoformat() for date in dates))
        snapshot = customer_snapshot(
            job.lake.read(CUSTOMER_ORDERS),
            lines,
            departments,
            dates=dates,
            horizon_days=config.churn.horizon_days,
        ).withColumn("input_fingerprint", F.lit(inputs))
        with stage(spark, f"customer snapshots of {len(dates)} dates"):
            job.replace_dates(CUSTOMER_SNAPSHOT, snapshot, dates)
        return job.summary


def snapshot_dates(config: Config, day: date, first: date) -> list[date]:
    """Give the date and the cut-offs that training as of that date needs, latest first."""
    test = latest_closed(config.churn, day)
    cutoffs = cutoffs_for_test(config.churn, test, first).all
    return [day, *[cutoff for cutoff in cutoffs if first < cutoff < day]]


def product_departments(job: Run) -> DataFrame | None:
    """Give product_id and department, or None (with advice in the log) without such data."""
    if (
        job.config.sources.products is None
        or "department" not in job.config.sources.products.columns
    ):
        log.info("department features stay null: they need sources.products with a department")
        return None
    job.require_current(PRODUCTS, "ingest_sources")
    return job.lake.read(PRODUCTS).select("product_id", "department")


def _input_fingerprint(job: Run, orders_checksum: str, departments: DataFrame | None) -> str:
    """Hash all that a snapshot depends on besides its date."""
    lines = content_checksum(job.lake.read(TRANSACTIONS), TRANSACTIONS)
    products = (
        content_checksum(job.lake.read(PRODUCTS), PRODUCTS) if departments is not None else None
    )
    settings = [job.config.time_zone, job.config.churn.horizon_days, [f.formula for f in FEATURES]]
    return fingerprint([orders_checksum, lines, products, settings])


def _stale(job: Run, wanted: Sequence[date], inputs: str, *, always: date) -> list[date]:
    """Give the dates whose snapshot is missing, unfinished, or built from other inputs."""
    if not job.lake.exists(CUSTOMER_SNAPSHOT):
        return list(wanted)
    held = (
        job.lake.read(CUSTOMER_SNAPSHOT)
        .where(F.col("as_of_date").isin(list(wanted)) & (F.col("input_fingerprint") == inputs))
        .select("as_of_date", "run_id")
        .distinct()
    )
    succeeded = job.succeeded_runs("build_features").select("run_id")
    fresh = {row["as_of_date"] for row in held.join(succeeded, "run_id").collect()}
    return [day for day in wanted if day == always or day not in fresh]
