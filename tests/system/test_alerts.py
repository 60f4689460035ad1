"""Early warning: alerts by the rule until a backtest has measured better, each silence once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from shop import shop_config, write_shop

from crm_spark.config import Config
from crm_spark.jobs import (
    backtest_alerts,
    build_features,
    ingest_sources,
    raise_alerts,
    score_churn,
    train_churn,
    write_report,
)
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.alert_backtest import policies_row
from crm_spark.models.churn.tables import CUSTOMER_ALERTS, CUSTOMER_CHURN
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.graph import due
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.runtime.session import session_settings
from crm_spark.tables.ops import METRICS

pytestmark = pytest.mark.long

FIRST, SECOND = date(2024, 6, 18), date(2024, 6, 27)
LAPSE, SILENT, COOL_DOWN = 30, 15, 20
SETTINGS = (
    "models=[churn]",
    "churn.candidates=[logistic_regression]",
    f"churn.alerts.lapse_days={LAPSE}",
    f"churn.alerts.cool_down_days={COOL_DOWN}",
    "churn.alerts.backtest_days=100",
)


@dataclass(frozen=True)
class Shop:
    """The shop after alerts of two dates; `again` is the second run of the first."""

    config: Config
    folder: Path
    checksums: dict[str, str]

    def alerts(self, spark: SparkSession, day: date) -> pd.DataFrame:
        """Give the alerts of a date by customer."""
        lake = Lake(spark, self.config.storage, "test")
        return lake.read_date(CUSTOMER_ALERTS, day).toPandas().set_index("customer_id")

    def scores(self, spark: SparkSession, day: date) -> pd.DataFrame:
        """Give the scores of a date by customer."""
        lake = Lake(spark, self.config.storage, "test")
        return lake.read_date(CUSTOMER_CHURN, day).toPandas().set_index("customer_id")

    def last_orders(self, day: date) -> pd.Series[Any]:
        """Give the last day with an order before a date, by customer, from the file."""
        lines = pd.read_csv(self.folder / "shop.csv", parse_dates=["at"])
        # The file's stamps are UTC at noon and later: the same day in New York.
        days = lines["at"].dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.date
        before = lines.assign(day=days)[days < day]
        return before.groupby("customer")["day"].max()


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("alerts")
    write_shop(folder / "shop.csv", n_customers=300)
    config = shop_config(folder, "lake", *SETTINGS, f"report.path={folder / 'report.html'}")
    checksums = {}

    def alerted(day: date) -> str:
        summary = raise_alerts.run(spark, config, day)
        return summary.tables[CUSTOMER_ALERTS.name].content_checksum

    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, FIRST)
        train_churn.run(spark, config, FIRST)
        score_churn.run(spark, config, FIRST)
        checksums["first"], checksums["again"] = alerted(FIRST), alerted(FIRST)
        build_features.run(spark, config, SECOND)
        score_churn.run(spark, config, SECOND)
        backtest_alerts.run(spark, config, SECOND)
        checksums["second"], checksums["second again"] = alerted(SECOND), alerted(SECOND)
        write_report.run(spark, config, SECOND)
        yield Shop(config, folder, checksums)


def _silent(shop: Shop, day: date, customers: pd.Index[Any]) -> pd.Series[Any]:
    last = shop.last_orders(day).reindex(customers)
    return last.map(lambda one: (day - one).days)


def test_without_a_backtest_alerts_follow_the_rule(spark: SparkSession, shop: Shop) -> None:
    alerts, scores = shop.alerts(spark, FIRST), shop.scores(spark, FIRST)
    silent = _silent(shop, FIRST, scores.index)
    expected = silent[(silent >= SILENT) & (silent < LAPSE)]
    assert len(expected) > 5
    assert set(alerts.index) == set(expected.index)
    assert dict(alerts["days_silent"]) == dict(expected)
    assert set(alerts["raised_by"]) == {"silence"}
    assert set(alerts["threshold"]) == {SILENT}
    assert set(alerts["lapse_date"] - alerts["last_order_date"]) == {timedelta(days=LAPSE)}


def test_the_probability_of_a_lapse_is_that_of_no_order_in_the_days_left(
    spark: SparkSession, shop: Shop
) -> None:
    alerts = shop.alerts(spark, FIRST)
    p = shop.scores(spark, FIRST)["churn_probability"].reindex(alerts.index)
    left = LAPSE - alerts["days_silent"]
    assert alerts["churn_probability"].to_list() == p.to_list()
    assert alerts["lapse_probability"].to_numpy() == pytest.approx(p ** (left / 21), abs=1e-9)
    assert alerts["least_probability"].isna().all()  # no score before


def test_nobody_is_named_twice_in_a_silence_nor_in_the_cool_down(
    spark: SparkSession, shop: Shop
) -> None:
    first, second = shop.alerts(spark, FIRST), shop.alerts(spark, SECOND)
    assert len(second) > 0
    # Both dates lie within the cool-down.
    assert (SECOND - FIRST).days < COOL_DOWN
    assert not set(first.index) & set(second.index)
    scored = shop.scores(spark, FIRST).index
    before = shop.scores(spark, FIRST)["churn_probability"].reindex(second.index)
    is_known = second.index.isin(scored)
    assert is_known.any()
    assert second["least_probability"][is_known].to_list() == before[is_known].to_list()
    assert second["least_probability"][~is_known].isna().all()


def test_a_backtest_measures_every_policy_and_says_which_is_used(
    spark: SparkSession, shop: Shop
) -> None:
    lake = Lake(spark, shop.config.storage, "test")
    rows = lake.read(METRICS).where("job = 'backtest_alerts'").toPandas()
    kinds = {name.removeprefix("alerts.") for name in rows["model_name"]}
    assert {"recency", "decayed_orders", "logistic_regression"} <= kinds
    of_kind = rows[rows["model_name"] == "alerts.logistic_regression"]
    quoted = of_kind[of_kind["cutoff_date"] == of_kind["cutoff_date"].max()].set_index("metric")
    assert quoted["value"]["silence.threshold"] == SILENT
    # Every lapse passes the 15th day of silence, and dates are a week apart.
    assert quoted["value"]["silence.recall"] > 0.9
    assert SILENT - 7 < quoted["value"]["silence.lead_days"] <= SILENT
    with job_run(spark, shop.config, "a_test", SECOND) as job:
        row = policies_row(job.config.churn, SECOND, job.state)
        before = policies_row(job.config.churn, FIRST, job.state)
        other = job.config.churn.model_copy(update={"seed": 2})
        assert policies_row(other, SECOND, job.state) is None
    assert row is not None
    assert before is None
    assert kinds == set(row.facts)


def test_alerts_again_are_the_same_and_current(spark: SparkSession, shop: Shop) -> None:
    assert shop.checksums["first"] == shop.checksums["again"]
    assert shop.checksums["second"] == shop.checksums["second again"]
    for day in (FIRST, SECOND):
        with job_run(spark, shop.config, "a_test", day) as job:
            assert not due(job.state, raise_alerts.targets(DayPlan.of(job)))


def test_the_report_names_whom_to_reach_and_how_well_that_warned(shop: Shop) -> None:
    page = (shop.folder / "report.html").read_text("utf-8")
    assert "Early warning: whom to reach now" in page
    assert "In the backtest" in page
