"""Deliveries in any order give the tables of one load; `scripts/prove orders` has more of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from proofs import orders
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.lake.delta import Lake

pytestmark = pytest.mark.real_data

SIZE = orders.Size(n_customers=40, n_files=4)
AS_IT_ARRIVED, _, AT_RANDOM = orders.orders(SIZE.n_files, seed=5)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the deliveries."""
    return orders.write_deliveries(tmp_path_factory.mktemp("deliveries"), SIZE)


@pytest.fixture(scope="module")
def clean(
    spark: SparkSession, feed: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Give the checksums of the tables after one load of all files."""
    return orders.load_at_once(spark, feed, tmp_path_factory.mktemp("clean"))


@pytest.mark.parametrize("order", [AS_IT_ARRIVED, AT_RANDOM], ids=lambda order: order.name)
def test_deliveries_in_any_order_give_the_tables_of_one_load(
    spark: SparkSession,
    tmp_path: Path,
    feed: Path,
    clean: dict[str, str],
    order: orders.Order,
) -> None:
    files = orders.files_of(feed)
    assert len(files) == SIZE.n_files
    assert sorted(file for run in order.runs for file in run) == list(range(len(files)))
    loaded = orders.load_in_order(spark, feed, tmp_path, order)
    for run, counts in zip(order.runs, loaded.counts, strict=True):
        assert counts.rows_read == sum(len(pd.read_parquet(files[file])) for file in run)
    assert loaded.checksums == clean
    if order.name == "as it arrived":
        of_day = pd.concat(pd.read_parquet(files[file]) for file in order.runs[-1])
        lake = Lake(spark, loaded.config.storage, "test")
        written = lake.read(CUSTOMER_ORDERS).where(F.col("run_id") == loaded.built_by)
        customers = {row["customer_id"] for row in written.select("customer_id").collect()}
        assert len(customers) > 0 and customers <= set(of_day["household_id"])
