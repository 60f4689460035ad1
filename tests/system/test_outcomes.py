"""What became of past churn scores: figures worked out from the orders, once, and one alert."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from shop import shop_config, write_shop
from sklearn.metrics import roc_auc_score

from crm_spark.config import Config
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import (
    build_features,
    check_outcomes,
    ingest_sources,
    run_pipeline,
    score_churn,
    train_churn,
)
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.outcomes_report import outcomes_section, read_outcomes
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.graph import due
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import ReportRequest
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.session import session_settings
from crm_spark.tables.ops import CHECKS, METRICS

pytestmark = pytest.mark.long

HORIZON = timedelta(days=21)
# A horizon apart, so that cut-offs have the same snapshots. Scored by a model that was trained
# after it, then by its champion; the last is still open on DAY.
BACKFILLED, FIRST, SECOND, OPEN = (date(2024, 4, 15) + place * HORIZON for place in range(4))
DAY = date(2024, 7, 1)
SHIFTED = "spend_amount_84d"
QUICK = ("churn.candidates=[forest]", "churn.cutoff_every_days=21", "churn.n_reasons=0")


@dataclass(frozen=True)
class Shop:
    """The shop with scores of four dates; `runs` are those that looked at them, in order."""

    config: Config
    folder: Path
    runs: dict[str, RunSummary]

    def rows(self, spark: SparkSession, table: Table) -> pd.DataFrame:
        """Give what check_outcomes left in a table of ops."""
        lake = Lake(spark, self.config.storage, "test")
        rows = lake.read(table).toPandas()
        return rows[rows["job"] == "check_outcomes"]

    def figures(self, spark: SparkSession, day: date) -> pd.DataFrame:
        """Give the figures of a scored date by metric."""
        rows = self.rows(spark, METRICS)
        return rows[rows["cutoff_date"] == day].set_index("metric")


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("outcomes")
    write_shop(folder / "shop.csv", n_customers=420)
    config = shop_config(folder, "lake", "models=[churn]", *QUICK)
    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, FIRST)
        train_churn.run(spark, config, FIRST)
        for day in (BACKFILLED, FIRST):
            score_churn.run(spark, config, day)
        runs = {"pipeline": run_pipeline.run(spark, config, SECOND, skip_training=True)}
        build_features.run(spark, config, OPEN)
        score_churn.run(spark, config, OPEN)
        _shift(spark, config)
        with pytest.MonkeyPatch.context() as patched, pytest.raises(_CutOffError):
            patched.setattr("crm_spark.models.churn.outcome_checks.write_checks", _cut_off)
            check_outcomes.run(spark, config, DAY)
        runs["late"] = check_outcomes.run(spark, config, DAY)
        runs["again"] = check_outcomes.run(spark, config, DAY)
        yield Shop(config, folder, runs)


class _CutOffError(Exception):
    """Ends a run between its figures and its verdicts."""


def _cut_off(*_: Any) -> None:
    raise _CutOffError


def _shift(spark: SparkSession, config: Config) -> None:
    """Let a source go wrong: what was spent is ten times as much in the second snapshot."""
    with job_run(spark, config, "a_test", SECOND) as job:
        rows = job.lake.read_date(CUSTOMER_SNAPSHOT, SECOND).drop("run_id")
        shifted = rows.withColumn(SHIFTED, 10 * F.col(SHIFTED) + 50).localCheckpoint()
        job.replace_dates(CUSTOMER_SNAPSHOT, shifted, [SECOND])


def _ordered(shop: Shop, day: date) -> set[str]:
    """Give who ordered in the horizon of a day, by the file."""
    lines = pd.read_csv(shop.folder / "shop.csv", parse_dates=["at"])
    begins = pd.Timestamp(day)
    return set(lines[(lines["at"] >= begins) & (lines["at"] < begins + HORIZON)]["customer"])


def _scores(spark: SparkSession, shop: Shop, day: date) -> pd.DataFrame:
    """Give the scores of a day with what came, the most at risk first."""
    rows = Lake(spark, shop.config.storage, "test").read_date(CUSTOMER_CHURN, day).toPandas()
    rows["left"] = ~rows["customer_id"].isin(_ordered(shop, day))
    return rows.sort_values("churn_probability", ascending=False)


def test_the_pipeline_looks_at_past_scores_before_it_writes_the_report(shop: Shop) -> None:
    names = [job.job for job in shop.runs["pipeline"].jobs]
    assert names[-4:] == ["score_churn", "raise_alerts", "check_outcomes", "write_report"]


def test_expected_and_actual_are_those_of_the_scores_and_of_the_file(
    spark: SparkSession, shop: Shop
) -> None:
    for day in (FIRST, SECOND):
        figures, scores = shop.figures(spark, day), _scores(spark, shop, day)
        p, left = scores["churn_probability"], scores["left"]
        assert figures["value"]["customers"] == len(scores) > 300
        assert figures["value"]["expected_leavers"] == pytest.approx(p.sum(), abs=1e-3)
        assert figures["value"]["actual_leavers"] == left.sum() > 20
        assert figures["value"]["brier"] == pytest.approx(((p - left) ** 2).mean(), abs=1e-5)
        assert figures["value"]["auc"] == pytest.approx(roc_auc_score(left, p), abs=1e-4)
        bins = figures[figures.index.str.endswith(".observed")]
        assert (bins["value"] * bins["n"]).sum() == pytest.approx(left.sum())
        assert bins["n"].sum() == len(scores)
        first = scores[p >= p.iloc[int(bins["n"].iloc[0]) - 1]]
        assert bins["value"].iloc[0] == pytest.approx(first["left"].mean())
        assert set(figures["model_name"]) == {"crm_spark_churn/1"}


def test_backfilled_scores_and_open_windows_have_no_outcome(
    spark: SparkSession, shop: Shop
) -> None:
    lake = Lake(spark, shop.config.storage, "test")
    of_old = lake.read_date(CUSTOMER_CHURN, BACKFILLED)
    assert of_old.where("is_backfilled").count() > 200
    rows = shop.rows(spark, METRICS)
    assert set(rows["cutoff_date"]) == {FIRST, SECOND}
    assert set(rows[rows["as_of_date"] == SECOND]["cutoff_date"]) == {FIRST}


def test_a_run_that_was_cut_off_is_completed_and_a_rerun_adds_no_row(
    spark: SparkSession, shop: Shop
) -> None:
    assert "ops.metrics" not in shop.runs["late"].tables  # the run that was cut off left them
    assert shop.runs["late"].tables["ops.checks"].rows_written > 0
    assert not shop.runs["again"].tables
    assert shop.runs["again"].status == "succeeded"
    metrics, checks = shop.rows(spark, METRICS), shop.rows(spark, CHECKS)
    assert not metrics.duplicated(["model_name", "cutoff_date", "metric"]).any()
    assert not checks.duplicated(["as_of_date", "check", "subject"]).any()
    with job_run(spark, shop.config, "a_test", DAY) as job:
        plan = DayPlan.of(job)
        targets = check_outcomes.targets(plan)
        assert [one.output.as_of_date for one in targets] == [BACKFILLED, FIRST, SECOND]
        assert not due(job.state, targets)


def test_a_shift_of_one_feature_raises_exactly_one_alert(spark: SparkSession, shop: Shop) -> None:
    rows = shop.rows(spark, CHECKS)
    drifted = rows[(rows["check"] == "feature_drift") & (rows["level"] == "warning")]
    assert list(drifted["subject"]) == [SHIFTED]
    assert list(drifted["as_of_date"]) == [DAY]
    assert "train churn again" in drifted["message"].iloc[0]
    by_check = rows[rows["as_of_date"] == DAY].set_index("check")["level"]
    assert by_check["score_drift"] == by_check["outcomes_ranking"] == "ok"
    # Nothing was scored by this version before its first date.
    early = rows[rows["as_of_date"] == SECOND]
    assert set(early["check"]) == {"outcomes_calibration", "outcomes_ranking", "feature_drift"}
    assert "score.psi" not in shop.figures(spark, FIRST).index
    assert shop.figures(spark, SECOND)["value"]["score.psi"] < 0.1


def test_the_report_shows_what_was_known_on_its_day(spark: SparkSession, shop: Shop) -> None:
    found = {}
    for day in (FIRST, SECOND, DAY):
        with job_run(spark, shop.config, "a_test", day) as job:
            request = ReportRequest(job, day, shop.config.mapped, ReportSection())
            found[day] = read_outcomes(request, "crm_spark_churn")
    assert outcomes_section(found[FIRST]) is None
    assert [one.day for one in found[SECOND]] == [FIRST]
    assert [one.day for one in found[DAY]] == [SECOND, FIRST]
    assert found[DAY][0].actual == _scores(spark, shop, SECOND)["left"].sum()
