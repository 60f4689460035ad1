"""Orders as their table gives them to what reads it: a plan that begins anew, and is short."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame

from crm_spark.features.orders import customer_orders, orders_known


def stored_orders(lines: DataFrame, **settings: Any) -> DataFrame:
    """Give customer_orders(), computed once."""
    return customer_orders(lines, **settings).localCheckpoint()


def known_orders(lines: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Give orders_known() of these dates, computed once."""
    return orders_known(stored_orders(lines), lines, dates=dates).localCheckpoint()
