"""Value from the command line's jobs on: CDNOW by its example configuration, and a made-up shop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from models.value.cdnow import FILE
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.jobs import build_features, ingest_sources, score_value, train_value
from crm_spark.lake.delta import Lake
from crm_spark.models.registry import find_model
from crm_spark.models.value.tables import CUSTOMER_VALUE, VALUE_VALIDATION
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.session import session_settings

EXAMPLE = Path(__file__).resolve().parents[2] / "conf" / "examples" / "cdnow.yml"
AS_OF = date(1997, 10, 1)


@dataclass(frozen=True)
class Cdnow:
    """The sample, loaded, trained and scored as of the first of October."""

    config: Config
    trained: RunSummary
    scored: RunSummary
    all_metrics: list[Row]
    champion: str
    scores: dict[str, Row]
    validation: list[Row]

    @property
    def metrics(self) -> dict[tuple[str, str], Row]:
        """The figures by model and name."""
        return {(row["model_name"], row["metric"]): row for row in self.all_metrics}


@pytest.fixture(scope="module")
def cdnow(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cdnow]:
    folder = tmp_path_factory.mktemp("cdnow")
    config = load_config(
        EXAMPLE.read_text(encoding="utf-8"),
        name="cdnow.yml",
        overrides=[
            f"storage.root={folder}/lake",
            f"tracking.uri=sqlite:///{folder}/mlflow.db",
            f"sources.transactions.path={FILE}",
            "value.candidates=[bg_nbd]",
        ],
    )
    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, AS_OF)
        trained = train_value.run(spark, config, AS_OF)
        scored = score_value.run(spark, config, AS_OF)
        lake = Lake(spark, config.storage, "test")
        metrics = spark.read.format("delta").load(f"{folder}/lake/ops/metrics").collect()
        decisions = spark.read.format("delta").load(f"{folder}/lake/ops/model_decisions")
        (champion,) = [row["kind"] for row in decisions.where("is_champion").collect()]
        scores = lake.read_date(CUSTOMER_VALUE, AS_OF).collect()
        validation = lake.read_date(VALUE_VALIDATION, AS_OF).collect()
    yield Cdnow(
        config,
        trained,
        scored,
        metrics,
        champion,
        {row["customer_id"]: row for row in scores},
        validation,
    )


def test_the_parameters_of_cdnow_are_the_published_ones(cdnow: Cdnow) -> None:
    published = {
        "parameter.bg_nbd.r": 0.243,
        "parameter.bg_nbd.alpha": 4.414,
        "parameter.bg_nbd.a": 0.793,
        "parameter.bg_nbd.b": 2.426,
        "parameter.gamma_gamma.p": 6.25,
        "parameter.gamma_gamma.q": 3.74,
        "parameter.gamma_gamma.v": 15.44,
    }
    found = {name: cdnow.metrics["bg_nbd", name] for name in published}
    assert {name: row["value"] for name, row in found.items()} == pytest.approx(published, rel=0.01)
    assert all(row["low"] < row["value"] < row["high"] for row in found.values())
    likelihood = cdnow.metrics["bg_nbd", "log_likelihood.bg_nbd"]
    assert likelihood["value"] == pytest.approx(-9582.4, abs=0.1)
    assert likelihood["n"] == 2357


def test_what_is_tried_stands_beside_the_rules(cdnow: Cdnow) -> None:
    errors = {name for name, metric in cdnow.metrics if metric == "mean_absolute_error"}
    assert errors == {"carried_forward", "own_rate", "rfm_cell", "bg_nbd"}


def test_everybody_who_had_bought_is_scored_for_every_horizon(cdnow: Cdnow) -> None:
    assert len(cdnow.scores) == 2357
    for row in cdnow.scores.values():
        assert [one["horizon_days"] for one in row["by_horizon"]] == [84, 273]
        assert row["horizon_days"] == 84
        assert row["by_horizon"][0]["expected_amount"] == row["expected_amount"]
        assert row["by_horizon"][1]["expected_amount"] >= row["expected_amount"] - 1e-9


def test_the_orders_of_39_weeks_are_expected_as_published(cdnow: Cdnow) -> None:
    ahead = cdnow.metrics["bg_nbd", "ahead.expected_order_days.273d"]
    assert ahead["value"] == pytest.approx(1653, abs=2)
    assert ahead["n"] == 2357


def test_what_was_expected_of_each_customer_lies_open_beside_what_came(cdnow: Cdnow) -> None:
    rows = cdnow.validation
    quoted = max(row["cutoff_date"] for row in cdnow.all_metrics)
    first_horizon = cdnow.config.section_of(find_model("value")).horizons_days[0]  # type: ignore[attr-defined]
    assert {(row["cutoff_date"], row["horizon_days"]) for row in rows} == {(quoted, first_horizon)}
    figures = {
        (row["model_name"], row["metric"]): row
        for row in cdnow.all_metrics
        if row["cutoff_date"] == quoted
    }
    came = [row["actual_amount"] for row in rows]
    assert sum(came) == pytest.approx(figures["bg_nbd", "actual_total"]["value"])
    columns = {
        cdnow.champion: [row["expected_amount"] for row in rows],
        "carried_forward": [row["carried_forward_amount"] for row in rows],
    }
    assert len(columns) == 2
    for name, expected in columns.items():
        tested = figures[name, "mean_absolute_error"]
        error = sum(abs(one - actual) for one, actual in zip(expected, came, strict=True))
        assert len(rows) == tested["n"]
        assert error / len(rows) == pytest.approx(tested["value"])


def test_tiers_hold_the_shares_that_they_are_named_by(cdnow: Cdnow) -> None:
    n = len(cdnow.scores)
    order = sorted(
        cdnow.scores.values(), key=lambda row: (-row["expected_amount"], row["customer_id"])
    )
    shares = {"top_1_percent": 0.01, "top_5_percent": 0.05, "top_10_percent": 0.1}
    shares |= {"top_25_percent": 0.25, "top_50_percent": 0.5}
    for place, row in enumerate(order, start=1):
        tier = next((name for name, share in shares.items() if place <= -(-n * share // 1)), "rest")
        assert row["value_tier"] == tier


def test_a_second_training_keeps_the_version_and_a_second_scoring_the_rows(
    spark: SparkSession, cdnow: Cdnow
) -> None:
    with session_settings(spark, {"spark.sql.session.timeZone": cdnow.config.time_zone}):
        again = train_value.run(spark, cdnow.config, AS_OF)
        score_value.run(spark, cdnow.config, AS_OF)
        rows = Lake(spark, cdnow.config.storage, "test").read_date(CUSTOMER_VALUE, AS_OF)
        total = rows.agg(F.sum("expected_amount")).collect()[0][0]
    assert again.models == cdnow.trained.models
    assert total == pytest.approx(sum(row["expected_amount"] for row in cdnow.scores.values()))


def test_a_date_before_the_test_had_closed_has_no_outcomes_of_later(
    spark: SparkSession, cdnow: Cdnow
) -> None:
    past = date(1997, 8, 1)  # the test's cut-off lies before it, its horizon ends after it
    scored = score_value.run(spark, cdnow.config, past)
    assert scored.tables[CUSTOMER_VALUE.name].rows_written > 0
    assert scored.tables[VALUE_VALIDATION.name].rows_written == 0
