"""Complete Journey in 30 deliveries, in three orders, gives the tables of one load."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import date
from pathlib import Path

import lakes
import pandas as pd
import pytest
from conftest import REPOSITORY
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.jobs import build_features, ingest_sources
from crm_spark.lake.delta import Lake
from crm_spark.tables.core import TRANSACTIONS

pytestmark = pytest.mark.real_data

N_FILES = 30
AS_OF = date(2017, 12, 1)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of 30 deliveries of 200 customers: late, corrected, deleted, returned."""
    folder = tmp_path_factory.mktemp("feed")
    script = REPOSITORY / "scripts" / "complete_journey_feed.py"
    line = [sys.executable, str(script), str(folder), "--customers=200", f"--files={N_FILES}"]
    subprocess.run(line, check=True)
    return folder


def config_of(feed: Path, lake: Path, source: Path) -> Config:
    """Give the configuration of the feed with its lake and its files elsewhere."""
    text = (feed / "feed.yml").read_text(encoding="utf-8")
    overrides = [f"storage.root={lake}", f"sources.transactions.path={source}"]
    return load_config(text, name="feed.yml", overrides=overrides)


@pytest.fixture(scope="module")
def clean(
    spark: SparkSession, feed: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Give the checksums of the tables after one load of all files."""
    config = config_of(feed, tmp_path_factory.mktemp("clean") / "lake", feed / "source")
    ingest_sources.run(spark, config, None)
    build_features.run(spark, config, AS_OF)
    return lakes.checksums(spark, config, lakes.BUILT)


# Deliveries per run, and after which runs the features are built.
@pytest.mark.parametrize(
    ("order", "at_once", "built_after"),
    [("as it arrived", 1, (25, 29)), ("newest first", 6, (2, 4)), ("at random", 5, (3, 5))],
)
def test_deliveries_in_any_order_give_the_tables_of_one_load(
    spark: SparkSession,
    tmp_path: Path,
    feed: Path,
    clean: dict[str, str],
    order: str,
    at_once: int,
    built_after: tuple[int, ...],
) -> None:
    files = sorted((feed / "source").iterdir())
    assert len(files) == N_FILES
    if order == "newest first":
        files.reverse()
    elif order == "at random":
        random.Random(5).shuffle(files)
    source = tmp_path / "source"
    source.mkdir()
    config = config_of(feed, tmp_path / "lake", source)
    runs = [files[first : first + at_once] for first in range(0, N_FILES, at_once)]
    for number, delivered in enumerate(runs):
        for file in delivered:
            (source / file.name).symlink_to(file)
        counts = ingest_sources.run(spark, config, None).tables[TRANSACTIONS.name]
        assert counts.rows_read == sum(len(pd.read_parquet(file)) for file in delivered)
        if number in built_after:
            built = build_features.run(spark, config, AS_OF)
    assert lakes.checksums(spark, config, lakes.BUILT) == clean
    if order == "as it arrived":
        of_day = pd.concat(map(pd.read_parquet, files[26:]))
        orders = Lake(spark, config.storage, "test").read(CUSTOMER_ORDERS)
        written = orders.where(F.col("run_id") == built.run_id).select("customer_id").distinct()
        assert {row["customer_id"] for row in written.collect()} <= set(of_day["household_id"])
