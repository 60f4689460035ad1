"""What churn learns from: the active customers of past cut-offs, with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.features.orders import count_changes, orders_as_of
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.labels import LABEL, churn_labels
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.churn.subgroups import attribute
from crm_spark.models.churn.verdicts import FEWEST_OF_A_CLASS, ChurnClasses
from crm_spark.models.outcomes import closings
from crm_spark.models.usability.data_facts import customers_by_class
from crm_spark.tables.core import CUSTOMERS, TRANSACTIONS
from crm_spark.tables.history import as_of


def labelled(
    lake: Lake, snapshot: DataFrame, dates: Sequence[date], params: ChurnSection
) -> DataFrame:
    """Give the active customers of these cut-offs with their labels.

    And, as they were known then, the attributes that subgroups are made by.
    """
    orders = lake.read(CUSTOMER_ORDERS)
    closed = closings(dates, horizon_days=params.horizon_days, grace_days=params.grace_days)
    rows = churn_labels(
        snapshot,
        orders,
        lake.read(TRANSACTIONS),
        changes=count_changes(orders, dates=closed),
        dates=dates,
        horizon_days=params.horizon_days,
        grace_days=params.grace_days,
        active_days=params.active_days,
    )
    if not params.subgroups:
        return rows
    return with_attributes(rows, lake.read(CUSTOMERS), params.subgroups, dates=dates)


def with_attributes(
    rows: DataFrame, customers: DataFrame, names: Sequence[str], *, dates: Sequence[date]
) -> DataFrame:
    """Add attribute_<name> of core.customers, as it was known on each row's date; else null."""
    known = as_of(customers, days=dates).select(
        "customer_id", "as_of_date", *[F.col(name).alias(attribute(name)) for name in names]
    )
    return rows.join(known, ["customer_id", "as_of_date"], "left")


def counted_orders(lake: Lake, day: date) -> DataFrame:
    """Give the orders that count, as they were known before a day."""
    orders, lines = lake.read(CUSTOMER_ORDERS), lake.read(TRANSACTIONS)
    changes = count_changes(orders, dates=[day])
    return orders_as_of(orders, lines, dates=[day], changes=changes).where("is_counted")


def churn_classes(rows: DataFrame, *, test: date) -> ChurnClasses:
    """Count the customers who churned and who stayed."""
    counted = customers_by_class(rows, label=LABEL, test=test).collect()  # two rows
    n = {row[LABEL]: (row["n_customers"], row["n_at_test"]) for row in counted}
    churned, stayed = n.get(1.0, (0, 0)), n.get(0.0, (0, 0))
    return ChurnClasses(churned[0], stayed[0], churned[1], stayed[1])


def require_both_classes(frame: DataFrame, dates: Sequence[date]) -> None:
    """Refuse labels with next to none of one class."""
    counted = {row[LABEL]: row["count"] for row in frame.groupBy(LABEL).count().collect()}
    churned, stayed = counted.get(1.0, 0), counted.get(0.0, 0)
    if min(churned, stayed) < FEWEST_OF_A_CLASS:
        days = f"{min(dates)} to {max(dates)}"
        raise DataError(
            f"churn cannot be trained: of the active customers at the cut-offs from {days}, "
            f"{churned} churned, {stayed} did not; at least {FEWEST_OF_A_CLASS} of each are needed"
        )
