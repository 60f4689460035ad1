"""Demand from the command line's jobs on: a made-up shop whose weeks have a rhythm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from shop import shop_config, write_shop

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.jobs import (
    backtest_demand,
    build_features,
    forecast_demand,
    ingest_sources,
    train_demand,
)
from crm_spark.lake.delta import Lake
from crm_spark.models.demand.tables import DEMAND_FORECAST
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.session import session_settings

AS_OF = date(2024, 7, 1)
N_WEEKS = 4
CANDIDATES = {
    "seasonal_naive",
    "recent_mean",
    "exponential_smoothing",
    "pooled_regression",
    "mean_of_both",
}


@dataclass(frozen=True)
class Forecast:
    """The shop, loaded, trained and forecast as of the first of July."""

    config: Config
    folder: Path
    trained: RunSummary
    scored: RunSummary
    rows: pd.DataFrame

    def metrics(self, spark: SparkSession, run_id: str) -> pd.DataFrame:
        found = spark.read.format("delta").load(f"{self.folder}/lake/ops/metrics")
        return found.where(found.run_id == run_id).toPandas()


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forecast]:
    folder = tmp_path_factory.mktemp("demand")
    write_shop(folder / "shop.csv", all_stay=True)
    config = shop_config(folder, "lake", "models=[demand]")
    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, AS_OF)
        trained = train_demand.run(spark, config, AS_OF)
        scored = forecast_demand.run(spark, config, AS_OF)
        lake = Lake(spark, config.storage, "test")
        rows = lake.read_date(DEMAND_FORECAST, AS_OF).toPandas()
        yield Forecast(config, folder, trained, scored, rows)


def sold(folder: Path, *, weeks: int) -> pd.DataFrame:
    """Give the lines of the last weeks before the date, by the file."""
    lines = pd.read_csv(folder / "shop.csv", parse_dates=["at"])
    return lines[lines["at"] >= pd.Timestamp(AS_OF - timedelta(weeks=weeks))]


def test_every_series_has_a_row_for_each_week_from_the_date_on(shop: Forecast) -> None:
    rows = shop.rows
    assert rows["series_id"].nunique() == 1 + 20  # nothing is left of 20 products
    assert (rows.groupby("series_id").size() == N_WEEKS).all()
    starts = [AS_OF + timedelta(weeks=week) for week in range(N_WEEKS)]
    assert sorted(set(rows["period_start"])) == starts
    assert shop.scored.tables["scores.demand_forecast"].rows_written == len(rows)


def test_products_add_up_to_the_total_in_money_and_in_items(shop: Forecast) -> None:
    by_week = shop.rows.groupby(["level", "period_start"])
    for column in ("expected_amount", "expected_units", "usual_amount", "usual_units"):
        sums = by_week[column].sum().unstack(0)
        assert sums["product"].to_numpy() == pytest.approx(sums["total"].to_numpy())


def test_what_is_expected_is_near_what_was_sold_and_its_interval_around_it(shop: Forecast) -> None:
    lines = sold(shop.folder, weeks=8)
    total = shop.rows[shop.rows["level"] == "total"]
    assert total["usual_units"].to_numpy() == pytest.approx(len(lines) / 8)
    assert total["usual_amount"].to_numpy() == pytest.approx(lines["price"].sum() / 8)
    # Everybody comes each four days: there is nothing that would change it.
    assert total["expected_units"].to_numpy() == pytest.approx(len(lines) / 8, rel=0.1)
    assert (total["expected_units_low"] < total["expected_units"]).all()
    assert (total["expected_units_high"] > total["expected_units"]).all()


def test_every_candidate_is_measured_beside_the_rules(spark: SparkSession, shop: Forecast) -> None:
    rows = shop.metrics(spark, shop.trained.run_id)
    quoted = rows[rows["cutoff_date"] == AS_OF - timedelta(weeks=N_WEEKS)]
    for name in ("mase", "rmsse", "mase.total", "mase.product", "mase.product.units", "wape.total"):
        assert set(quoted.loc[quoted["metric"] == name, "model_name"]) == CANDIDATES
    ratio = quoted[quoted["metric"] == "total_ratio.units"]["value"]
    assert ((ratio > 0.85) & (ratio < 1.15)).all()


def test_a_second_training_makes_no_version_and_a_second_forecast_the_same_rows(
    spark: SparkSession, shop: Forecast
) -> None:
    trained = train_demand.run(spark, shop.config, AS_OF)
    scored = forecast_demand.run(spark, shop.config, AS_OF)
    table = DEMAND_FORECAST.name
    assert trained.models == shop.trained.models
    checksum = shop.scored.tables[table].content_checksum
    assert checksum and scored.tables[table].content_checksum == checksum


def test_days_are_forecast_as_weeks_are(spark: SparkSession, shop: Forecast) -> None:
    config = shop_config(
        shop.folder,
        "lake",
        "models=[demand]",
        "demand.period=day",
        "demand.horizon_periods=14",
        "demand.products=5",
    )
    train_demand.run(spark, config, AS_OF)
    forecast_demand.run(spark, config, AS_OF)
    lake = Lake(spark, config.storage, "test")
    rows = lake.read_date(DEMAND_FORECAST, AS_OF).toPandas()
    total = rows[rows["level"] == "total"].sort_values("period_start")
    assert list(total["period_start"]) == [AS_OF + timedelta(days=day) for day in range(14)]
    a_day = len(sold(shop.folder, weeks=8)) / 56
    assert total["expected_units"].mean() == pytest.approx(a_day, rel=0.1)
    assert rows["series_id"].nunique() == 1 + 5 + 1
    forecast_demand.run(spark, shop.config, AS_OF)


def test_a_walk_over_the_past_tells_every_candidate_at_four_cut_offs(
    spark: SparkSession, shop: Forecast
) -> None:
    walked = backtest_demand.run(spark, shop.config, AS_OF)
    rows = shop.metrics(spark, walked.run_id)
    errors = rows[rows["metric"] == "mase.product"]
    assert errors.groupby("model_name").size().to_dict() == dict.fromkeys(CANDIDATES, 3)
    # Two periods of the same rhythm: a mean of eight weeks is nearer than the last of them.
    means = errors.groupby("model_name")["value"].mean()
    assert means["recent_mean"] < means["seasonal_naive"]


def test_too_short_a_history_says_how_many_weeks_are_needed(
    spark: SparkSession, shop: Forecast
) -> None:
    with pytest.raises(DataError, match="17 weeks of history are needed"):
        train_demand.run(spark, shop.config, date(2024, 4, 1))
