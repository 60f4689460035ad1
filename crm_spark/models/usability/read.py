"""Reads the facts that verdicts go by from the lake."""

from __future__ import annotations

from datetime import date

from pyspark.sql import functions as F

from crm_spark.features.orders import count_changes, orders_as_of
from crm_spark.features.tables import CUSTOMER_ORDERS, PRODUCT_PRICES
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output
from crm_spark.models.usability.data_facts import (
    customer_shares,
    orders_per_day,
    rejected_by_kind,
    unusual_prices,
)
from crm_spark.models.usability.facts import DataFacts, IngestFacts, OrderDay, PriceFacts
from crm_spark.tables.core import TRANSACTIONS, rejected


def data_facts(run: LakeRun, day: date) -> DataFacts:
    """Count what was known of the orders before the midnight of the date.

    Of rejected rows all count that core holds: they have no date that could be read. Models that
    are trained in one process on the same data share the facts.
    """
    read = [Output(table.name) for table in (CUSTOMER_ORDERS, TRANSACTIONS, rejected(TRANSACTIONS))]
    read.append(Output(PRODUCT_PRICES.name, day))
    return run.state.once(f"data facts as of {day}", read, lambda: _read(run, day))


def _read(run: LakeRun, day: date) -> DataFacts:
    lake = run.lake
    orders, lines = lake.read(CUSTOMER_ORDERS), lake.read(TRANSACTIONS)
    changes = count_changes(orders, dates=[day])
    known = orders_as_of(orders, lines, dates=[day], changes=changes)
    days = orders_per_day(known).orderBy("order_date").collect()  # a row a day
    shares = customer_shares(known).collect()[0]
    return DataFacts(
        as_of=day,
        days=tuple(OrderDay(row["order_date"], row["n_orders"]) for row in days),
        n_customers=shares["n_customers"],
        n_lines=shares["n_lines"],
        n_lines_of_biggest=shares["n_lines_of_biggest"],
        ingest=_ingest_facts(lake),
        prices=_price_facts(run, day),
    )


def _ingest_facts(lake: Lake) -> IngestFacts | None:
    """Count the rows that came in, and of them those that could not be used."""
    kept = rejected(TRANSACTIONS)
    if not lake.exists(kept):
        return None
    unusable = lake.read(kept).where(F.col("replay_run_id").isNull())
    kinds = rejected_by_kind(unusable).collect()[0]
    n_rows = lake.read(TRANSACTIONS).count() + unusable.where("row IS NOT NULL").count()
    return IngestFacts(n_rows=n_rows, **kinds.asDict())


def _price_facts(run: LakeRun, day: date) -> PriceFacts | None:
    """Sum up the prices of products before the date; None where they are not known."""
    if not run.state.is_whole(Output(PRODUCT_PRICES.name, day)):
        return None
    prices = run.lake.read_date(PRODUCT_PRICES, day)
    return PriceFacts(**unusual_prices(prices).collect()[0].asDict())
