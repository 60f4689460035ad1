"""The pipeline on some of the demo's households, in local mode and on a real cluster.

The cluster is a Master, two Workers, and spark-submit with the zip: it leaves the same tables.
`scripts/prove demo` looks at all households, and at how good the models are.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet
import pyspark
import pytest
from conftest import QUICK_FOR_SMALL_TABLES, QUICK_JVM
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from system.runs import (
    JOBS_OF_THE_DEMO,
    REPOSITORY,
    Ended,
    Lake,
    demo_arguments,
    demo_overrides,
    ended,
)

from crm_spark.config import Config, load_config
from crm_spark.features.rfm_tables import CUSTOMER_RFM, RFM_CUT_POINTS
from crm_spark.features.tables import (
    CUSTOMER_ORDERS,
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
)
from crm_spark.jobs import run_pipeline
from crm_spark.lake.contract import Table
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.recommender.tables import PRODUCT_RECOMMENDATIONS
from crm_spark.models.segments.tables import CUSTOMER_SEGMENTS, SEGMENT_PROFILES
from crm_spark.runtime.delta_jars import DELTA_PACKAGE
from crm_spark.tables.core import CUSTOMERS, PRODUCTS, TRANSACTIONS
from crm_spark.tables.ops import JOB_RUNS

pytestmark = pytest.mark.real_data

SPARK_BIN = Path(pyspark.__file__).parent / "bin"
N_HOUSEHOLDS = 200
AS_OF = date(2017, 12, 1)
# Where the work is done is what is tried, not how well it is done.
SMALL_MODELS = (
    "churn.n_training_cutoffs=3",
    "churn.forest.n_trees=20",
    "churn.importance_rows=200",
    "segments.k=4",
    "segments.n_starts=2",
    "recommendations.als.iterations=4",
)


@pytest.fixture(scope="module")
def households(tmp_path_factory: pytest.TempPathFactory, complete_journey: Path) -> Path:
    """Give a folder with the demo's files of some households, and all products."""
    folder = tmp_path_factory.mktemp("households")
    for name in ("transactions", "demographics", "campaign_contacts", "products"):
        rows = parquet.read_table(complete_journey / f"{name}.parquet")
        if "household_id" in rows.column_names:
            ids = rows["household_id"].to_pandas().astype(int)
            rows = rows.filter((ids % 2500 < N_HOUSEHOLDS).to_numpy())
        parquet.write_table(rows, folder / f"{name}.parquet", coerce_timestamps="us")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, households: Path) -> Config:
    """Give the demo's configuration of these households, with a space in its lake's path."""
    folder = tmp_path_factory.mktemp("local") / "demo folder"
    folder.mkdir()
    text = (REPOSITORY / "conf/demo.yml").read_text(encoding="utf-8")
    overrides = demo_overrides(folder, households, *SMALL_MODELS)
    return load_config(text, name="demo.yml", overrides=overrides)


@pytest.fixture(scope="module")
def local(spark: SparkSession, config: Config) -> Lake:
    """Give the lake that the pipeline leaves in local mode."""
    summary = run_pipeline.run(spark, config, AS_OF)
    return Lake(Path(config.storage.root), "", Ended(0, summary.as_dict(), ""))


# --- in local mode -------------------------------------------------------------------------------


def of_the_day(rows: DataFrame) -> DataFrame:
    return rows.where(F.col("as_of_date") == F.lit(AS_OF))


def test_core_holds_every_line_order_customer_and_cent_of_the_source(
    spark: SparkSession, households: Path, local: Lake
) -> None:
    source = pd.read_parquet(households / "transactions.parquet")
    cents = [
        int((Decimal(repr(value)) * 100).quantize(Decimal(1), ROUND_HALF_UP))
        for value in source["sales_value"].tolist()
    ]
    row = (
        local.read(spark, TRANSACTIONS)
        .agg(
            F.count(F.lit(1)).alias("lines"),
            F.countDistinct("order_id").alias("orders"),
            F.countDistinct("customer_id").alias("customers"),
            F.countDistinct("product_id").alias("products"),
            F.countDistinct(*TRANSACTIONS.key).alias("line_ids"),
            F.sum(F.col("amount") * 100).cast("long").alias("cents"),
            F.count_if("is_zero_amount").alias("zero_amounts"),
            F.count_if("is_zero_quantity").alias("zero_quantities"),
        )
        .collect()[0]
    )
    assert row.asDict() == {
        "lines": len(source),
        "orders": source["basket_id"].nunique(),
        "customers": source["household_id"].nunique(),
        "products": source["product_id"].nunique(),
        "line_ids": len(source),
        "cents": sum(cents),
        "zero_amounts": (source["sales_value"] == 0).sum(),
        "zero_quantities": (source["quantity"] == 0).sum(),
    }


def test_orders_and_snapshots_add_up_to_the_lines(spark: SparkSession, local: Lake) -> None:
    lines = local.read(spark, TRANSACTIONS)
    orders = local.read(spark, CUSTOMER_ORDERS)
    cents = lines.agg(F.sum(F.col("amount") * 100).cast("long")).collect()[0][0]
    assert orders.agg(F.sum("spend_amount_minor")).collect()[0][0] == cents
    before = orders.where(F.col("order_date") < F.lit(AS_OF)).agg(F.sum("spend_amount_minor"))
    snapshot = of_the_day(local.read(spark, CUSTOMER_SNAPSHOT))
    spent = snapshot.agg(F.round(F.sum("spend_amount") * 100).cast("long"))
    assert spent.collect()[0][0] == before.collect()[0][0] < cents


def test_every_customer_of_the_snapshot_has_one_rfm_row_with_scores_of_1_to_5(
    spark: SparkSession, local: Lake
) -> None:
    snapshot = of_the_day(local.read(spark, CUSTOMER_SNAPSHOT))
    rfm = local.read(spark, CUSTOMER_RFM)
    assert rfm.join(snapshot, "customer_id").count() == rfm.count() == snapshot.count()
    for score in ("recency_score", "frequency_score", "monetary_score"):
        assert {row[0] for row in rfm.select(score).distinct().collect()} == {1, 2, 3, 4, 5}
    assert rfm.where(F.col("rfm_segment").isNull()).isEmpty()


def test_only_active_customers_have_a_churn_row_and_deciles_are_of_equal_size(
    spark: SparkSession, local: Lake
) -> None:
    snapshot = of_the_day(local.read(spark, CUSTOMER_SNAPSHOT))
    active = snapshot.where("days_since_last_order < 84").select("customer_id").collect()
    churn = local.read(spark, CUSTOMER_CHURN).collect()
    assert {row["customer_id"] for row in churn} == {row["customer_id"] for row in active}
    assert len(active) < snapshot.count()
    assert all(0 <= row["churn_probability"] <= 1 for row in churn)
    ranked = sorted(churn, key=lambda row: (-row["churn_probability"], row["customer_id"]))
    deciles = [row["churn_decile"] for row in ranked]
    assert deciles == sorted(deciles)
    sizes = {decile: deciles.count(decile) for decile in set(deciles)}
    assert set(sizes) == set(range(1, 11))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_segments_are_ordered_by_spend_named_apart_and_hold_everybody(
    spark: SparkSession, local: Lake
) -> None:
    profiles = local.read(spark, SEGMENT_PROFILES).orderBy("segment_id").collect()
    assert [row["segment_id"] for row in profiles] == [1, 2, 3, 4]
    spend = [row["mean_spend_amount"] for row in profiles]
    assert spend == sorted(spend, reverse=True)
    assert len({row["segment_name"] for row in profiles}) == len(profiles)
    assert sum(row["spend_share"] for row in profiles) == pytest.approx(1)
    snapshot = of_the_day(local.read(spark, CUSTOMER_SNAPSHOT))
    segments = local.read(spark, CUSTOMER_SEGMENTS)
    assert segments.join(snapshot, "customer_id").count() == snapshot.count() == segments.count()
    assert sum(row["n_customers"] for row in profiles) == snapshot.count()


def test_everybody_is_offered_ten_products(spark: SparkSession, local: Lake) -> None:
    offers = local.read(spark, PRODUCT_RECOMMENDATIONS)
    snapshot = of_the_day(local.read(spark, CUSTOMER_SNAPSHOT))
    per_customer = offers.groupBy("customer_id").agg(
        F.count(F.lit(1)).alias("n"), F.countDistinct("product_id").alias("distinct")
    )
    assert per_customer.where("n != 10 OR distinct != 10").isEmpty()
    assert per_customer.count() == snapshot.count()


def test_every_job_leaves_its_row_with_counts_and_cost(spark: SparkSession, local: Lake) -> None:
    rows = {row["job"]: row for row in local.read(spark, JOB_RUNS).collect()}
    assert set(rows) == JOBS_OF_THE_DEMO
    for row in rows.values():
        assert row["status"] == "succeeded"
        assert row["core_seconds"] > 0
        assert row["peak_memory_bytes"] > 2**28
    counts = {table["name"]: table for table in rows["ingest_sources"]["tables"]}
    lines = counts["core.transactions"]
    assert lines["rows_read"] == local.read(spark, TRANSACTIONS).count() == lines["rows_written"]


def test_the_report_has_a_section_of_each_model(config: Config, local: Lake) -> None:
    page = Path(str(config.report.path)).read_text(encoding="utf-8")
    assert "Who is about to leave" in page and "What to offer" in page


def test_a_second_run_finds_everything_current(
    spark: SparkSession, config: Config, local: Lake
) -> None:
    assert run_pipeline.run(spark, config, AS_OF).jobs == []


# --- on a cluster --------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a standalone master with two workers of one core each."""
    folder = tmp_path_factory.mktemp("cluster")
    port = _free_port()
    url = f"spark://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
    }
    deploy = "org.apache.spark.deploy"
    lines = [
        [
            f"{deploy}.master.Master",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--webui-port",
            "0",
        ],
        *[[f"{deploy}.worker.Worker", "--cores", "1", "--memory", "2g", "--webui-port", "0", url]]
        * 2,
    ]
    started = []
    try:
        for index, line in enumerate(lines):
            log = (folder / f"{index}.log").open("w")
            started.append(
                subprocess.Popen(
                    [str(SPARK_BIN / "spark-class"), *line],
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
            )
            patience = time.monotonic() + 60
            while index == 0 and not _answers(port):
                assert time.monotonic() < patience, (folder / "0.log").read_text()
                time.sleep(0.5)
        yield url
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def clustered(
    master: str, tmp_path_factory: pytest.TempPathFactory, households: Path
) -> tuple[Lake, Path]:
    """Give the lake that the same pipeline leaves on the cluster, and its event log."""
    folder = tmp_path_factory.mktemp("clustered")
    events = folder / "events"
    events.mkdir()
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)],
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert built.returncode == 0, built.stdout[-2000:]
    zipped = next(folder.glob("*.whl")).rename(folder / "crm_spark.zip")
    small = {
        **QUICK_FOR_SMALL_TABLES,
        "spark.driver.extraJavaOptions": QUICK_JVM,
        "spark.executor.extraJavaOptions": QUICK_JVM,
    }
    run = ended(
        [
            str(SPARK_BIN / "spark-submit"),
            "--master",
            master,
            "--packages",
            DELTA_PACKAGE,
            "--py-files",
            str(zipped),
            "--driver-memory",
            "2g",
            "--executor-memory",
            "1500m",
            "--conf",
            "spark.sql.shuffle.partitions=5",
            "--conf",
            "spark.driver.host=127.0.0.1",
            "--conf",
            "spark.eventLog.enabled=true",
            *[flag for key, value in small.items() for flag in ("--conf", f"{key}={value}")],
            "--conf",
            "spark.eventLog.compress=false",
            "--conf",
            "spark.eventLog.rolling.enabled=false",
            "--conf",
            f"spark.eventLog.dir={events.as_uri()}",
            "jobs/run_pipeline.py",
            *demo_arguments(folder, households, *SMALL_MODELS),
        ],
        timeout=2400,
        PYSPARK_PYTHON=sys.executable,
        SPARK_LOCAL_IP="127.0.0.1",
        # The zip is all that driver and executors get of the package.
        PYTHONPATH="",
    )
    assert run.code == 0, run.log[-3000:]
    return Lake(folder / "lake", "", run), events


@pytest.mark.cluster
def test_tasks_ran_on_both_executors(clustered: tuple[Lake, Path]) -> None:
    _, events = clustered
    executors: dict[str, int] = {}
    for file in events.iterdir():
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if '"SparkListenerTaskEnd"' in line[:60]:
                    name = json.loads(line)["Task Info"]["Executor ID"]
                    executors[name] = executors.get(name, 0) + 1
    assert set(executors) == {"0", "1"}
    assert min(executors.values()) > 20


@pytest.mark.cluster
@pytest.mark.parametrize(
    "table",
    [
        TRANSACTIONS,
        PRODUCTS,
        CUSTOMERS,
        CUSTOMER_ORDERS,
        CUSTOMER_SNAPSHOT,
        PRODUCT_INTERACTIONS,
        RFM_CUT_POINTS,
        CUSTOMER_RFM,
    ],
    ids=lambda table: table.name,
)
def test_core_features_and_rfm_are_the_same_as_in_local_mode(
    table: Table, spark: SparkSession, clustered: tuple[Lake, Path], local: Lake
) -> None:
    lake, _ = clustered
    assert lake.checksum(spark, table) == local.checksum(spark, table)


@pytest.mark.cluster
def test_churn_probabilities_agree_with_local_mode(
    spark: SparkSession, clustered: tuple[Lake, Path], local: Lake
) -> None:
    lake, _ = clustered
    columns = ["customer_id", "churn_probability", "churn_decile"]
    here = local.read(spark, CUSTOMER_CHURN).select(columns)
    there = lake.read(spark, CUSTOMER_CHURN).select(
        "customer_id", F.col("churn_probability").alias("p"), F.col("churn_decile").alias("d")
    )
    both = here.join(there, "customer_id", "full")
    apart = both.where(
        ~(F.abs(F.col("churn_probability") - F.col("p")) <= 1e-6)
        | (F.col("churn_decile") != F.col("d"))
        | F.col("p").isNull()
        | F.col("churn_probability").isNull()
    )
    assert both.count() > 150
    assert apart.isEmpty()


@pytest.mark.cluster
def test_segments_agree_with_local_mode(
    spark: SparkSession, clustered: tuple[Lake, Path], local: Lake
) -> None:
    lake, _ = clustered
    columns = ["customer_id", "segment_id", "segment_name", "distance_to_center"]
    here, there = (of.read(spark, CUSTOMER_SEGMENTS).select(columns) for of in (local, lake))
    both = here.alias("a").join(there.alias("b"), "customer_id", "full")
    same = (
        (F.col("a.segment_id") == F.col("b.segment_id"))
        & (F.col("a.segment_name") == F.col("b.segment_name"))
        & (F.abs(F.col("a.distance_to_center") - F.col("b.distance_to_center")) <= 1e-6)
    )
    assert both.count() > 150
    assert both.where(~F.coalesce(same, F.lit(False))).isEmpty()


@pytest.mark.cluster
def test_recommendations_agree_with_local_mode(
    spark: SparkSession, clustered: tuple[Lake, Path], local: Lake
) -> None:
    lake, _ = clustered
    columns = ["customer_id", "rank", "product_id", "score", "source"]
    here = local.read(spark, PRODUCT_RECOMMENDATIONS).where("as_of_date = '2017-12-01'")
    there = lake.read(spark, PRODUCT_RECOMMENDATIONS).select(columns)
    both = here.select(columns).alias("a").join(there.alias("b"), ["customer_id", "rank"], "full")
    same_score = F.abs(F.col("a.score") - F.col("b.score")) <= 1e-5
    same_product = F.col("a.product_id") == F.col("b.product_id")
    same_source = F.col("a.source") == F.col("b.source")
    assert both.count() > 1_500
    assert both.where(~F.coalesce(same_score & same_source, F.lit(False))).isEmpty()
    # Only products that tie to the last decimals may change places.
    assert both.where(~same_product).count() <= 5
