"""What DuckDB makes of order lines: 28 features of each customer as of a date, to parquet.

python -m benchmarks.duckdb_features FOLDER DAY TIME_ZONE TARGET
"""

from __future__ import annotations

import json
import sys
import time

import duckdb

from benchmarks.windows import WINDOWS


def query(folder: str, day: str) -> str:
    """Give the SQL: lines to orders, orders to customers. Stamps in the files are UTC."""
    cut = f"(TIMESTAMPTZ '{day} 00:00:00' AT TIME ZONE 'UTC')"
    age = f"datediff('day', order_date, DATE '{day}')"
    windows = []
    for days in WINDOWS:
        within = f"FILTER (n_lines > 0 AND {age} <= {days})"
        windows += [
            f"count(*) {within} AS n_orders_{days}d",
            f"coalesce(sum(spend) {within}, 0)::DOUBLE AS spend_amount_{days}d",
        ]
    counted = "FILTER (n_lines > 0)"
    return f"""
        WITH lines AS (
            SELECT * FROM read_parquet('{folder}/*.parquet')
            WHERE ordered_at < {cut} AND arrived_at < {cut}
        ), orders AS (
            SELECT customer_id, order_id,
                ((min(ordered_at) AT TIME ZONE 'UTC')::TIMESTAMPTZ)::DATE AS order_date,
                count(*) FILTER (NOT is_return) AS n_lines,
                count(DISTINCT product_id) FILTER (NOT is_return) AS n_products,
                sum(amount) FILTER (NOT is_return) AS spend,
                sum(quantity) FILTER (NOT is_return) AS items,
                sum(discount_amount) FILTER (NOT is_return) AS discount,
                sum(abs(amount)) FILTER (is_return) AS returned
            FROM lines GROUP BY customer_id, order_id
        )
        SELECT customer_id,
            count(*) {counted} AS n_orders,
            count(DISTINCT order_date) {counted} AS n_order_days,
            sum(spend) {counted}::DOUBLE AS spend_amount,
            coalesce(sum(returned), 0)::DOUBLE AS returned_amount,
            min({age}) {counted} - 1 AS days_since_last_order,
            max({age}) {counted} AS tenure_days,
            sum(discount) {counted}::DOUBLE AS discount_amount,
            sum(items) {counted} / count(*) {counted}::DOUBLE AS items_per_order,
            sum(n_lines) {counted} / count(*) {counted}::DOUBLE AS lines_per_order,
            avg(n_products) {counted} AS products_per_order,
            sum(spend) {counted}::DOUBLE / count(*) {counted} AS spend_per_order,
            count(*) FILTER (n_lines > 0 AND dayofweek(order_date) = 0)
                / count(*) {counted}::DOUBLE AS sunday_orders_share,
            count(*) FILTER (n_lines > 0 AND dayofweek(order_date) = 6)
                / count(*) {counted}::DOUBLE AS saturday_orders_share,
            count(*) FILTER (n_lines > 0 AND discount > 0)
                / count(*) {counted}::DOUBLE AS discounted_orders_share,
            {", ".join(windows)}
        FROM orders GROUP BY customer_id HAVING count(*) {counted} > 0
    """


def main(folder: str, day: str, time_zone: str, target: str) -> None:
    """Print seconds, customers and features; the start of Python is left out."""
    connection = duckdb.connect()
    connection.sql(f"SET TimeZone = '{time_zone}'")
    start = time.perf_counter()
    connection.sql(f"COPY ({query(folder, day)}) TO '{target}' (FORMAT parquet)")
    seconds = time.perf_counter() - start
    found = connection.sql(f"SELECT * FROM read_parquet('{target}')")
    n_customers, n_features = len(found), len(found.columns) - 1
    summary = {"seconds": seconds, "n_customers": n_customers, "n_features": n_features}
    sys.stdout.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
