"""Rejected rows taken back in: all of them that can be used now, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.errors import ConfigError, DataError
from crm_spark.jobs import ingest_sources, replay_rejected
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.tables.core import TRANSACTIONS, rejected
from crm_spark.tables.ops import REJECTIONS

ROWS = [
    "customer,order,at,price",
    "c1,o1,2024-01-01 10:00,1.50",
    "c1,o1,2024-01-01 10:00,free",
    "c1,o1,2024-01-01 10:00,free",
    "c2,o2,02.01.2024 11:00,2.50",
    "c3,o3,nobody knows,3.50",
    ",o4,2024-01-03 10:00,4.50",
    "c5,o5,2024-01-03 10:00",
]
STRICT = {"amount": "price", "ordered_at": "to_timestamp(at)"}
FIXED = {
    "amount": "case when price = 'free' then 0 else price end",
    "ordered_at": "coalesce(to_timestamp(at, 'yyyy-MM-dd HH:mm'), "
    "to_timestamp(at, 'dd.MM.yyyy HH:mm'))",
}


def config_of(folder: Path, lake: str, columns: dict[str, str]) -> Config:
    text = f"""
storage: {{root: "{folder / lake}"}}
sources:
  transactions:
    path: "{folder / "in"}"
    format: csv
    options: {{header: true}}
    columns: {{customer_id: customer, order_id: order}}
"""
    given = [f'sources.transactions.columns.{key}="{sql}"' for key, sql in columns.items()]
    return load_config(text, name="shop.yml", overrides=given)


def checksum(spark: SparkSession, config: Config) -> str:
    lake = Lake(spark, config.storage, "test")
    return content_checksum(lake.read(TRANSACTIONS), TRANSACTIONS)


@pytest.fixture
def strict(spark: SparkSession, tmp_path: Path) -> Config:
    """Give the configuration of a lake that rejected six of seven rows."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("\n".join(ROWS) + "\n")
    config = config_of(tmp_path, "lake", STRICT)
    counts = ingest_sources.run(spark, config, None).tables["core.transactions"]
    assert (counts.rows_written, counts.rows_rejected) == (1, 6)
    return config


def test_what_a_fixed_mapping_can_use_is_taken_back_once_and_the_rest_stays(
    spark: SparkSession, tmp_path: Path, strict: Config
) -> None:
    fixed = config_of(tmp_path, "lake", FIXED)
    first = replay_rejected.run(spark, fixed, None).tables["core.transactions"]
    assert (first.rows_read, first.rows_written, first.rows_rejected) == (5, 3, 2)
    kept = Lake(spark, strict.storage, "test").read(rejected(TRANSACTIONS))
    assert kept.count() == 6
    assert kept.where("replay_run_id IS NOT NULL").count() == 3
    again = replay_rejected.run(spark, fixed, None).tables["core.transactions"]
    assert (again.rows_read, again.rows_written) == (2, 0)
    summary = Lake(spark, strict.storage, "test").read(REJECTIONS).collect()
    assert {row["table_name"] for row in summary} == {"core.transactions"}
    open_rows = kept.where("replay_run_id IS NULL").select(F.explode("reasons")).count()
    assert sum(row["n_rows"] - row["n_taken_back"] for row in summary) == open_rows > 0
    assert all(row["rejected_on"] is not None for row in summary)
    # The same table as a load under the fixed mapping, and an ingest finds nothing to do.
    clean = config_of(tmp_path, "clean", FIXED)
    ingest_sources.run(spark, clean, None)
    assert checksum(spark, fixed) == checksum(spark, clean)
    after = ingest_sources.run(spark, fixed, None).tables["core.transactions"]
    assert (after.rows_read, after.rows_written) == (0, 0)
    assert checksum(spark, fixed) == checksum(spark, clean)


def test_a_replay_that_was_cut_off_is_done_again_without_duplicates(
    spark: SparkSession, tmp_path: Path, strict: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = config_of(tmp_path, "lake", FIXED)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LakeRun, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            replay_rejected.run(spark, fixed, None)
    counts = replay_rejected.run(spark, fixed, None).tables["core.transactions"]
    assert counts.rows_read == 5
    clean = config_of(tmp_path, "clean", FIXED)
    ingest_sources.run(spark, clean, None)
    assert checksum(spark, fixed) == checksum(spark, clean)


def test_a_mapping_that_does_not_fit_the_rejected_rows_is_refused(
    spark: SparkSession, tmp_path: Path, strict: Config
) -> None:
    other = config_of(tmp_path, "lake", {**FIXED, "amount": "cost"})
    with pytest.raises(ConfigError, match=r"sources\.transactions\.columns\.amount: 'cost'"):
        replay_rejected.run(spark, other, None)


def test_rows_are_not_taken_back_under_other_names_than_those_that_are_there(
    spark: SparkSession, tmp_path: Path, strict: Config
) -> None:
    before = checksum(spark, strict)
    named = config_of(tmp_path, "lake", {**FIXED, "line_id": "order"})
    with pytest.raises(DataError, match="named otherwise than those that are there: run ingest"):
        replay_rejected.run(spark, named, None)
    assert checksum(spark, strict) == before
