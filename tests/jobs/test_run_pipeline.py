"""The pipeline on a small made-up shop: resuming, back-fills, back-filled scores, the past kept."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.contracts import Table
from crm_spark.errors import ConfigError, DataError
from crm_spark.jobs import run_pipeline
from crm_spark.run import RunSummary
from crm_spark.tables.features import CUSTOMER_SNAPSHOT
from crm_spark.tables.ops import JOB_RUNS
from crm_spark.tables.scores import CUSTOMER_CHURN, CUSTOMER_RFM

FIRST_DAY = datetime(2024, 1, 1, 12, 0)  # noqa: DTZ001 - the file has no zones
LAST_AS_OF = date(2024, 7, 1)


def _write_shop(path: Path) -> None:
    """Write 80 customers who order at a rhythm of their own; every third one stops some day."""
    draw = random.Random(7)
    lines = ["customer,order,product,at,pieces,price"]
    order = 0
    for customer in range(80):
        rhythm = draw.choice([5, 9, 14, 21])
        stops = draw.randrange(60, 180) if customer % 3 == 0 else 10_000
        day = draw.randrange(0, 30)
        while day < 182 and day < stops:
            order += 1
            at = FIRST_DAY + timedelta(days=day, minutes=draw.randrange(600))
            for _ in range(draw.choice([1, 1, 2])):
                product, price = draw.randrange(20), draw.randrange(100, 900) / 100
                lines.append(f"c{customer},o{order},p{product},{at},1,{price}")
            day += max(1, round(draw.gauss(rhythm, rhythm / 4)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the shop's file."""
    held = tmp_path_factory.mktemp("shop")
    _write_shop(held / "shop.csv")
    return held


def _config(folder: Path, lake: str) -> Config:
    text = f"""
storage: {{root: "{folder / lake}"}}
tracking: {{uri: "sqlite:///{folder / lake}.db"}}
time_zone: America/New_York
sources:
  transactions:
    path: "{folder / "shop.csv"}"
    format: csv
    options: {{header: true}}
    columns:
      customer_id: customer
      order_id: order
      product_id: product
      ordered_at: to_timestamp(at)
      quantity: pieces
      amount: pieces * price
churn:
  horizon_days: 21
  active_days: 42
  cutoff_every_days: 14
  n_training_cutoffs: 3
  importance_rows: 200
  forest: {{n_trees: 5, max_depth: 3, min_instances_per_node: 5}}
"""
    return load_config(text, name="shop.yml")


def _read(spark: SparkSession, folder: Path, lake: str, table: Table) -> DataFrame:
    path = folder / lake / table.name.replace(".", "/")
    return spark.read.format("delta").load(str(path))


@pytest.fixture(scope="module")
def backfilled(spark: SparkSession, folder: Path) -> DataError:
    """Run a back-fill whose first date has too little history to train on."""
    with pytest.raises(DataError) as failed:
        run_pipeline.run(
            spark,
            _config(folder, "backfill"),
            None,
            first=date(2024, 2, 19),
            last=LAST_AS_OF,
            every="19w",
        )
    return failed.value


def test_a_backfill_goes_on_after_a_date_that_fails_and_names_it(backfilled: DataError) -> None:
    summary = backfilled.summary  # type: ignore[attr-defined]
    assert str(backfilled) == "1 of 2 dates failed: 2024-02-19"
    assert summary.status == "failed"
    status = {(job.job, job.as_of): job.status for job in summary.jobs}
    assert status["train_churn", date(2024, 2, 19)] == "failed"
    assert ("score_churn", date(2024, 2, 19)) not in status
    assert status["score_churn", LAST_AS_OF] == "succeeded"
    assert [job.job for job in summary.jobs].count("ingest_sources") == 1


def test_a_date_that_failed_in_training_keeps_its_snapshot_and_rfm(
    spark: SparkSession, folder: Path, backfilled: DataError
) -> None:
    for table in (CUSTOMER_SNAPSHOT, CUSTOMER_RFM):
        held = _read(spark, folder, "backfill", table).where("as_of_date = '2024-02-19'")
        assert not held.isEmpty()


def test_a_past_date_without_a_champion_is_scored_by_todays_and_marked(
    spark: SparkSession, folder: Path, backfilled: DataError
) -> None:
    before = _read(spark, folder, "backfill", CUSTOMER_CHURN).collect()
    run_pipeline.run(spark, _config(folder, "backfill"), date(2024, 5, 1), skip_training=True)
    after = _read(spark, folder, "backfill", CUSTOMER_CHURN)
    past = after.where("as_of_date = '2024-05-01'")
    assert not past.isEmpty()
    assert past.where(~F.col("is_backfilled")).isEmpty()
    newer = after.where(F.col("as_of_date") == LAST_AS_OF).collect()
    assert sorted(map(str, newer)) == sorted(map(str, before))
    assert not any(row["is_backfilled"] for row in newer)


def test_a_pipeline_that_failed_goes_on_where_it_stopped_and_then_begins_anew(
    spark: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(folder, "resumed")
    jobs = run_pipeline.JOBS_OF_A_DATE

    def broken(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
        raise RuntimeError("the machine went away")

    monkeypatch.setattr(run_pipeline, "JOBS_OF_A_DATE", (*jobs[:2], ("train_churn", broken)))
    with pytest.raises(RuntimeError):
        run_pipeline.run(spark, config, LAST_AS_OF)
    monkeypatch.setattr(run_pipeline, "JOBS_OF_A_DATE", jobs)
    resumed = run_pipeline.run(spark, config, LAST_AS_OF)
    assert [job.job for job in resumed.jobs] == ["train_churn", "score_churn"]
    anew = run_pipeline.run(spark, config, LAST_AS_OF)
    assert [job.job for job in anew.jobs] == [
        "ingest_sources", "build_features", "score_rfm", "train_churn", "score_churn",
    ]  # fmt: skip
    rows = _read(spark, folder, "resumed", JOB_RUNS).collect()
    pipelines = [row["pipeline_run_id"] for row in rows if row["job"] == "run_pipeline"]
    assert len(set(pipelines)) == 2
    trained = {job.job: job.models for job in (*resumed.jobs, *anew.jobs) if job.models}
    assert trained["train_churn"] == trained["score_churn"] == resumed.jobs[0].models


@pytest.mark.parametrize(
    ("first", "last", "every", "fault"),
    [
        (date(2024, 1, 1), None, "7d", "needs --from and --to"),
        (date(2024, 2, 1), date(2024, 1, 1), "7d", "is before --from"),
        (date(2024, 1, 1), date(2024, 2, 1), "0d", "--every 0d"),
        (date(2024, 1, 1), date(2024, 2, 1), "1month", "--every 1month"),
    ],
)
def test_contradicting_dates_of_a_backfill_are_refused(
    first: date, last: date | None, every: str, fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        run_pipeline.backfill_dates(None, first, last, every)


def test_a_backfill_steps_from_the_first_date_to_the_last() -> None:
    dates = run_pipeline.backfill_dates(None, date(2024, 1, 1), date(2024, 1, 15), "1w")
    assert dates == [date(2024, 1, 1), date(2024, 1, 8), date(2024, 1, 15)]
    assert run_pipeline.backfill_dates(date(2024, 1, 1), None, None, "7d") == [date(2024, 1, 1)]
