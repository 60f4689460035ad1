"""Feature tables brought up to date: whole dates, or the customers who changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame

from crm_spark.features.build_orders import bring_orders_up_to_date, known_reused_numbers
from crm_spark.features.departments import customer_departments
from crm_spark.features.family_checks import require_computable, require_same_types
from crm_spark.features.increments import (
    Due,
    due,
    runs_since_made,
)
from crm_spark.features.interactions import product_interactions
from crm_spark.features.order_histories import by_customer
from crm_spark.features.orders import count_changes, orders_known
from crm_spark.features.prices import product_prices
from crm_spark.features.snapshot import customer_snapshot
from crm_spark.features.tables import (
    CUSTOMER_DEPARTMENTS,
    CUSTOMER_ORDERS,
    PRODUCT_INTERACTIONS,
    PRODUCT_PRICES,
    snapshot_table,
)
from crm_spark.features.targets import (
    FeatureDates,
    FeatureSettings,
    department_target,
    interaction_targets,
    price_targets,
    snapshot_targets,
)
from crm_spark.lake.contract import Table, checksum_rows
from crm_spark.lake.delta import Written
from crm_spark.lake.run import Finished, LakeRun
from crm_spark.lake.state import Target
from crm_spark.runtime.keeping import kept_on_disk
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.core import CAMPAIGN_CONTACTS, EVENTS, FEEDBACK, PRODUCTS, TRANSACTIONS
from crm_spark.tables.history import as_of
from crm_spark.words import are, counted


@dataclass(frozen=True)
class Dated:
    """A table with a row set for each date, and how to compute it.

    `compute` takes dates and, where single customers are refreshed, their ids, and gives a context
    within which the rows can be read; `made_for` is the run's own day; a table that
    `follows_customers` is a function of each customer's own lines.
    """

    table: Table
    targets: Sequence[Target]
    compute: Callable[[Sequence[date], DataFrame | None], AbstractContextManager[DataFrame]]
    made_for: date
    follows_customers: bool = True


def build_features(run: LakeRun, settings: FeatureSettings, dates: FeatureDates) -> None:
    """Bring orders, snapshots, interactions, departments and prices of these dates up to date.

    Raises ConfigError, and writes nothing, where families of the user cannot be computed.
    """
    require_computable(run.spark, settings)
    snapshot = snapshot_table(settings.features)
    require_same_types(run.lake, snapshot, settings)
    run.settle(
        CUSTOMER_ORDERS, snapshot, PRODUCT_INTERACTIONS, CUSTOMER_DEPARTMENTS, PRODUCT_PRICES
    )
    bring_orders_up_to_date(run, settings)
    for dated in _dated_tables(run, settings, dates):
        bring_up_to_date(run, dated)


def _dated_tables(run: LakeRun, settings: FeatureSettings, dates: FeatureDates) -> list[Dated]:
    tables = [
        Dated(
            snapshot_table(settings.features),
            snapshot_targets(settings, dates.snapshots),
            lambda days, customers: _kept_snapshots(run, settings, days, customers),
            dates.day,
        )
    ]
    if not settings.has_products:
        log.info("no product interactions: they need product_id, mapped in sources.transactions")
        return tables

    def lines(customers: DataFrame | None) -> DataFrame:
        return _of_customers(run.lake.read(TRANSACTIONS), customers)

    tables += [
        Dated(
            PRODUCT_INTERACTIONS,
            interaction_targets(settings, dates.interactions),
            lambda days, customers: nullcontext(
                product_interactions(lines(customers), dates=days, reused=known_reused_numbers(run))
            ),
            dates.day,
        ),
        Dated(
            PRODUCT_PRICES,
            price_targets(settings, dates.prices),
            lambda days, _: nullcontext(
                reduce(
                    DataFrame.unionByName,
                    [product_prices(lines(None), day=day) for day in days],
                )
            ),
            dates.day,
            follows_customers=False,
        ),
    ]
    if settings.has_departments:
        tables.append(
            Dated(
                CUSTOMER_DEPARTMENTS,
                [department_target(settings, dates.day)],
                lambda days, _: nullcontext(
                    customer_departments(
                        lines(None),
                        product_departments(run, days).drop("as_of_date"),
                        day=days[0],
                        reused=known_reused_numbers(run),
                    )
                ),
                dates.day,
                follows_customers=False,
            )
        )
    return tables


def bring_up_to_date(run: LakeRun, dated: Dated) -> None:
    """Write what of a table's dates is not current, and append a row for each of these dates."""
    stale = [target for target in dated.targets if not run.state.is_current(target)]
    if not stale:
        _note_dates_unchanged(run, dated)
        return
    for target in stale:
        run.require(target)
        log.info("%s: %s", target.output, run.state.why_not_current(target))
    runs = {
        target.output.as_of_date: runs_since_made(run.state, target)
        if dated.follows_customers
        else None
        for target in stale
    }
    found = due(run, dated.table, {day: of_day for day, of_day in runs.items() if day})
    written = _write_whole(run, dated, found.whole) if found.whole else None
    if found.touched is not None:
        _write_touched(run, dated, found)
    _finish_dates(run, dated, stale, written.by_date if written else {})


def _note_dates_unchanged(run: LakeRun, dated: Dated) -> None:
    rows = [row for target in dated.targets if (row := run.state.newest(target.output))]
    if rows:
        run.note_unchanged(dated.table, max(rows, key=lambda row: row.version or 0))


def _write_whole(run: LakeRun, dated: Dated, days: Sequence[date]) -> Written:
    log.info("%s of %s", dated.table.name, ", ".join(map(str, days)))
    with (
        dated.compute(days, None) as rows,
        stage(run.spark, f"{dated.table.name} of {counted(len(days), 'date')}"),
    ):
        return run.replace_dates(dated.table, rows, days)


def _write_touched(run: LakeRun, dated: Dated, found: Due) -> None:
    """Write the rows of the touched customers again; no other row is rewritten."""
    assert found.touched is not None
    table = dated.table
    log.info(
        "%s: %s of %s %s touched",
        table.name,
        counted(found.n_touched, "customer"),
        counted(len(found.touched_dates), "date"),
        are(found.n_touched),
    )
    touched = found.touched.persist()
    customers = touched.select("customer_id").distinct()
    try:
        with dated.compute(found.touched_dates, customers) as built:
            written = _merge_touched(run, table, built, touched, found.touched_dates)
    finally:
        touched.unpersist()
    n_before = run.summary.table(table.name).rows_written
    run.note(table, Written(n_before + written.rows, written.version, written.content_checksum))


def _merge_touched(
    run: LakeRun, table: Table, built: DataFrame, touched: DataFrame, days: Sequence[date]
) -> Written:
    grain, key = ["customer_id", "as_of_date"], list(table.key)
    # Read for what goes and for what comes.
    rows = run.stamp(built.join(touched, grain, "left_semi")).persist()
    try:
        before = run.lake.read(table).join(touched, grain, "left_semi").select(*key)
        with stage(run.spark, f"{table.name} of touched customers"):
            gone = before.join(rows.select(*key), key, "left_anti")
            return run.lake.merge(table, rows, gone, unless_same=table.content_columns, dates=days)
    finally:
        rows.unpersist()


def _finish_dates(
    run: LakeRun, dated: Dated, stale: Sequence[Target], known: Mapping[date, str]
) -> None:
    """Append the rows of dates; `known` are the checksums that need not be read."""
    days = [target.output.as_of_date for target in stale if target.output.as_of_date]
    others = [day for day in days if day not in known]
    read = run.lake.checksums_by_date(dated.table, others) if others else {}
    checksums = {**known, **read}
    version = run.lake.version(dated.table)
    run.finish(
        *[
            Finished(
                target,
                version,
                checksums[target.output.as_of_date],
                facts={
                    "n_rows": str(checksum_rows(checksums[target.output.as_of_date])),
                    "made_for": dated.made_for.isoformat(),
                },
            )
            for target in stale
            if target.output.as_of_date
        ]
    )


def snapshots(
    run: LakeRun,
    settings: FeatureSettings,
    days: Sequence[date],
    customers: DataFrame | None = None,
) -> DataFrame:
    """Give the customer snapshots of these dates, of all customers or of those given."""
    require_computable(run.spark, settings)
    known, _ = _known_orders(run, days, customers)
    return _snapshots_of(run, settings, days, known, customers)


@contextmanager
def _kept_snapshots(
    run: LakeRun,
    settings: FeatureSettings,
    days: Sequence[date],
    customers: DataFrame | None,
) -> Iterator[DataFrame]:
    """Give snapshots while orders that changed, which are made of their lines, are kept."""
    known, is_changed = _known_orders(run, days, customers)
    with kept_on_disk(known) if is_changed else nullcontext():
        yield _snapshots_of(run, settings, days, known, customers)


def _known_orders(
    run: LakeRun, days: Sequence[date], customers: DataFrame | None
) -> tuple[DataFrame, bool]:
    """Give the orders as known on these dates, and whether any has changed since one of them."""
    orders = _of_customers(run.lake.read(CUSTOMER_ORDERS), customers)
    lines = _of_customers(run.lake.read(TRANSACTIONS), customers)
    with stage(run.spark, "orders that changed after a date"):
        changes = count_changes(orders, dates=days)
    known = orders_known(orders, lines, dates=days, changes=changes)
    return by_customer(known), changes.n_orders > 0


def _snapshots_of(
    run: LakeRun,
    settings: FeatureSettings,
    days: Sequence[date],
    known: DataFrame,
    customers: DataFrame | None,
) -> DataFrame:
    besides = settings.besides()

    def read(table: Table) -> DataFrame | None:
        return run.lake.read(table) if table in besides else None

    if not settings.has_departments:
        log.info("department features stay null: they need sources.products with a department")
    return customer_snapshot(
        known,
        _of_customers(run.lake.read(TRANSACTIONS), customers),
        product_departments(run, days) if settings.has_departments else None,
        dates=days,
        horizon_days=settings.horizon_days,
        events=read(EVENTS),
        feedback=read(FEEDBACK),
        contacts=read(CAMPAIGN_CONTACTS),
        with_channels=settings.has_channels,
        families=settings.families,
    )


def product_departments(run: LakeRun, days: Sequence[date]) -> DataFrame:
    """Give product_id, department and as_of_date: what was known of each product on each day."""
    products = as_of(run.lake.read(PRODUCTS), days=days)
    return products.select("product_id", "department", "as_of_date")


def _of_customers(rows: DataFrame, customers: DataFrame | None) -> DataFrame:
    return rows if customers is None else rows.join(customers, "customer_id", "left_semi")
