"""Next purchase from the command line's jobs on: a made-up shop whose customers have rhythms."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from shop import shop_config

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.jobs import (
    backtest_next_purchase,
    build_features,
    ingest_sources,
    score_next_purchase,
    train_next_purchase,
)
from crm_spark.lake.delta import Lake
from crm_spark.models.next_purchase.candidates import CANDIDATES
from crm_spark.models.next_purchase.tables import CUSTOMER_NEXT_PURCHASE
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.session import session_settings

AS_OF = date(2024, 10, 1)
FIRST_DAY = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - the file has no zones
N_CUSTOMERS = 240
# Every third customer orders about weekly, every third every four weeks, every third has stopped.
WEEKLY, MONTHLY, STOPPED = range(3)
STOPPED_ON = FIRST_DAY + timedelta(days=90)


def write_rhythms(path: Path) -> None:
    """Write orders at the customers' own gaps, give or take a day or a few."""
    draw = random.Random(5)
    lines = ["customer,order,product,at,pieces,price"]
    for customer in range(N_CUSTOMERS):
        gap, spread = ((7, 1), (28, 4), (10, 3))[customer % 3]
        at = FIRST_DAY + timedelta(days=draw.randrange(gap))
        while at.date() < AS_OF:
            if customer % 3 != STOPPED or at < STOPPED_ON:
                lines.append(f"c{customer},o{len(lines)},p1,{at},1,2.50")
            at += timedelta(days=gap + draw.randint(-spread, spread))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Scored:
    """The shop, loaded, trained and scored as of the first of October."""

    config: Config
    folder: Path
    trained: RunSummary
    scored: RunSummary
    rows: pd.DataFrame

    def of(self, rhythm: int) -> pd.DataFrame:
        """Give the scores of the customers of a rhythm."""
        return self.rows[self.rows["customer_id"].str[1:].astype(int) % 3 == rhythm]

    def probability(self, rhythm: int, horizon_days: int) -> pd.Series:
        """Give their probabilities of an order in a horizon."""
        found = [
            next(one for one in row if one["horizon_days"] == horizon_days)["order_probability"]
            for row in self.of(rhythm)["by_horizon"]
        ]
        return pd.Series(found)

    def metrics(self, spark: SparkSession, run_id: str) -> pd.DataFrame:
        found = spark.read.format("delta").load(f"{self.folder}/lake/ops/metrics")
        return found.where(found.run_id == run_id).toPandas()


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scored]:
    folder = tmp_path_factory.mktemp("next_purchase")
    write_rhythms(folder / "shop.csv")
    config = shop_config(folder, "lake", "models=[next_purchase]")
    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, AS_OF)
        trained = train_next_purchase.run(spark, config, AS_OF)
        scored = score_next_purchase.run(spark, config, AS_OF)
        lake = Lake(spark, config.storage, "test")
        rows = lake.read_date(CUSTOMER_NEXT_PURCHASE, AS_OF).toPandas()
        yield Scored(config, folder, trained, scored, rows)


def test_every_customer_has_a_chance_of_every_horizon(shop: Scored) -> None:
    assert sorted(shop.rows["customer_id"]) == sorted(f"c{one}" for one in range(N_CUSTOMERS))
    for rhythm in (WEEKLY, MONTHLY, STOPPED):
        by_days = [shop.probability(rhythm, days) for days in (7, 28, 90)]
        assert (by_days[0] <= by_days[1]).all() and (by_days[1] <= by_days[2]).all()
    first = shop.rows["by_horizon"].map(lambda row: row[0]["order_probability"])
    assert (shop.rows["order_probability"] == first).all()
    assert set(shop.rows["horizon_days"]) == {28}


def test_chances_follow_the_rhythms(shop: Scored) -> None:
    assert shop.probability(WEEKLY, 28).min() > 0.95
    assert shop.probability(MONTHLY, 90).min() > 0.9
    assert shop.probability(MONTHLY, 7).mean() == pytest.approx(0.25, abs=0.1)
    assert shop.probability(STOPPED, 90).mean() < 0.05
    assert shop.probability(STOPPED, 90).max() < shop.probability(MONTHLY, 90).min() / 2


def test_the_expected_day_is_the_own_gap_after_the_last_order(shop: Scored) -> None:
    for rhythm, gap, allowed in ((WEEKLY, 7, 2), (MONTHLY, 28, 8)):
        rows = shop.of(rhythm)
        expected = pd.to_datetime(rows["expected_date"])
        last = pd.Timestamp(AS_OF) - pd.to_timedelta(rows["days_since_order"] + 1, unit="D")
        off = (expected - last).dt.days - gap
        assert off.abs().mean() < allowed
    assert shop.of(STOPPED)["expected_date"].isna().mean() > 0.95


def test_the_interval_holds_the_expected_day_and_begins_on_the_date(shop: Scored) -> None:
    low, middle, high = (
        pd.to_datetime(shop.rows[name])
        for name in ("expected_date_low", "expected_date", "expected_date_high")
    )
    assert (low[middle.notna()] <= middle.dropna()).all()
    assert (middle[high.notna()] <= high.dropna()).all()
    assert low.min() >= pd.Timestamp(AS_OF)


def test_what_is_known_of_the_rhythm_stands_beside_it(shop: Scored) -> None:
    lines = pd.read_csv(shop.folder / "shop.csv", parse_dates=["at"])
    days = lines.groupby("customer")["at"].agg(
        lambda at: sorted(set(at.dt.date))  # type: ignore[arg-type, return-value]
    )
    rows = shop.rows.set_index("customer_id")
    for customer, found in days.items():
        row = rows.loc[str(customer)]
        assert row["n_order_days"] == len(found)
        assert row["days_since_order"] == (AS_OF - found[-1]).days - 1
        gap = (found[-1] - found[0]).days / (len(found) - 1)
        assert row["mean_gap_days"] == pytest.approx(gap)


def test_chances_and_days_hold_on_cutoffs_that_were_not_seen(
    spark: SparkSession, shop: Scored
) -> None:
    found = shop.metrics(spark, shop.trained.run_id)
    newest = found[found["cutoff_date"] == found["cutoff_date"].max()]
    values = newest.set_index(["model_name", "metric"])["value"]
    assert set(newest["model_name"]) == {one.name for one in CANDIDATES}
    assert values["own_gap", "expected_customers"] == pytest.approx(
        values["own_gap", "actual_customers"], rel=0.1
    )
    # Weekly and monthly buyers order nearly all of them, those who stopped never: rhythms and
    # silence tell, the usual share does not.
    assert values["usual_share", "auc"] == pytest.approx(0.5)
    assert values["hazard_regression", "auc"] > 0.95
    longer = found[found["metric"] == "auc.90d"]
    assert set(longer["cutoff_date"]) == {
        AS_OF - timedelta(days=90),
        AS_OF - timedelta(days=28) - timedelta(days=90),
    }
    of_days = found[found["cutoff_date"] == AS_OF - timedelta(days=90)]
    off = of_days[of_days["metric"] == "days_off.90d"].set_index("model_name")["value"]
    assert off["hazard_regression"] < 6 < 20 < off["usual_share"]


def test_the_same_inputs_make_the_same_version_and_rows(spark: SparkSession, shop: Scored) -> None:
    trained = train_next_purchase.run(spark, shop.config, AS_OF)
    assert trained.models == shop.trained.models
    scored = score_next_purchase.run(spark, shop.config, AS_OF)
    name = CUSTOMER_NEXT_PURCHASE.name
    before, after = shop.scored.tables[name], scored.tables[name]
    assert after.content_checksum == before.content_checksum


def test_the_backtest_walks_over_closed_cutoffs(spark: SparkSession, shop: Scored) -> None:
    walked = backtest_next_purchase.run(spark, shop.config, AS_OF)
    found = shop.metrics(spark, walked.run_id)
    assert set(found["model_name"]) >= {one.name for one in CANDIDATES}
    days = sorted(set(found[found["metric"] == "log_loss"]["cutoff_date"]))
    assert np.diff(days).tolist() == [timedelta(days=28)] * (len(days) - 1)
    assert len(days) == 4
    assert days[-1] <= AS_OF - timedelta(days=28)


def test_too_little_history_is_refused(spark: SparkSession, shop: Scored) -> None:
    with pytest.raises(DataError, match="days of history are needed"):
        train_next_purchase.run(spark, shop.config, date(2024, 3, 1))


def test_a_horizon_that_never_closed_is_left_empty_and_said(
    spark: SparkSession, shop: Scored
) -> None:
    early = date(2024, 5, 1)
    build_features.run(spark, shop.config, early)
    trained = train_next_purchase.run(spark, shop.config, early)
    score_next_purchase.run(spark, shop.config, early)
    rows = Lake(spark, shop.config.storage, "test").read_date(CUSTOMER_NEXT_PURCHASE, early)
    found = rows.selectExpr(
        "filter(by_horizon, one -> one.horizon_days = 90)[0].order_probability as p"
    )
    assert found.where("p is not null").count() == 0 < found.count()
    checks = spark.read.format("delta").load(f"{shop.folder}/lake/ops/checks")
    (verdict,) = checks.where(
        f"run_id = '{trained.run_id}' and check = 'closed_horizons'"
    ).collect()
    assert verdict["level"] == "warning"
    assert "horizon of 90 days" in verdict["message"]
