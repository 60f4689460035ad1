"""The pipeline on a small made-up shop: resuming, back-fills, back-filled scores, the past kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from shop import shop_config, write_shop

from crm_spark.errors import ConfigError, DataError
from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
from crm_spark.jobs import recommend_products, run_pipeline, train_recommender
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.recommender.tables import PRODUCT_RECOMMENDATIONS
from crm_spark.models.segments.tables import CUSTOMER_SEGMENTS
from crm_spark.runtime.run import RunSummary

LAST_AS_OF = date(2024, 7, 1)
TOO_EARLY = date(2024, 2, 19)
# What is named has to succeed.
ALL_MODELS = "models=[churn, segments, recommender]"
# As little to fit as will do: what is tried is what is run.
QUICK = ("segments.k=4", "segments.n_starts=1", "recommendations.als.iterations=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the shop's file."""
    held = tmp_path_factory.mktemp("shop")
    write_shop(held / "shop.csv")
    return held


def _read(spark: SparkSession, folder: Path, lake: str, table: Table) -> DataFrame:
    path = folder / lake / table.name.replace(".", "/")
    return spark.read.format("delta").load(str(path))


@pytest.fixture(scope="module")
def backfilled(spark: SparkSession, folder: Path) -> DataError:
    """Run a back-fill whose first date has too little history to train on."""
    with pytest.raises(DataError) as failed:
        run_pipeline.run(
            spark,
            shop_config(folder, "backfill", ALL_MODELS, *QUICK),
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


@pytest.fixture(scope="module")
def unnamed(spark: SparkSession, folder: Path) -> RunSummary:
    """Run all models for a date with too little history for churn; nobody named one."""
    config = shop_config(folder, "unnamed", *QUICK)
    return run_pipeline.run(spark, config, TOO_EARLY)


def test_a_model_that_nobody_named_is_left_out_with_its_reason_and_is_no_failure(
    unnamed: RunSummary,
) -> None:
    assert unnamed.status == "succeeded"
    status = {job.job: job.status for job in unnamed.jobs}
    assert status["train_churn"] == "failed" and "score_churn" not in status
    assert status["score_segments"] == status["write_report"] == "succeeded"
    errors = {job.job: job.error for job in unnamed.jobs}
    assert "churn cannot be trained as of 2024-02-19" in str(errors["train_churn"])


def test_a_named_model_that_cannot_be_had_fails_the_pipeline_after_the_others_are_done(
    spark: SparkSession, folder: Path, unnamed: RunSummary
) -> None:
    # That run made the others.
    config = shop_config(folder, "unnamed", "models=[segments, churn]", *QUICK)
    with pytest.raises(DataError, match="churn cannot be trained as of 2024-02-19") as failed:
        run_pipeline.run(spark, config, TOO_EARLY)
    status = {job.job: job.status for job in failed.value.summary.jobs}  # type: ignore[attr-defined]
    # Nothing changed that would let it be trained, and the recommender is not named.
    assert not [job for job in status if job.startswith(("train_", "score_"))], status
    lake = Lake(spark, config.storage, "test")
    scored = lake.read_date(CUSTOMER_SEGMENTS, TOO_EARLY)
    assert not scored.isEmpty()
    without = shop_config(folder, "unnamed", "models=[recommender]", without="product_id")
    with pytest.raises(DataError, match="recommendations need product_id"):
        run_pipeline.run(spark, without, TOO_EARLY)


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
    config = shop_config(folder, "backfill", *QUICK)
    run_pipeline.run(spark, config, date(2024, 5, 1), skip_training=True)
    after = _read(spark, folder, "backfill", CUSTOMER_CHURN)
    past = after.where("as_of_date = '2024-05-01'")
    assert not past.isEmpty()
    assert past.where(~F.col("is_backfilled")).isEmpty()
    newer = after.where(F.col("as_of_date") == LAST_AS_OF).collect()
    assert sorted(map(str, newer)) == sorted(map(str, before))
    assert not any(row["is_backfilled"] for row in newer)


def test_the_models_beside_one_that_fails_are_trained_and_the_report_is_written(
    spark: SparkSession, folder: Path, backfilled: DataError
) -> None:
    summary = backfilled.summary  # type: ignore[attr-defined]
    early = [(job.job, job.status) for job in summary.jobs if job.as_of == date(2024, 2, 19)]
    assert early == [
        ("build_features", "succeeded"),
        ("score_rfm", "succeeded"),
        ("train_churn", "failed"),
        ("train_segments", "succeeded"),
        ("score_segments", "succeeded"),
        ("train_recommender", "succeeded"),
        ("recommend_products", "succeeded"),
        ("write_report", "succeeded"),
    ]
    report = (folder / "backfill" / "reports" / "2024-02-19.html").read_text(encoding="utf-8")
    assert "What to offer" in report
    assert "Who is about to leave" not in report


def test_new_only_offers_nothing_that_the_customer_has_bought(
    spark: SparkSession, folder: Path, backfilled: DataError
) -> None:
    config = shop_config(folder, "backfill", *QUICK, "recommendations.policy=new_only")
    recommend_products.run(spark, config, LAST_AS_OF)
    offers = _read(spark, folder, "backfill", PRODUCT_RECOMMENDATIONS)
    offers = offers.where(F.col("as_of_date") == F.lit(LAST_AS_OF))
    bought = _read(spark, folder, "backfill", PRODUCT_INTERACTIONS)
    bought = bought.where(F.col("as_of_date") == F.lit(LAST_AS_OF))
    assert not offers.isEmpty()
    assert offers.join(bought, ["customer_id", "product_id"]).isEmpty()
    assert {row["source"] for row in offers.select("source").distinct().collect()} <= {
        "als",
        "popular",
    }


def test_without_product_ids_recommendations_are_left_out_and_the_rest_is_there(
    spark: SparkSession, folder: Path
) -> None:
    config = shop_config(folder, "no products", without="product_id")
    with pytest.raises(DataError, match="recommendations need product_id"):
        train_recommender.run(spark, config, LAST_AS_OF)


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
