"""maintain_tables: old dates go, files are put together, and everything that is kept stays."""

from __future__ import annotations

from datetime import date

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from shop import shop_config, write_shop

from crm_spark.config import Config
from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import build_features, ingest_sources, maintain_tables, score_rfm
from crm_spark.lake.contract import Table, content_checksum
from crm_spark.models.churn.tables import CUSTOMER_ALERTS, CUSTOMER_CHURN
from crm_spark.pipeline.days import feature_dates, made_models
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.pipeline.upkeep import dates_to_keep
from crm_spark.tables.core import TRANSACTIONS

DATES = [date(2024, 6, 1), date(2024, 6, 15), date(2024, 7, 1)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Config:
    """Give a lake with features and RFM scores of three dates."""
    folder = tmp_path_factory.mktemp("maintained")
    write_shop(folder / "shop.csv")
    kept = ("storage.keep_dates=2", "storage.keep_versions_days=7")
    held = shop_config(folder, "lake", *kept, without="product_id")
    ingest_sources.run(spark, held, None)
    for day in DATES:
        build_features.run(spark, held, day)
        score_rfm.run(spark, held, day)
    return held


def _path(config: Config, table: Table) -> str:
    return f"{config.storage.root}/{table.name.replace('.', '/')}"


def _read(spark: SparkSession, config: Config, table: Table) -> DataFrame:
    return spark.read.format("delta").load(_path(config, table))


@pytest.mark.long
def test_only_the_newest_dates_and_what_training_needs_are_kept(
    spark: SparkSession, config: Config
) -> None:
    kept_rows = content_checksum(
        _read(spark, config, CUSTOMER_RFM).where("as_of_date > '2024-06-01'"), CUSTOMER_RFM
    )
    lines = content_checksum(_read(spark, config, TRANSACTIONS), TRANSACTIONS)
    # A reader that began before, and reads on after the vacuum.
    open_reader = (
        spark.read.format("delta").option("versionAsOf", 1).load(_path(config, CUSTOMER_RFM))
    )
    n_open = open_reader.count()
    maintain_tables.run(spark, config, None)
    rfm = _read(spark, config, CUSTOMER_RFM)
    assert {row[0] for row in rfm.select("as_of_date").distinct().collect()} == set(DATES[1:])
    assert content_checksum(rfm, CUSTOMER_RFM) == kept_rows
    assert content_checksum(_read(spark, config, TRANSACTIONS), TRANSACTIONS) == lines
    assert open_reader.count() == n_open > 0
    snapshots = _read(spark, config, CUSTOMER_SNAPSHOT).select("as_of_date").distinct()
    held = {row[0] for row in snapshots.collect()}
    trained = made_models(config)
    needed = set(feature_dates(config, DATES[2], date(2024, 1, 1), trained).snapshots)
    assert needed <= held
    assert DATES[0] not in held - needed


def test_alerts_are_remembered_for_as_long_as_a_silence(
    spark: SparkSession, config: Config
) -> None:
    with job_run(spark, config, "a_test", DATES[2]) as job:
        kept = dates_to_keep(job)
        assert kept is not None
        assert kept["scores"] == set(DATES[1:])
        # A lapse of the shop is a silence of 42 days: on all of these dates somebody now silent
        # may have had an alert.
        assert job.config.churn.lapse_days == 42
        assert kept[CUSTOMER_ALERTS.name] == kept[CUSTOMER_CHURN.name] == set(DATES)


def test_a_maintained_lake_is_built_upon_without_a_new_ingest(
    spark: SparkSession, config: Config
) -> None:
    maintain_tables.run(spark, config, None)
    summary = build_features.run(spark, config, DATES[2])
    assert summary.status == "succeeded"


def test_files_are_put_together_and_the_retention_is_the_configured_one(
    spark: SparkSession, config: Config
) -> None:
    for day in DATES[1:]:
        score_rfm.run(spark, config, day)
    maintain_tables.run(spark, config, None)
    detail = DeltaTable.forPath(spark, _path(config, CUSTOMER_RFM)).detail().collect()[0]
    assert detail["numFiles"] == 2  # one for each of the two dates
    assert detail["properties"]["delta.deletedFileRetentionDuration"] == "interval 7 days"
    assert detail["properties"]["delta.logRetentionDuration"] == "interval 30 days"
