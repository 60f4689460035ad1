"""The customer snapshot: every feature of every customer as of one or many dates, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.features.families import FAMILIES
from crm_spark.features.families.family import Family, Feature, Inputs, TableOf
from crm_spark.features.order_histories import order_histories, with_history
from crm_spark.features.orders import on_dates
from crm_spark.lake.contract import ContractError

SNAPSHOT_GRAIN = ("customer_id", "as_of_date")
# What is said of an order as it is now, whatever the date: read by a family it would be a leak.
_NOT_AS_OF = (
    "has_refund",
    "split_after_days",
    "run_id",
)


def customer_snapshot(
    known: DataFrame,
    lines: DataFrame,
    departments: DataFrame | None,
    *,
    dates: Sequence[date],
    horizon_days: int,
    events: DataFrame | None = None,
    feedback: DataFrame | None = None,
    contacts: DataFrame | None = None,
    with_channels: bool = False,
    families: Sequence[Family] = FAMILIES,
) -> DataFrame:
    """Give every feature of every customer with an order before each date.

    Grain: customer_id, as_of_date. Reads `known`, the orders_known() of these dates, twice;
    core.transactions and, for department variety, `departments` (product_id, department,
    as_of_date); core.events, core.feedback and core.campaign_contacts where they are given, else
    their features are null. All orders of a customer are best in one partition of `known`.
    Gives the features of `families`; their formulas, units and null rules stand there.
    No row ordered or arrived on or after a date has any influence on that date's rows.
    Raises ContractError where a family does not compute a feature that it names.
    """
    days = tuple(sorted(set(dates)))
    inputs = Inputs(
        days,
        orders_of_families(known, days),
        lines,
        departments,
        events,
        feedback,
        contacts,
        with_channels=with_channels,
    )
    customers = summed_and_derived(known, families, dates=days, horizon_days=horizon_days)
    tables = {make: one_row_each(make, make(inputs)) for make in tables_of(families)}
    for table in tables.values():
        if table is not None:
            customers = customers.join(table, list(SNAPSHOT_GRAIN), "left")
    missing = {make for make, table in tables.items() if table is None}
    columns = [
        _column(customers, feature, is_missing=family.table in missing)
        for family in families
        for feature in family.features
    ]
    return customers.select(*SNAPSHOT_GRAIN, *columns)


def orders_of_families(known: DataFrame, days: Sequence[date]) -> DataFrame:
    """Give the orders of each date with nothing but what was known of them then."""
    return on_dates(known, days).drop(*_NOT_AS_OF)


def summed_and_derived(
    known: DataFrame, families: Sequence[Family], *, dates: Sequence[date], horizon_days: int
) -> DataFrame:
    """Give what families sum and derive of each customer with an order that counts.

    Grain: customer_id, as_of_date. Reads the orders_known() of these dates, twice.
    """
    summed = _summed(orders_of_families(known, dates), families)
    customers = summed.join(order_histories(known, dates), "customer_id")
    return _derived(with_history(customers, dates), families, horizon_days)


def _summed(orders: DataFrame, families: Sequence[Family]) -> DataFrame:
    sums = {name: column for family in families for name, column in family.sums().items()}
    aggregates = [column.alias(name) for name, column in sums.items()]
    return orders.groupBy(*SNAPSHOT_GRAIN).agg(*aggregates).where(F.col("n_orders") > 0)


def _derived(customers: DataFrame, families: Sequence[Family], horizon_days: int) -> DataFrame:
    for family in families:
        columns = dict(family.derived(horizon_days))
        if columns:
            customers = customers.withColumns(columns)
    return customers


def tables_of(families: Sequence[Family]) -> list[TableOf]:
    """Give what makes tables of families, each once."""
    return list(dict.fromkeys(family.table for family in families if family.table))


_OUR_TABLES = frozenset(tables_of(FAMILIES))


def one_row_each(make: TableOf, table: DataFrame | None) -> DataFrame | None:
    """Have Spark refuse a user's table with several rows of a customer: each would be copied."""
    if table is None or make in _OUR_TABLES:
        return table
    n_rows = "_n_rows_of_table"
    called = getattr(make, "__qualname__", type(make).__name__)
    message = (
        f"the table of {make.__module__}.{called} has several rows of a customer_id and "
        "as_of_date: aggregate them"
    )
    names = [name for name in table.columns if name not in SNAPSHOT_GRAIN]
    counted = table.groupBy(*SNAPSHOT_GRAIN).agg(
        F.count(F.lit(1)).alias(n_rows), *[F.any_value(name).alias(name) for name in names]
    )
    return counted.select(
        *SNAPSHOT_GRAIN,
        *[
            F.when(F.col(n_rows) > 1, F.raise_error(F.lit(message)))
            .otherwise(F.col(name))
            .alias(name)
            for name in names
        ],
    )


def _column(customers: DataFrame, feature: Feature, *, is_missing: bool) -> Column:
    """Give a feature's column: null where its table is missing."""
    if is_missing:
        return F.lit(None).cast(feature.type).alias(feature.name)
    if feature.name not in customers.columns:
        raise ContractError(
            f"{feature.name}: no family computes it, though one declares it: give it in sums, "
            "derived or table of a family, or take it out of features"
        )
    column = F.col(feature.name)
    if feature.of_none is not None:
        column = F.coalesce(column, F.lit(feature.of_none).cast(feature.type))
    return column.alias(feature.name)
