"""The usability verdict on six made-up shops, as a person who knows the shop would give it."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from shop import shop_config, write_shop

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.jobs import (
    build_features,
    ingest_sources,
    train_churn,
    train_recommender,
    train_segments,
)
from crm_spark.lake.delta import Lake
from crm_spark.models.segments.section import SegmentsSection
from crm_spark.models.segments.verdicts import segments_verdicts
from crm_spark.models.train import refuse_errors
from crm_spark.models.usability.facts import OrderDay
from crm_spark.models.usability.read import data_facts
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.tables.checks import Verdict, read_checks, write_checks
from crm_spark.tables.ops import CHECKS

DAY = date(2024, 7, 1)
JOBS = {"churn": train_churn, "segments": train_segments, "recommendations": train_recommender}
QUICK = (
    "segments.k_to=5",
    "segments.n_starts=2",
    "recommendations.als.rank=4",
    "recommendations.als.iterations=2",
)


class _VerdictPassedError(Exception):
    """Raised in place of training."""


@dataclass(frozen=True)
class Judged:
    """What the three trainings came to: levels other than ok, advice left out, and errors."""

    config: Config
    levels: dict[str, dict[str, str]]
    errors: dict[str, str]


def _checks(spark: SparkSession, config: Config) -> DataFrame:
    return spark.read.format("delta").load(f"{config.storage.root}/ops/checks")


def _judge(
    spark: SparkSession, folder: Path, day: date = DAY, *, trains: bool = False, **shop: Any
) -> Judged:
    """Begin the training of all models on a shop; each with an error must fail and no other.

    Unless it `trains`, training ends where the tracking server is asked for: that takes its time.
    """
    config = _ingested(spark, folder, *(QUICK if trains else ()), **shop)
    build_features.run(spark, config, day)
    errors = {}
    for model, module in JOBS.items():
        with pytest.MonkeyPatch.context() as patched:
            if not trains:
                patched.setattr("crm_spark.models.train.Tracker", _pass)
            try:
                module.run(spark, config, day)
            except DataError as error:
                errors[model] = str(error)
            except _VerdictPassedError:
                pass
    levels: dict[str, dict[str, str]] = {model: {} for model in JOBS}
    rows = _checks(spark, config).where(F.col("as_of_date") == F.lit(day)).collect()
    assert {(row["job"], row["subject"]) for row in rows} == {
        (f"train_{'recommender' if model == 'recommendations' else model}", model) for model in JOBS
    }
    for row in rows:
        assert row["message"] and row["found"] and row["needed"]
        if row["level"] in ("error", "warning"):
            levels[row["subject"]][row["check"]] = row["level"]
        if row["level"] == "error":
            assert row["message"] in errors[row["subject"]]
    assert set(errors) == {model for model, held in levels.items() if "error" in held.values()}
    return Judged(config, levels, errors)


def _pass(*_: Any, **__: Any) -> None:
    raise _VerdictPassedError


def _ingested(spark: SparkSession, folder: Path, *quick: str, **shop: Any) -> Config:
    write_shop(folder / "shop.csv", **{"n_customers": 420, **shop})
    config = shop_config(folder, "lake", *quick)
    ingest_sources.run(spark, config, None)
    return config


@pytest.fixture(scope="module")
def healthy(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Give the verdicts on half a year of 420 customers."""
    return _judge(spark, tmp_path_factory.mktemp("healthy"))


def test_a_healthy_shop_has_no_error_and_no_warning(healthy: Judged) -> None:
    assert healthy.levels == {"churn": {}, "segments": {}, "recommendations": {}}


def test_50_customers_are_too_few_for_churn_and_few_for_segments(
    spark: SparkSession, tmp_path: Path
) -> None:
    judged = _judge(spark, tmp_path, n_customers=50)
    assert judged.levels["churn"]["customers"] == "error"
    assert judged.levels["segments"] == {"customers": "warning"}
    # Who bought in the days of a test is known once it was made.
    assert judged.levels["recommendations"] == {}
    assert "50 customers are too few to learn who leaves" in judged.errors["churn"]


@pytest.mark.long
def test_three_weeks_of_history_carry_segments_alone(spark: SparkSession, tmp_path: Path) -> None:
    judged = _judge(spark, tmp_path, date(2024, 1, 22), n_days=21)
    assert judged.levels == {
        "churn": {"history": "error", "customers": "warning"},  # 297 have ordered so far
        "segments": {"history": "warning"},
        "recommendations": {"history": "error"},
    }
    assert judged.errors["churn"] == (
        "churn cannot be trained as of 2024-01-22: the first order is of 2024-01-01, and 84 days "
        "of history are needed (active_days + 2 x (horizon_days + grace_days)): choose a later "
        "date or a shorter horizon"
    )


@pytest.mark.long
def test_where_nobody_leaves_churn_alone_cannot_be_learnt(
    spark: SparkSession, tmp_path: Path
) -> None:
    judged = _judge(spark, tmp_path, all_stay=True)
    assert judged.levels == {
        "churn": {"both_classes": "error", "classes_at_test": "warning"},
        "segments": {},
        "recommendations": {},
    }
    assert "0 churned, 420 did not" in judged.errors["churn"]


@pytest.mark.long
def test_a_month_without_data_makes_false_labels_and_doubtful_models(
    spark: SparkSession, tmp_path: Path
) -> None:
    judged = _judge(spark, tmp_path, trains=True, hole=range(130, 160))
    assert judged.levels == {
        "churn": {"days_without_data": "error"},
        "segments": {"days_without_data": "warning"},
        "recommendations": {"days_without_data": "warning"},
    }
    assert "2024-05-10 to 2024-06-08" in judged.errors["churn"]


def test_with_30_percent_rejected_no_model_is_trained(spark: SparkSession, tmp_path: Path) -> None:
    judged = _judge(spark, tmp_path, spoiled="price", spoiled_percent=30)
    assert {model: held["rejected_rows"] for model, held in judged.levels.items()} == {
        "churn": "error",
        "segments": "error",
        "recommendations": "error",
    }
    assert "core.transactions_rejected" in judged.errors["segments"]


@pytest.mark.long
def test_a_quarter_of_the_lines_without_a_customer_is_a_warning(
    spark: SparkSession, tmp_path: Path
) -> None:
    config = _ingested(spark, tmp_path, spoiled="customer", spoiled_percent=25)
    build_features.run(spark, config, DAY)
    with job_run(spark, config, "a_test", DAY) as job:
        verdicts = segments_verdicts(data_facts(job, DAY), params=SegmentsSection())
    levels = {held.check: held.level for held in verdicts}
    assert levels["missing_customer_ids"] == "warning"
    assert levels["rejected_rows"] == "ok"


def test_the_facts_of_a_past_date_know_nothing_of_what_came_later(
    spark: SparkSession, healthy: Judged
) -> None:
    past = date(2024, 3, 1)
    with job_run(spark, healthy.config, "a_test", past) as job:
        found = data_facts(job, past)
    source = healthy.config.sources.transactions.path
    assert source is not None
    with Path(source).open(encoding="utf-8") as file:
        lines = [row for row in csv.DictReader(file) if row["at"] < "2024-03-01"]
    order_days = {row["order"]: datetime.fromisoformat(row["at"]).date() for row in lines}
    of_customers = Counter(row["customer"] for row in lines)
    assert found.days == tuple(
        OrderDay(day, n) for day, n in sorted(Counter(order_days.values()).items())
    )
    assert found.n_lines == len(lines)
    assert found.n_customers == len(of_customers)
    assert found.n_lines_of_biggest == max(of_customers.values())
    assert found.ingest is not None and found.ingest.n_rejected == 0


def test_every_error_is_told_at_once_and_only_the_newest_run_of_a_job_is_read(
    spark: SparkSession, healthy: Judged
) -> None:
    verdicts = [
        Verdict("first", "a model", "1", "2", "error", "the first is wrong"),
        Verdict("second", "a model", "2", "2", "ok", "the second is right"),
        Verdict("third", "a model", "3", "4", "error", "the third is wrong"),
    ]
    for _ in range(2):
        with (
            pytest.raises(DataError) as failed,
            job_run(spark, healthy.config, "a_job", DAY) as job,
        ):
            write_checks(job, DAY, verdicts)
            refuse_errors("a model", DAY, verdicts)
        assert str(failed.value) == (
            "a model cannot be trained as of 2024-07-01: 2 faults\n"
            "  - the first is wrong\n  - the third is wrong"
        )
        lake = Lake(spark, healthy.config.storage, "a reader")
        rows = [row for row in read_checks(lake, DAY, []) if row.job == "a_job"]
        assert [(row.check, row.level) for row in rows] == [
            ("first", "error"),
            ("second", "ok"),
            ("third", "error"),
        ]
    runs = _checks(spark, healthy.config).where("job = 'a_job'").groupBy("run_id").count()
    assert [row["count"] for row in runs.collect()] == [3, 3]
    others = _checks(spark, healthy.config).where("job <> 'a_job'")
    assert others.select("job").distinct().count() == 3
    assert set(others.columns) == {column.name for column in CHECKS.columns}
