"""build_features: orders, snapshots and interactions, brought up to date where lines changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, fingerprint
from crm_spark.features.catalogue import FEATURES
from crm_spark.features.departments import customer_departments
from crm_spark.features.interactions import product_interactions
from crm_spark.features.orders import changed_later, customer_orders, known_at, midnight
from crm_spark.features.prices import product_prices
from crm_spark.features.snapshot import customer_snapshot
from crm_spark.features.tables import (
    CUSTOMER_DEPARTMENTS,
    CUSTOMER_ORDERS,
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
    PRODUCT_PRICES,
)
from crm_spark.lake.contract import Table, content_checksum
from crm_spark.lake.delta import Written
from crm_spark.models.registry import dates_needed
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import CAMPAIGN_CONTACTS, EVENTS, FEEDBACK, PRODUCTS, TRANSACTIONS
from crm_spark.tables.ops import FEATURE_LEDGER

DESCRIPTION = "Build customer orders and the snapshots of the date and of the training cut-offs."
NEEDS_AS_OF = True

# Raise it with every change of customer orders or interactions that can change a value.
FEATURES_VERSION = 2
# Above this share of customers it is faster to write a table or a date as a whole.
MOST_TOUCHED = 0.5


@dataclass(frozen=True)
class Due:
    """What of a feature table is to be written: whole dates, and single customers of others.

    `touched` has the columns customer_id and as_of_date.
    """

    whole: tuple[date, ...]
    touched: DataFrame | None = None
    n_touched: int = 0
    touched_dates: tuple[date, ...] = ()


@dataclass(frozen=True)
class UpToDate:
    """The dates of a table, None where it has none, that a run brought up to date."""

    table: Table
    settings: str
    dates: Sequence[date | None]


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Bring customer orders up to date, and the snapshots and interactions of the date."""
    with job_run(spark, config, "build_features", as_of) as job:
        job.require_current(TRANSACTIONS, "ingest_sources")
        day = job.day()
        first, _ = job.order_dates()
        written = [
            _write_orders(job),
            _write_snapshots(job, feature_dates(config, CUSTOMER_SNAPSHOT, day, first)),
            _write_interactions(job, day, first),
        ]
        _write_departments(job, day)
        _write_prices(job, day)
        _write_ledger(job, [held for held in written if held])
        return job.summary


def _write_orders(job: Run) -> UpToDate:
    """Write the orders of the customers whose lines changed, or all where that is not known."""
    settings = fingerprint([FEATURES_VERSION, job.config.time_zone])
    lines = job.lake.read(TRANSACTIONS)
    runs = _runs_since(job, CUSTOMER_ORDERS, settings, [None]).get(None)
    if runs is None:
        with stage(job.spark, "customer orders"):
            orders = job.stamp(customer_orders(lines))
            job.note(CUSTOMER_ORDERS, job.lake.overwrite(CUSTOMER_ORDERS, orders))
    elif not runs:
        _note_unchanged(job, CUSTOMER_ORDERS)
    else:
        changed = _changed_lines(lines, runs).select("customer_id").distinct().persist()
        key = list(CUSTOMER_ORDERS.key)
        of_changed = customer_orders(lines.join(changed, "customer_id", "left_semi"))
        orders = job.stamp(of_changed).persist()  # read for what comes and for what goes
        try:
            held = job.lake.read(CUSTOMER_ORDERS).join(changed, "customer_id", "left_semi")
            gone = held.select(*key).join(orders.select(*key), key, "left_anti")
            with stage(job.spark, "customer orders of changed customers"):
                # A merge, with deletion vectors, leaves the files of other customers as they are.
                written = job.lake.merge(
                    CUSTOMER_ORDERS, orders, gone, unless_same=CUSTOMER_ORDERS.content_columns
                )
            job.note(CUSTOMER_ORDERS, _whole(job, CUSTOMER_ORDERS, written))
        finally:
            orders.unpersist()
            changed.unpersist()
    return UpToDate(CUSTOMER_ORDERS, settings, [None])


def _write_snapshots(job: Run, dates: Sequence[date]) -> UpToDate:
    settings = _snapshot_settings(job)
    due = _due(job, CUSTOMER_SNAPSHOT, settings, dates)
    if due.whole:
        log.info("snapshots of %s", ", ".join(date.isoformat() for date in due.whole))
        with stage(job.spark, f"customer snapshots of {len(due.whole)} dates"):
            rows = _stamped(snapshots(job, due.whole), settings)
            job.replace_dates(CUSTOMER_SNAPSHOT, rows, due.whole)
    _refresh(
        job, CUSTOMER_SNAPSHOT, due, settings, lambda touched, held: snapshots(job, held, touched)
    )
    return UpToDate(CUSTOMER_SNAPSHOT, settings, dates)


def _write_interactions(job: Run, day: date, first: date) -> UpToDate | None:
    """Write the product interactions of the date and of the cut-off that a test as of it needs."""
    if "product_id" not in job.config.sources.transactions.columns:
        log.info("no product interactions: they need product_id, mapped in sources.transactions")
        return None
    settings = fingerprint([FEATURES_VERSION, job.config.time_zone])
    wanted = feature_dates(job.config, PRODUCT_INTERACTIONS, day, first)
    due = _due(job, PRODUCT_INTERACTIONS, settings, wanted)
    lines = job.lake.read(TRANSACTIONS)
    with stage(job.spark, f"product interactions of {len(due.whole)} dates"):
        rows = _stamped(product_interactions(lines, dates=due.whole), settings)
        job.replace_dates(PRODUCT_INTERACTIONS, rows, due.whole)

    def of_touched(touched: DataFrame, dates: Sequence[date]) -> DataFrame:
        customers = touched.select("customer_id").distinct()
        of_customers = lines.join(customers, "customer_id", "left_semi")
        return product_interactions(of_customers, dates=dates)

    _refresh(job, PRODUCT_INTERACTIONS, due, settings, of_touched)
    return UpToDate(PRODUCT_INTERACTIONS, settings, wanted)


def _write_departments(job: Run, day: date) -> None:
    """Write what customers bought of each department before the date."""
    if not _has_departments(job):
        return
    departments = job.lake.read(PRODUCTS).select("product_id", "department")
    with stage(job.spark, "purchases by department"):
        rows = customer_departments(job.lake.read(TRANSACTIONS), departments, day=day)
        _write_own_date(job, CUSTOMER_DEPARTMENTS, rows, day)


def _write_prices(job: Run, day: date) -> None:
    """Write the usual price of each product before the date, and what was sold far from it."""
    if "product_id" not in job.config.sources.transactions.columns:
        return
    with stage(job.spark, "prices of products"):
        rows = product_prices(job.lake.read(TRANSACTIONS), day=day)
        _write_own_date(job, PRODUCT_PRICES, rows, day)


def _write_own_date(job: Run, table: Table, rows: DataFrame, day: date) -> None:
    """Write what is kept of the run's own date alone: no earlier date is brought up to date."""
    settings = fingerprint([FEATURES_VERSION, job.config.time_zone])
    job.replace_dates(table, _stamped(rows, settings), [day])


def snapshots(job: Run, dates: Sequence[date], touched: DataFrame | None = None) -> DataFrame:
    """Give the customer snapshots of these dates, of all customers or of those in `touched`."""
    orders, lines = job.lake.read(CUSTOMER_ORDERS), job.lake.read(TRANSACTIONS)
    if touched is not None:
        customers = touched.select("customer_id").distinct()
        orders = orders.join(customers, "customer_id", "left_semi")
        lines = lines.join(customers, "customer_id", "left_semi")
    with stage(job.spark, "orders that changed after a date"):
        n_changed = changed_later(orders, dates=dates).count()
    return customer_snapshot(
        orders,
        lines,
        product_departments(job),
        dates=dates,
        horizon_days=job.config.churn.horizon_days,
        n_changed=n_changed,
        events=_given(job, EVENTS),
        feedback=_given(job, FEEDBACK),
        contacts=_given(job, CAMPAIGN_CONTACTS),
        with_channels="channel" in job.config.sources.transactions.columns,
    )


def _given(job: Run, table: Table) -> DataFrame | None:
    """Give a table besides the transactions where its source is mapped."""
    return job.lake.read(table) if _is_given(job, table) else None


def _is_given(job: Run, table: Table) -> bool:
    return table.name.split(".")[1] in job.config.sources.given()


def feature_dates(config: Config, table: Table, day: date, first: date) -> list[date]:
    """Give the date and the cut-offs of a feature table that models need, latest first."""
    models = [
        (model, config.section_of(model))
        for model in config.chosen_models
        if model.lacks(config.mapped) is None
    ]
    return dates_needed(models, table, day, first)


def product_departments(job: Run) -> DataFrame | None:
    """Give product_id and department, or None (with advice in the log) without such data."""
    if not _has_departments(job):
        log.info("department features stay null: they need sources.products with a department")
        return None
    return job.lake.read(PRODUCTS).select("product_id", "department")


def _has_departments(job: Run) -> bool:
    products = job.config.sources.products
    return products is not None and "department" in products.columns


def _snapshot_settings(job: Run) -> str:
    """Hash all that a snapshot depends on besides its date and the order lines."""
    tables = [PRODUCTS] if _has_departments(job) else []
    besides = (EVENTS, FEEDBACK, CAMPAIGN_CONTACTS)
    tables += [held for held in besides if _is_given(job, held)]
    checksums = {held.name: job.require_current(held, "ingest_sources") for held in tables}
    formulas = [feature.formula for feature in FEATURES]
    zone, horizon = job.config.time_zone, job.config.churn.horizon_days
    return fingerprint([FEATURES_VERSION, checksums, zone, horizon, formulas])


def _stamped(rows: DataFrame, settings: str) -> DataFrame:
    return rows.withColumn("input_fingerprint", F.lit(settings))


Runs = tuple[str, ...]


def _runs_since(
    job: Run, table: Table, settings: str, dates: Sequence[date | None]
) -> dict[date | None, Runs | None]:
    """Give, for dates of a table, the runs that changed lines since it was brought up to date.

    None where that cannot be told: other settings, lines replaced as a whole, or a table that is
    not as the last succeeded run left it. The date of a table without dates is None.
    """
    if not job.lake.exists(FEATURE_LEDGER) or not job.lake.exists(table):
        return {}
    if job.lake.version(table) != job.version_left(table):
        return {}
    held = job.lake.read(FEATURE_LEDGER).where(
        (F.col("table_name") == table.name) & (F.col("settings") == settings)
    )
    finished = held.join(job.succeeded_runs("build_features").select("run_id"), "run_id")
    rows = finished.select("as_of_date", "lines_version").collect()  # a row a date
    versions = {
        row["as_of_date"]: row["lines_version"] for row in rows if row["as_of_date"] in dates
    }
    if not versions:
        return {}
    commits = job.lake.commits_since(TRANSACTIONS, min(versions.values()))
    if commits is None:
        return {}

    def runs_after(version: int) -> Runs | None:
        since = [held for held in commits if held.version > version]
        is_known = all(held.run_id and not held.replaces_all for held in since)
        return tuple(sorted({str(held.run_id) for held in since})) if is_known else None

    return {day: runs_after(version) for day, version in versions.items()}


def _changed_lines(lines: DataFrame, runs: Runs) -> DataFrame:
    """Give the lines that these runs added or closed."""
    return lines.where(F.col("run_id").isin(*runs) | F.col("closing_run_id").isin(*runs))


def _due(job: Run, table: Table, settings: str, wanted: Sequence[date]) -> Due:
    """Give what of the wanted dates is to be written: the first as a whole, others where due."""
    since = _runs_since(job, table, settings, wanted)
    whole = [day for day in wanted if day == wanted[0] or since.get(day) is None]
    touched: list[DataFrame] = []
    lines = job.lake.read(TRANSACTIONS)
    for day in wanted:
        runs = since.get(day)
        if day in whole or not runs:
            continue
        # What became known on or after the date is none of its business.
        changed = _changed_lines(lines, runs).where(known_at() < midnight(F.lit(day)))
        touched.append(changed.select("customer_id", F.lit(day).alias("as_of_date")))
    if not touched:
        return Due(tuple(whole))
    pairs = touched[0]
    for more in touched[1:]:
        pairs = pairs.unionByName(more)
    return _by_share(job, table, whole, pairs.distinct())


def _by_share(job: Run, table: Table, whole: Sequence[date], pairs: DataFrame) -> Due:
    """Write the dates as a whole of which most customers are touched."""
    n_pairs = {
        row["as_of_date"]: row["count"] for row in pairs.groupBy("as_of_date").count().collect()
    }
    n_held = {
        row["as_of_date"]: row["n"]
        for row in job.lake.read(table)
        .where(F.col("as_of_date").isin(list(n_pairs)))
        .groupBy("as_of_date")
        .agg(F.count_distinct("customer_id").alias("n"))
        .collect()
    }
    many = [day for day, n in n_pairs.items() if n > MOST_TOUCHED * n_held.get(day, 0)]
    few = sorted(set(n_pairs) - set(many))
    if not few:
        return Due((*whole, *many))
    of_few = pairs.where(F.col("as_of_date").isin(few))
    return Due((*whole, *many), of_few, sum(n_pairs[day] for day in few), tuple(few))


def _refresh(
    job: Run,
    table: Table,
    due: Due,
    settings: str,
    build: Callable[[DataFrame, Sequence[date]], DataFrame],
) -> None:
    """Write the rows of the touched customers again; no other row is rewritten."""
    if due.touched is None:
        return
    log.info(
        "%s: %s customers of %d earlier dates are touched",
        table.name,
        f"{due.n_touched:,}",
        len(due.touched_dates),
    )
    grain, key = ["customer_id", "as_of_date"], list(table.key)
    touched = due.touched.persist()
    built = build(touched, due.touched_dates).join(touched, grain, "left_semi")
    # Read for what goes and for what comes: computed once.
    rows = job.stamp(_stamped(built, settings)).persist()
    try:
        held = job.lake.read(table).join(touched, grain, "left_semi").select(*key)
        with stage(job.spark, f"{table.name} of touched customers"):
            gone = held.join(rows.select(*key), key, "left_anti")
            written = job.lake.merge(table, rows, gone, unless_same=table.content_columns)
        before = job.summary.tables[table.name].rows_written
        counted = Written(before + written.rows, written.version, written.content_checksum)
        job.note(table, counted)
    finally:
        rows.unpersist()
        touched.unpersist()


def _whole(job: Run, table: Table, written: Written) -> Written:
    """Give a write with the checksum of the whole table."""
    checksum = content_checksum(job.lake.read(table), table)
    return Written(written.rows, written.version, checksum)


def _note_unchanged(job: Run, table: Table) -> None:
    left = job.left_by(table)
    assert left is not None
    job.note(table, Written(0, left.version, left.content_checksum))


def _write_ledger(job: Run, written: Sequence[UpToDate]) -> None:
    """Note what is up to date with the lines, last of all: a run that died before says nothing."""
    version, run_id = job.lake.version(TRANSACTIONS), job.summary.run_id
    rows, places = [], []
    for held in written:
        name, days = held.table.name, [day for day in held.dates if day]
        rows += [(name, day, held.settings, version, run_id) for day in held.dates]
        literals = ", ".join(f"DATE'{day.isoformat()}'" for day in days)
        of_dates = f"as_of_date IN ({literals})" if days else "as_of_date IS NULL"
        places.append(f"(table_name = '{name}' AND {of_dates})")
    frame = job.spark.createDataFrame(rows, FEATURE_LEDGER.schema)
    job.note(FEATURE_LEDGER, job.lake.replace(FEATURE_LEDGER, frame, " OR ".join(places)))
