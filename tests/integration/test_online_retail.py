"""Online Retail by YAML alone, with the usual recipe and without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.runs import Ended, Lake, command
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.tables.core import TRANSACTIONS, rejected
from crm_spark.tables.features import CUSTOMER_SNAPSHOT

pytestmark = pytest.mark.real_data


def _arguments(folder: Path, data: Path, *more: str) -> list[str]:
    return [
        "--config", "conf/examples/online_retail.yml",
        "--set", f"storage.root={folder / 'lake'}",
        "--set", f"tracking.uri=sqlite:///{folder / 'mlflow.db'}",
        "--set", f"sources.transactions.path={data / 'online_retail.csv.gz'}",
        *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, online_retail: Path) -> Lake:
    """Give the lake of the whole pipeline with the usual recipe as `where`."""
    folder = tmp_path_factory.mktemp("recipe")
    run = command("run_pipeline", *_arguments(folder, online_retail, "--as-of", "2011-12-10"))
    assert run.code == 0, run.log[-3000:]
    return Lake(folder / "lake", "", run)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, online_retail: Path) -> tuple[Path, Ended]:
    """Give the lake of ingesting every row, without `where`."""
    folder = tmp_path_factory.mktemp("whole")
    arguments = _arguments(folder, online_retail, "--set", "sources.transactions.where=null")
    run = command("ingest_sources", *arguments)
    assert run.code == 0, run.log[-3000:]
    return folder / "lake", run


def test_the_usual_recipe_gives_the_published_figures(spark: SparkSession, recipe: Lake) -> None:
    counts = recipe.run.job("ingest_sources")["tables"]["core.transactions"]
    assert counts["rows_read"] == 541_909
    assert counts["rows_written"] == 397_884
    snapshot = recipe.read(spark, CUSTOMER_SNAPSHOT).where("as_of_date = '2011-12-10'")
    row = snapshot.agg(
        F.count(F.lit(1)).alias("customers"),
        F.round(F.sum("spend_amount"), 2).alias("spend"),
        F.round(F.avg("days_since_last_order"), 2).alias("mean_days"),
        F.round(F.avg("n_orders"), 3).alias("mean_orders"),
        F.max("n_orders").alias("most_orders"),
    ).collect()[0]
    assert row.asDict() == {
        "customers": 4_338,
        "spend": 8_911_407.90,
        "mean_days": 92.06,
        "mean_orders": 4.272,
        "most_orders": 209,
    }


def test_without_the_recipe_every_row_is_accounted_for(
    spark: SparkSession, whole: tuple[Path, Ended]
) -> None:
    root, run = whole
    counts = run.summary["tables"]["core.transactions"]
    parts = ("rows_written", "rows_rejected", "rows_filtered", "rows_duplicate")
    assert sum(counts[part] for part in parts) == counts["rows_read"] == 541_909
    assert counts["rows_rejected"] == 135_080
    kept = spark.read.format("delta").load(
        str(root / rejected(TRANSACTIONS).name.replace(".", "/"))
    )
    by_reason = {
        row["reason"]: row["count"]
        for row in kept.select(F.explode("reasons").alias("reason"))
        .groupBy("reason")
        .count()
        .collect()
    }
    assert by_reason == {"customer_id is missing (CustomerID)": 135_080}
    assert kept.where(F.get_json_object("row", "$.InvoiceNo").isNull()).isEmpty()


def test_cancellations_are_kept_as_returns(spark: SparkSession, whole: tuple[Path, Ended]) -> None:
    root, _ = whole
    lines = spark.read.format("delta").load(str(root / TRANSACTIONS.name.replace(".", "/")))
    cancelled = lines.where(F.col("order_id").startswith("C"))
    assert cancelled.count() > 8_000
    assert cancelled.where(~F.col("is_return")).isEmpty()
