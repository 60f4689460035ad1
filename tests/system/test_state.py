"""What is done is one truth: pipelines run again, interrupted, under other settings, tidied up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import lakes
import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from shop import shop_config, write_shop

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import (
    build_features,
    ingest_sources,
    maintain_tables,
    run_pipeline,
    score_rfm,
    status,
    train_churn,
    train_segments,
)
from crm_spark.lake import delta
from crm_spark.lake.contract import Table, content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.segments.tables import CUSTOMER_SEGMENTS
from crm_spark.pipeline.tables import ALL_TABLES
from crm_spark.runtime import session
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.tables.ops import JOB_RUNS

DAY, EARLIER = date(2024, 7, 1), date(2024, 6, 1)
# As little to fit as will do: what is tried is what is run.
QUICK = (
    "churn.importance_rows=100",
    "churn.forest.n_trees=2",
    "segments.k=4",
    "segments.n_starts=1",
    "models=[churn,segments]",
)
PRODUCTS = "product_id"


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the shop and the lake of one pipeline run."""
    folder = tmp_path_factory.mktemp("made")
    write_shop(folder / "shop.csv", n_customers=60)
    run_pipeline.run(spark, shop_config(folder, "lake", *QUICK, without=PRODUCTS), DAY)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Give a copy of it; the shop's file stays where it was when it was loaded."""
    shutil.copytree(made / "lake", tmp_path / "lake")
    shutil.copyfile(made / "lake.db", tmp_path / "lake.db")
    return tmp_path


def config_of(made: Path, folder: Path, *overrides: str) -> Config:
    place = f"sources.transactions.path={made / 'shop.csv'}"
    return shop_config(folder, "lake", *QUICK, place, *overrides, without=PRODUCTS)


# Where the model does not matter, the one that reads least.
ONE_MODEL = "models=[segments]"


def versions(spark: SparkSession, config: Config) -> dict[str, int]:
    """Give the newest version of every table that there is."""
    lake = Lake(spark, config.storage, "test")
    return {table.name: found[0] for table in ALL_TABLES if (found := lake.versions(table))}


def read(spark: SparkSession, config: Config, table: Table) -> Any:
    return Lake(spark, config.storage, "test").read(table)


@contextmanager
def broken(monkeypatch: pytest.MonkeyPatch, module: Any) -> Iterator[None]:
    """Have a job fail as by a machine that goes away."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the machine went away")

    with monkeypatch.context() as patched:
        patched.setattr(module, "run", fail)
        yield


def test_a_second_run_finds_every_job_current_and_commits_to_job_runs_alone(
    spark: SparkSession, made: Path, folder: Path
) -> None:
    config = config_of(made, folder)
    before = versions(spark, config)
    again = run_pipeline.run(spark, config, DAY)
    assert [job.job for job in again.jobs] == []
    changed = {name for name, version in versions(spark, config).items() if version != before[name]}
    assert changed == {JOB_RUNS.name}


def test_restart_as_in_a_large_lake_gives_the_same_tables_and_no_second_model(
    spark: SparkSession, made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(made, folder)
    tables = [table for table in lakes.written(spark, config) if table != CUSTOMER_CHURN]
    before, models = lakes.checksums(spark, config, tables), lakes.models(config)
    # Tables are read by Delta, and there are other partitions than for few rows.
    monkeypatch.setattr(delta, "SMALL_FILES", 0)
    monkeypatch.setattr(session, "FEW_ROWS", 0)
    with session.session_settings(spark, {"spark.sql.shuffle.partitions": "3"}):
        again = run_pipeline.run(spark, config, DAY, restart=True)
    assert [job.job for job in again.jobs] == [
        "ingest_sources",
        "build_features",
        "score_rfm",
        "train_churn",
        "score_churn",
        "train_segments",
        "score_segments",
        "raise_alerts",
        "write_report",
    ]
    assert lakes.checksums(spark, config, tables) == before
    assert lakes.models(config) == models


def test_an_old_date_that_breaks_down_goes_on_and_leaves_later_dates_alone(
    spark: SparkSession, made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(made, folder)
    scores = read(spark, config, CUSTOMER_SEGMENTS).where(F.col("as_of_date") == F.lit(DAY))
    before, models = content_checksum(scores, CUSTOMER_SEGMENTS), lakes.models(config)
    with broken(monkeypatch, train_segments), pytest.raises(RuntimeError):
        run_pipeline.run(spark, config_of(made, folder, ONE_MODEL), EARLIER)
    resumed = run_pipeline.run(spark, config_of(made, folder, ONE_MODEL), EARLIER)
    names = [job.job for job in resumed.jobs]
    assert names == ["train_segments", "score_segments", "write_report"]
    after = read(spark, config, CUSTOMER_SEGMENTS).where(F.col("as_of_date") == F.lit(DAY))
    assert content_checksum(after, CUSTOMER_SEGMENTS) == before
    # What was trained for the earlier date is no champion of today's.
    aliases = {name: of_model[1] for name, of_model in lakes.models(config).items()}
    assert aliases == {name: of_model[1] for name, of_model in models.items()}
    assert run_pipeline.run(spark, config, DAY).jobs == []


def test_a_day_of_new_lines_reaches_core_where_a_model_always_fails(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    write_shop(tmp_path / "shop.csv", n_customers=60)
    lines = (tmp_path / "shop.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    half = len(lines) // 2
    (tmp_path / "in" / "a.csv").write_text("".join(lines[:half]), encoding="utf-8")
    place = f"sources.transactions.path={tmp_path / 'in'}"
    # More customers a segment than there are: it cannot be had on any day.
    overrides = (*QUICK, place, "segments.k=20", ONE_MODEL)
    config = shop_config(tmp_path, "lake", *overrides, without=PRODUCTS)
    with pytest.raises(DataError, match="models that cannot be had"):
        run_pipeline.run(spark, config, DAY)
    rest = lines[:1] + lines[half:]
    (tmp_path / "in" / "b.csv").write_text("".join(rest), encoding="utf-8")
    with pytest.raises(DataError, match="models that cannot be had"):
        run_pipeline.run(spark, config, DAY)
    assert read(spark, config, TRANSACTIONS).count() == len(lines) - 1


@pytest.mark.long
def test_settings_a_b_a_score_with_the_model_of_a_again(
    spark: SparkSession, made: Path, folder: Path
) -> None:
    a = config_of(made, folder, "models=[churn]")
    b = config_of(made, folder, "models=[churn]", "churn.horizon_days=14", "churn.seed=9")
    found = [_of_churn(spark, a)]
    # What A made is not what B would read.
    with pytest.raises(DataError, match="settings changed: horizon_days 21 -> 14"):
        train_churn.run(spark, b, DAY)
    for config in (b, a):
        run_pipeline.run(spark, config, DAY)
        found.append(_of_churn(spark, a))
    assert found[0] == found[2]
    assert found[0] != found[1]
    # Without training, too: what B trained has no say under the settings of A.
    run_pipeline.run(spark, b, DAY, skip_training=True)
    run_pipeline.run(spark, a, DAY, skip_training=True)
    assert _of_churn(spark, a) == found[0]


def _of_churn(spark: SparkSession, config: Config) -> tuple[str, str, set[str]]:
    """Give the checksums of the day's snapshot and scores, and the version that scored."""
    rows = read(spark, config, CUSTOMER_SNAPSHOT).where(F.col("as_of_date") == F.lit(DAY))
    scores = read(spark, config, CUSTOMER_CHURN)
    versions = {row["model_version"] for row in scores.select("model_version").collect()}
    return (
        content_checksum(rows, CUSTOMER_SNAPSHOT),
        content_checksum(scores, CUSTOMER_CHURN),
        versions,
    )


@pytest.mark.long
def test_dates_that_upkeep_dropped_are_built_again_when_they_are_wanted(
    spark: SparkSession, made: Path, folder: Path
) -> None:
    config = config_of(made, folder, "storage.keep_dates=1")
    early = date(2024, 3, 1)
    build_features.run(spark, config, early)
    score_rfm.run(spark, config, early)
    before = content_checksum(
        read(spark, config, CUSTOMER_SNAPSHOT).where(F.col("as_of_date") == F.lit(early)),
        CUSTOMER_SNAPSHOT,
    )
    maintain_tables.run(spark, config, None)
    snapshots = read(spark, config, CUSTOMER_SNAPSHOT)
    assert snapshots.where(F.col("as_of_date") == F.lit(early)).isEmpty()
    assert run_pipeline.run(spark, config, DAY).jobs == []
    build_features.run(spark, config, early)
    again = read(spark, config, CUSTOMER_SNAPSHOT).where(F.col("as_of_date") == F.lit(early))
    assert content_checksum(again, CUSTOMER_SNAPSHOT) == before


def test_rows_that_another_program_changed_end_the_run_until_they_are_restored(
    spark: SparkSession, made: Path, folder: Path
) -> None:
    config = config_of(made, folder)
    path = Lake(spark, config.storage, "test").path(TRANSACTIONS)
    version = versions(spark, config)[TRANSACTIONS.name]
    DeltaTable.forPath(spark, path).delete("customer_id = 'c1'")
    with pytest.raises(DataError, match="was changed by another program"):
        run_pipeline.run(spark, config, DAY)
    DeltaTable.forPath(spark, path).restoreToVersion(version)
    restored = run_pipeline.run(spark, config, DAY)
    assert "build_features" not in [job.job for job in restored.jobs]


def test_a_lake_without_a_state_is_refused_in_one_sentence(
    spark: SparkSession, tmp_path: Path
) -> None:
    write_shop(tmp_path / "shop.csv", n_customers=5)
    (tmp_path / "lake" / "ops" / "source_ledger").mkdir(parents=True)
    with pytest.raises(DataError, match=r"kept no ops\.outputs") as refused:
        ingest_sources.run(spark, shop_config(tmp_path, "lake"), None)
    assert "\n" not in str(refused.value)


def test_status_names_what_is_not_current_and_the_job_that_renews_it(
    spark: SparkSession, made: Path, folder: Path
) -> None:
    plain = config_of(made, folder)
    assert table_of(spark, plain)["scores.customer_rfm"][1:3] == ["current", "-"]
    other = config_of(made, folder, "rfm.method=thresholds", THRESHOLDS)
    row = table_of(spark, other)["scores.customer_rfm"]
    assert row[1:3] == ["behind", "score_rfm"]


THRESHOLDS = (
    "rfm.thresholds={days_since_last_order: [7, 14, 28, 56], n_orders: [1, 2, 4, 8], "
    "spend_amount: [10, 20, 40, 80]}"
)


def table_of(spark: SparkSession, config: Config) -> dict[str, list[str]]:
    """Give date, state and job of every output, as the job lays them out."""
    found: dict[str, list[str]] = {}
    for one in status.standings_of(spark, config, DAY):
        line = status.status_table([one])[1].split()
        found[line[0]] = line[1:]
    return found
