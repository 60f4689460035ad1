"""Drafts of the demo's files, of Online Retail and of CDNOW, beside what is written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from command_line import REPOSITORY
from conftest import SHARED_DATA
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.config import load_config
from crm_spark.errors import DataError
from crm_spark.jobs import draft_config, ingest_sources
from crm_spark.lake.delta import Lake
from crm_spark.tables.core import TRANSACTIONS

pytestmark = pytest.mark.real_data


def drafted(spark: SparkSession, path: Path, output: Path) -> str:
    draft_config.run(spark, None, None, path=str(path), output=str(output))
    return output.read_text(encoding="utf-8")


def columns_by_hand(name: str) -> dict[str, str]:
    text = (REPOSITORY / "conf" / name).read_text(encoding="utf-8")
    columns: dict[str, str] = yaml.safe_load(text)["sources"]["transactions"]["columns"]
    return columns


def test_of_the_demos_folder_the_order_lines_are_mapped_as_by_hand(
    spark: SparkSession, complete_journey: Path, tmp_path: Path
) -> None:
    text = drafted(spark, complete_journey, tmp_path / "draft.yml")
    section = yaml.safe_load(text)["sources"]["transactions"]
    assert section["path"] == f"{complete_journey}/transactions.parquet"
    assert section["format"] == "parquet"
    assert section["columns"] == columns_by_hand("demo.yml")


def test_online_retail_is_mapped_as_by_hand(
    spark: SparkSession, online_retail: Path, tmp_path: Path
) -> None:
    path = online_retail / "online_retail.csv.gz"
    section = yaml.safe_load(drafted(spark, path, tmp_path / "draft.yml"))["sources"]
    assert section["transactions"]["columns"] == columns_by_hand("examples/online_retail.yml")


def test_cdnow_loads_once_an_order_is_a_customers_day(spark: SparkSession, tmp_path: Path) -> None:
    output = tmp_path / "draft.yml"
    with pytest.raises(DataError, match="no column for order_id"):
        drafted(spark, SHARED_DATA / "cdnow" / "CDNOW_sample.txt", output)
    text = output.read_text(encoding="utf-8").replace("# order_id:", "order_id:")
    config = load_config(text, name="draft.yml", overrides=[f"storage.root={tmp_path / 'lake'}"])
    ingest_sources.run(spark, config, None)
    lines = Lake(spark, config.storage, "test").read(TRANSACTIONS)
    found = lines.agg(F.count("*"), F.countDistinct("customer_id")).collect()[0]
    assert tuple(found) == (6919, 2357)
