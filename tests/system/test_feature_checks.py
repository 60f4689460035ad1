"""What train_churn says of its features: in ops.checks, in ops.metrics, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from shop import shop_config, write_shop

from crm_spark.errors import DataError
from crm_spark.features.families import FEATURES
from crm_spark.jobs import build_features, ingest_sources, train_churn
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.models import feature_selection
from crm_spark.models.churn.definition import Churn
from crm_spark.models.churn.facts import read_churn
from crm_spark.models.churn.feature_checks import (
    FEATURE_CHECKS,
    FEATURES_MODEL,
    LEAK,
    dropped_in_words,
    leak_in_words,
    used_features,
)
from crm_spark.models.churn.report import show_churn
from crm_spark.models.feature_selection import Dropped, Selection, Suspicion
from crm_spark.pipeline.lifecycle import Run
from crm_spark.report.subject import ReportRequest
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.checks import Verdict, read_checks, write_checks
from crm_spark.tables.ops import CHECKS, METRICS

AS_OF = date(2024, 7, 1)
NAMES = {feature.name for feature in FEATURES}
RECENCY = "days_since_last_order"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Path:
    """Give a folder with a lake of snapshots, on which nothing has been trained."""
    held = tmp_path_factory.mktemp("shop")
    write_shop(held / "shop.csv")
    config = shop_config(held, "lake")
    ingest_sources.run(spark, config, None)
    build_features.run(spark, config, AS_OF)
    return held


@pytest.fixture(scope="module")
def trained(spark: SparkSession, folder: Path) -> Iterator[RunSummary]:
    """Train where all that ranks at all is a suspect, and two suspects are trusted."""
    config = shop_config(folder, "lake", "churn.trusted_features=[days_since_last_order, n_orders]")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(feature_selection, "LEAK_AUC", 0.6)
        yield train_churn.run(spark, config, AS_OF)


def read(spark: SparkSession, folder: Path, table: Table) -> DataFrame:
    return spark.read.format("delta").load(str(folder / "lake" / table.name.replace(".", "/")))


@pytest.fixture(scope="module")
def checks(spark: SparkSession, folder: Path, trained: RunSummary) -> list[Row]:
    return read(spark, folder, CHECKS).where(F.col("check").isin(*FEATURE_CHECKS)).collect()


@pytest.fixture(scope="module")
def metrics(spark: SparkSession, folder: Path, trained: RunSummary) -> list[Row]:
    return read(spark, folder, METRICS).collect()


def test_a_suspected_leak_is_a_warning_and_is_no_input_of_the_forest(
    checks: list[Row], metrics: list[Row]
) -> None:
    leaks = {row["subject"]: row for row in checks if row["check"] == "suspected_leak"}
    warned = {name for name, row in leaks.items() if row["level"] == "warning"}
    dropped = {
        row["subject"]
        for row in checks
        if row["check"] == "feature_dropped" and row["found"] == "suspected leak"
    }
    assert warned >= dropped and len(dropped) > 3
    assert leaks[RECENCY]["level"] == "advice"
    assert "churn.trusted_features clears it" in leaks[RECENCY]["message"]
    used = {row["metric"] for row in metrics if row["metric"].startswith("importance.")}
    assert f"importance.{RECENCY}" in used
    assert not {f"importance.{name}" for name in dropped} & used


def test_every_feature_is_an_input_or_is_dropped_for_a_reason(
    checks: list[Row], metrics: list[Row]
) -> None:
    dropped = {row["subject"] for row in checks if row["check"] == "feature_dropped"}
    used = {
        row["metric"].removeprefix("importance.")
        for row in metrics
        if row["metric"].startswith("importance.")
    }
    assert dropped | used == NAMES and not dropped & used
    assert all(row["found"] and row["needed"] and row["message"] for row in checks)
    keys = [tuple(row[name] for name in CHECKS.key) for row in checks]
    assert len(set(keys)) == len(keys)


def test_metrics_tell_the_health_of_every_feature_at_every_cutoff(metrics: list[Row]) -> None:
    rows = [row for row in metrics if row["model_name"] == FEATURES_MODEL]
    cutoffs = sorted({row["cutoff_date"] for row in rows})
    assert len(cutoffs) == 4 and {row["job"] for row in rows} == {"train_churn"}
    held = {(row["metric"], row["cutoff_date"]): row for row in rows}
    for name in NAMES:
        assert all((f"feature.{name}.auc", day) in held for day in cutoffs)
        assert all((f"feature.{name}.psi", day) in held for day in cutoffs[1:])
        for figure in ("missing_share", "variance", "most_common_share", "training_auc"):
            assert (f"feature.{name}.{figure}", cutoffs[-2]) in held
    whole = held[f"feature.{RECENCY}.training_auc", cutoffs[-2]]
    assert whole["low"] <= whole["value"] <= whole["high"]
    keys = [tuple(row[name] for name in METRICS.key) for row in metrics]
    assert len(set(keys)) == len(keys)


def test_the_report_and_the_results_know_nothing_of_a_model_named_features(
    spark: SparkSession, folder: Path, trained: RunSummary
) -> None:
    config = shop_config(folder, "lake")
    run = Run(spark, config, RunSummary("write_report", AS_OF))
    facts = read_churn(
        ReportRequest(run, AS_OF, config.mapped, config.report), config.section_of(Churn())
    )
    candidates = {one.name for one in Churn().candidates(config.section_of(Churn()))}
    assert {row.model_name for row in facts.metrics} == candidates
    assert {row.model_name for row in facts.walked} == {row.model_name for row in facts.metrics}
    assert all(0.0 <= row.value <= 1.0 for row in facts.walked if row.value is not None)

    shown = show_churn(facts, AS_OF, config.report)
    assert any("recency_frequency_tenure" in line for line in shown.lines)
    assert not any(line.strip().startswith("features") for line in shown.lines)


def test_a_forest_without_any_feature_is_refused_after_its_checks_are_written(
    spark: SparkSession, folder: Path, trained: RunSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_selection, "LEAK_AUC", 0.1)
    config = shop_config(folder, "lake")
    with pytest.raises(
        DataError, match=r"no feature is left.*suspected leak.*trusted_features"
    ) as refused:
        train_churn.run(spark, config, AS_OF)
    of_run = F.col("run_id") == refused.value.summary.run_id  # type: ignore[attr-defined]
    rows = read(spark, folder, CHECKS).where(of_run & (F.col("check") == LEAK)).collect()
    assert {row["level"] for row in rows} == {"warning"} and len(rows) > 30


def test_of_each_job_the_newest_verdicts_are_read_beside_the_features_of_the_run_that_trained(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "shop.csv").write_text("", encoding="utf-8")
    config = shop_config(tmp_path, "lake")

    def write(job: str, day: date, *checks: str) -> str:
        run = Run(spark, config, RunSummary(job, as_of=day))
        write_checks(
            run, day, [Verdict(check, job, "f", "n", "ok", run.summary.run_id) for check in checks]
        )
        return run.summary.run_id

    trained = write("train_churn", AS_OF, "history", "suspected_leak")
    write("train_churn", AS_OF, "history", "suspected_leak", "feature_dropped")
    reused = write("train_churn", AS_OF, "history")
    other = write("train_value", AS_OF, "history")
    write("train_churn", date(2024, 6, 1), "history")
    rows = read_checks(Lake(spark, config.storage, "run"), AS_OF, [trained])
    assert [(row.job, row.check, row.message) for row in rows] == [
        ("train_churn", "history", reused),
        ("train_churn", "suspected_leak", trained),
        ("train_value", "history", other),
    ]


@pytest.mark.parametrize(
    ("suspicion", "expected"),
    [
        (Suspicion("n_items", 0.987, None), ["0.987 over the training cut-offs", "kept out of"]),
        (Suspicion("n_items", 0.95, AS_OF), ["at 2024-07-01", "churn.trusted_features"]),
        (Suspicion(RECENCY, 0.95, None), ["trivial rules recency, recency_frequency_tenure"]),
    ],
)
def test_a_leak_is_told_in_plain_words(suspicion: Suspicion, expected: list[str]) -> None:
    assert all(text in leak_in_words(suspicion) for text in expected)


def test_every_reason_is_told_in_plain_words() -> None:
    told = [
        dropped_in_words(held)
        for held in (
            Dropped("a", "never known"),
            Dropped("a", "constant"),
            Dropped("a", "suspected leak", 0.95),
            Dropped("a", "redundant", -0.991, "b"),
        )
    ]
    assert len(set(told)) == 4 and all(text.startswith("a ") for text in told)
    assert "the same as b (rank correlation -0.991" in told[3]


def test_one_feature_is_enough() -> None:
    n_orders = next(feature for feature in FEATURES if feature.name == "n_orders")
    assert used_features(Selection(("n_orders",), {}, (), ()), FEATURES) == [n_orders]
    with pytest.raises(DataError, match="no feature is left, 1 constant"):
        used_features(Selection((), {"a": Dropped("a", "constant")}, (), ()), FEATURES)
