"""A shop that is scored each day and trained each Monday."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from shop import shop_config, write_shop

from crm_spark.config import Config
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import (
    build_features,
    promote_model,
    run_pipeline,
    score_churn,
    train_churn,
)
from crm_spark.lake.delta import Lake
from crm_spark.lake.state import Output
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.decisions import Decision, decisions
from crm_spark.models.registry import find_model
from crm_spark.models.segments.tables import CUSTOMER_SEGMENTS
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.graph import due
from crm_spark.pipeline.lifecycle import Run
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.checks import CHECKS
from crm_spark.tables.ops import MODEL_DECISIONS

pytestmark = pytest.mark.long

CHURN = find_model("churn")
MONDAY, WEDNESDAY, THURSDAY = date(2024, 6, 24), date(2024, 6, 26), date(2024, 6, 27)
NEXT_MONDAY = date(2024, 7, 1)
# It became known to the shop before the Monday, and to the lake after it.
LATE = "customer,order,product,at,pieces,price\nc1,late-1,p3,2024-06-11 10:00:00,1,4.50\n"


@dataclass
class Days:
    """What the pipeline did on two days, and the lake that it left."""

    config: Config
    runs: dict[date, RunSummary] = field(default_factory=dict)

    def jobs(self, day: date) -> list[str]:
        """Give the jobs that a day's pipeline ran."""
        return [job.job for job in self.runs[day].jobs]


@pytest.fixture(scope="module")
def days(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    """Run the pipeline on a Wednesday and, after a line that came late, on the Thursday."""
    folder = tmp_path_factory.mktemp("days")
    lines = folder / "lines"
    lines.mkdir()
    write_shop(lines / "shop.csv")
    config = shop_config(
        folder,
        "lake",
        f"sources.transactions.path={lines}",
        "models=[churn, segments]",
        "training.every_days=7",
        "segments.k=4",
        "segments.n_starts=1",
    )
    found = Days(config)
    found.runs[WEDNESDAY] = run_pipeline.run(spark, config, WEDNESDAY)
    (lines / "late.csv").write_text(LATE, encoding="utf-8")
    found.runs[THURSDAY] = run_pipeline.run(spark, config, THURSDAY)
    yield found


def test_models_are_trained_as_of_the_monday_and_score_the_day(
    spark: SparkSession, days: Days
) -> None:
    assert {"train_churn", "score_churn", "train_segments"} <= set(days.jobs(WEDNESDAY))
    lake = Lake(spark, days.config.storage, "test")
    decided = lake.read(MODEL_DECISIONS).select("as_of_date").distinct().collect()
    assert [row["as_of_date"] for row in decided] == [MONDAY]
    for table in (CUSTOMER_CHURN, CUSTOMER_SEGMENTS):
        assert set(lake.dates(table)) == {WEDNESDAY, THURSDAY}


def test_the_next_day_scores_alone_and_builds_no_cutoffs(spark: SparkSession, days: Days) -> None:
    jobs = days.jobs(THURSDAY)
    assert {"ingest_sources", "build_features", "score_churn", "score_segments"} <= set(jobs)
    assert not [job for job in jobs if job.startswith("train_")]
    run = Run(spark, days.config, RunSummary("a_test", as_of=THURSDAY), reads_only=True)
    plan = DayPlan.of(run)
    assert plan.feature_dates().snapshots == (THURSDAY,)
    made = {
        output.as_of_date
        for output in run.state.outputs(CUSTOMER_SNAPSHOT.name)
        if run.state.newest(output).run_id  # type: ignore[union-attr]
        in {job.run_id for job in days.runs[THURSDAY].jobs}
    }
    assert made == {THURSDAY}


def test_the_report_of_the_next_day_shows_who_scores_and_what_its_training_said_of_the_data(
    days: Days, spark: SparkSession
) -> None:
    lake = Lake(spark, days.config.storage, "test")
    pages = {
        day: Path(f"{lake.root}/reports/{day}.html").read_text(encoding="utf-8")
        for day in (WEDNESDAY, THURSDAY)
    }
    checks = lake.read(CHECKS).where(f"as_of_date = '{MONDAY}' AND level = 'warning'")
    messages = {row["message"] for row in checks.collect()}
    assert messages
    for page in pages.values():
        assert "What could not be had" not in page
        assert 'id="churn-quality"' in page
        assert "models trained as of 24 June 2024" in page
        assert all(html.escape(message) in page for message in messages)


def test_a_late_line_waits_for_the_next_monday(spark: SparkSession, days: Days) -> None:
    run = Run(spark, days.config, RunSummary("a_test", as_of=MONDAY), reads_only=True)
    # Of the Monday itself both features and training are behind.
    monday = DayPlan.of(run)
    stale = due(run.state, build_features.targets(monday))
    assert Output(CUSTOMER_SNAPSHOT.name, MONDAY) in stale
    assert due(run.state, train_churn.targets(monday))
    after = Run(spark, days.config, RunSummary("a_test", as_of=NEXT_MONDAY), reads_only=True)
    plan = DayPlan.of(after)
    assert plan.training_target(CHURN).output.as_of_date == NEXT_MONDAY
    assert len(plan.feature_dates().snapshots) > 3
    assert due(after.state, train_churn.targets(plan))


def test_a_training_job_by_itself_leaves_what_is_kept_alone(
    spark: SparkSession, days: Days
) -> None:
    before = decided(spark, days)
    train_churn.run(spark, days.config, THURSDAY)
    assert decided(spark, days) == before


def test_another_version_is_promoted_from_a_day_between_on(spark: SparkSession, days: Days) -> None:
    champion, other = sorted(decided(spark, days), key=lambda one: not one.is_champion)[:2]
    promote_model.run(spark, days.config, THURSDAY, model="churn", to=other.version)
    train_churn.run(spark, days.config, THURSDAY)  # as a scheduler does each day
    lake = Lake(spark, days.config.storage, "test")
    for day, version in {WEDNESDAY: champion.version, THURSDAY: other.version}.items():
        score_churn.run(spark, days.config, day)
        rows = lake.read_date(CUSTOMER_CHURN, day).select("model_version").distinct()
        assert [row["model_version"] for row in rows.collect()] == [version]


def decided(spark: SparkSession, days: Days) -> list[Decision]:
    """Give the decisions on churn."""
    return decisions(Lake(spark, days.config.storage, "test"), CHURN.registered_name)
