"""The customer snapshot: every feature of every customer as of one or many dates, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.features.families import FAMILIES
from crm_spark.features.families.family import Feature, Inputs, TableOf
from crm_spark.features.order_histories import order_histories, with_history
from crm_spark.features.orders import on_dates
from crm_spark.lake.contract import ContractError

_GRAIN = ("customer_id", "as_of_date")


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
) -> DataFrame:
    """Give every feature of every customer with an order before each date.

    Grain: customer_id, as_of_date. Reads `known`, the orders_known() of these dates, twice;
    core.transactions and, for department variety, `departments` (product_id, department,
    as_of_date); core.events, core.feedback and core.campaign_contacts where they are given, else
    their features are null. All orders of a customer are best in one partition of `known`.
    Gives the features of all families; their formulas, units and null rules stand there.
    No row ordered or arrived on or after a date has any influence on that date's rows.
    Raises ContractError where a family does not compute a feature that it names.
    """
    days = tuple(sorted(set(dates)))
    inputs = Inputs(
        days,
        on_dates(known, days),
        lines,
        departments,
        events,
        feedback,
        contacts,
        with_channels=with_channels,
    )
    customers = _summed(inputs.orders).join(order_histories(known, days), "customer_id")
    customers = _derived(with_history(customers, days), horizon_days)
    tables = {make: make(inputs) for make in _tables()}
    for table in tables.values():
        if table is not None:
            customers = customers.join(table, list(_GRAIN), "left")
    missing = {make for make, table in tables.items() if table is None}
    columns = [
        _column(customers, feature, is_missing=family.table in missing)
        for family in FAMILIES
        for feature in family.features
    ]
    return customers.select(*_GRAIN, *columns)


def _summed(orders: DataFrame) -> DataFrame:
    """Give the sums of all families, of customers with an order that counts."""
    sums = {name: column for family in FAMILIES for name, column in family.sums().items()}
    aggregates = [column.alias(name) for name, column in sums.items()]
    return orders.groupBy(*_GRAIN).agg(*aggregates).where(F.col("n_orders") > 0)


def _derived(customers: DataFrame, horizon_days: int) -> DataFrame:
    for family in FAMILIES:
        columns = dict(family.derived(horizon_days))
        if columns:
            customers = customers.withColumns(columns)
    return customers


def _tables() -> list[TableOf]:
    """Give what makes tables of families, each once."""
    return list(dict.fromkeys(family.table for family in FAMILIES if family.table))


def _column(customers: DataFrame, feature: Feature, *, is_missing: bool) -> Column:
    """Give a feature's column: null where its table is missing."""
    if is_missing:
        return F.lit(None).cast(feature.type).alias(feature.name)
    if feature.name not in customers.columns:
        raise ContractError(f"{feature.name}: no family computes it, though one declares it")
    column = F.col(feature.name)
    if feature.of_none is not None:
        column = F.coalesce(column, F.lit(feature.of_none).cast(feature.type))
    return column.alias(feature.name)
