"""What Polars makes of order lines: the 28 columns of duckdb_features.py, to parquet.

python -m benchmarks.polars_features FOLDER DAY TIME_ZONE TARGET
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from benchmarks.windows import WINDOWS


def _sum(values: pl.Expr) -> pl.Expr:
    """Give the sum as SQL has it: null, and not 0, where there is nothing to add."""
    return pl.when(values.count() > 0).then(values.sum())


def _lines(folder: str, day: date, time_zone: str) -> pl.LazyFrame:
    """Give the lines that were known when the day began there; stamps in the files are UTC."""
    begin = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone))
    cut = begin.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    lines = pl.scan_parquet(f"{folder}/*.parquet")
    return lines.filter(pl.col("ordered_at") < cut, pl.col("arrived_at") < cut)


def _orders(lines: pl.LazyFrame, time_zone: str) -> pl.LazyFrame:
    is_bought = ~pl.col("is_return")
    local = pl.col("ordered_at").min().dt.replace_time_zone("UTC").dt.convert_time_zone(time_zone)
    return lines.group_by("customer_id", "order_id").agg(
        local.dt.date().alias("order_date"),
        is_bought.sum().cast(pl.Int64).alias("n_lines"),
        pl.col("product_id").filter(is_bought).drop_nulls().n_unique().alias("n_products"),
        _sum(pl.col("amount").filter(is_bought)).alias("spend"),
        # A sum of 32 bits would keep to them.
        _sum(pl.col("quantity").cast(pl.Int64).filter(is_bought)).alias("items"),
        _sum(pl.col("discount_amount").filter(is_bought)).alias("discount"),
        pl.col("amount").abs().filter("is_return").sum().alias("returned"),
    )


def query(folder: str, day: date, time_zone: str) -> pl.LazyFrame:
    """Give the plan: lines to orders, orders to customers."""
    is_order = pl.col("n_lines") > 0
    age = (pl.lit(day) - pl.col("order_date")).dt.total_days()
    n_orders, spend = is_order.sum().cast(pl.Int64), pl.col("spend").filter(is_order)
    weekday = pl.col("order_date").dt.weekday()
    windows = []
    for days in WINDOWS:
        within = is_order & (age <= days)
        windows += [
            within.sum().cast(pl.Int64).alias(f"n_orders_{days}d"),
            pl.col("spend").filter(within).sum().cast(pl.Float64).alias(f"spend_amount_{days}d"),
        ]
    customers = (
        _orders(_lines(folder, day, time_zone), time_zone)
        .group_by("customer_id")
        .agg(
            n_orders.alias("n_orders"),
            pl.col("order_date").filter(is_order).n_unique().cast(pl.Int64).alias("n_order_days"),
            _sum(spend).cast(pl.Float64).alias("spend_amount"),
            pl.col("returned").sum().cast(pl.Float64).alias("returned_amount"),
            (age.filter(is_order).min() - 1).alias("days_since_last_order"),
            age.filter(is_order).max().alias("tenure_days"),
            _sum(pl.col("discount").filter(is_order)).cast(pl.Float64).alias("discount_amount"),
            (_sum(pl.col("items").filter(is_order)) / n_orders).alias("items_per_order"),
            (pl.col("n_lines").filter(is_order).sum() / n_orders).alias("lines_per_order"),
            pl.col("n_products").filter(is_order).mean().alias("products_per_order"),
            (_sum(spend).cast(pl.Float64) / n_orders).alias("spend_per_order"),
            ((is_order & (weekday == 7)).sum() / n_orders).alias("sunday_orders_share"),
            ((is_order & (weekday == 6)).sum() / n_orders).alias("saturday_orders_share"),
            ((is_order & (pl.col("discount") > 0)).sum() / n_orders).alias(
                "discounted_orders_share"
            ),
            *windows,
        )
    )
    return customers.filter(pl.col("n_orders") > 0)


def main(folder: str, day: str, time_zone: str, target: str) -> None:
    """Print seconds, customers and features; the start of Python is left out."""
    start = time.perf_counter()
    query(folder, date.fromisoformat(day), time_zone).sink_parquet(target)
    seconds = time.perf_counter() - start
    found = pl.scan_parquet(target)
    n_customers, n_features = found.select(pl.len()).collect().item(), len(found.collect_schema())
    summary = {"seconds": seconds, "n_customers": n_customers, "n_features": n_features - 1}
    sys.stdout.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
