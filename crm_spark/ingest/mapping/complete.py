"""What users need not map of a bitemporal table, filled in."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.columns import is_zero_before_rounding
from crm_spark.lake.contract import Table
from crm_spark.tables.core import MONEY, TRANSACTIONS


def complete_versions(df: DataFrame, table: Table, *, negative_is_return: bool = True) -> DataFrame:
    """Fill in what users need not map of a bitemporal table.

    arrived_at falls back on the time of the event, and of a deletion that time on arrived_at;
    is_deleted is false where it is not said; adds superseded_at and closing_run_id, still null.
    """
    assert table.event_time is not None
    happened = F.col(table.event_time)
    is_deleted = F.coalesce("is_deleted", F.lit(False))
    completed = df.withColumns(
        {
            "arrived_at": F.coalesce("arrived_at", happened),
            table.event_time: F.coalesce(happened, F.when(is_deleted, F.col("arrived_at"))),
            "is_deleted": is_deleted,
            "superseded_at": F.lit(None).cast(T.TimestampType()),
            "closing_run_id": F.lit(None).cast(T.StringType()),
        }
    )
    if table is not TRANSACTIONS:
        return completed
    return _complete_lines(completed, negative_is_return=negative_is_return)


def _complete_lines(df: DataFrame, *, negative_is_return: bool) -> DataFrame:
    """Fill in is_return by the signs of quantity and amount, flag zeros, drop discounts' signs."""

    def is_zero(name: str) -> Column:
        unrounded = is_zero_before_rounding(name)
        zero = F.col(unrounded) if unrounded in df.columns else F.col(name) == 0
        return F.coalesce(zero, F.lit(False))

    negative = (F.coalesce(F.col("quantity"), F.lit(0)) < 0) | (F.col("amount") < 0)
    if not negative_is_return:
        negative = F.lit(False)
    void = F.when(F.col("is_deleted"), F.lit(0).cast(MONEY))
    return df.withColumns(
        {
            "amount": F.coalesce("amount", void),
            # Some systems write what they take off as a negative number.
            "discount_amount": F.abs("discount_amount"),
            "is_return": F.coalesce(F.col("is_return"), negative, F.lit(False)),
            # As shop systems write it of orders that are no refund.
            "refund_of_order_id": F.when(
                F.col("refund_of_order_id") != "0", F.col("refund_of_order_id")
            ),
            "replaces_order": F.coalesce("replaces_order", F.lit(False)),
            "is_zero_amount": is_zero("amount"),
            "is_zero_quantity": is_zero("quantity"),
        }
    )
