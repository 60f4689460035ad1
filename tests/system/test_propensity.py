"""Propensity from the command line's jobs on: a made-up shop whose customers have favourites."""

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
    backtest_propensity,
    build_features,
    ingest_sources,
    score_propensity,
    train_propensity,
)
from crm_spark.lake.delta import Lake
from crm_spark.models.propensity.tables import CUSTOMER_PROPENSITY, PROPENSITY_AUDIENCES
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.session import session_settings

AS_OF = date(2024, 7, 1)
FIRST_DAY = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - the file has no zones
N_CUSTOMERS, N_PRODUCTS = 240, 6
RULES = {"usual_share", "own_activity", "own_rate", "recent_rate", "decayed_counts"}


def write_favourites(path: Path) -> None:
    """Write weekly orders: of the product by the customer's number mostly, or of any."""
    draw = random.Random(11)
    lines = ["customer,order,product,at,pieces,price"]
    for customer in range(N_CUSTOMERS):
        for week in range(26):
            at = FIRST_DAY + timedelta(days=7 * week + draw.randrange(7))
            if draw.random() < 0.7:
                is_favourite = draw.random() < 0.8
                product = customer % N_PRODUCTS if is_favourite else draw.randrange(N_PRODUCTS)
                lines.append(f"c{customer},o{len(lines)},p{product},{at},1,2.50")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Scored:
    """The shop, loaded, trained and scored as of the first of July."""

    config: Config
    folder: Path
    trained: RunSummary
    scored: RunSummary
    rows: pd.DataFrame
    audiences: pd.DataFrame

    def metrics(self, spark: SparkSession, run_id: str) -> pd.DataFrame:
        found = spark.read.format("delta").load(f"{self.folder}/lake/ops/metrics")
        return found.where(found.run_id == run_id).toPandas()


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scored]:
    folder = tmp_path_factory.mktemp("propensity")
    write_favourites(folder / "shop.csv")
    config = shop_config(folder, "lake", "models=[propensity]", "propensity.horizon_days=21")
    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, AS_OF)
        trained = train_propensity.run(spark, config, AS_OF)
        scored = score_propensity.run(spark, config, AS_OF)
        lake = Lake(spark, config.storage, "test")
        tables = (CUSTOMER_PROPENSITY, PROPENSITY_AUDIENCES)
        rows, audiences = (lake.read_date(table, AS_OF).toPandas() for table in tables)
        yield Scored(config, folder, trained, scored, rows, audiences)


def test_every_customer_has_a_probability_for_every_product(shop: Scored) -> None:
    bought = pd.read_csv(shop.folder / "shop.csv")
    assert len(shop.rows) == bought["customer"].nunique() * N_PRODUCTS
    assert shop.rows["purchase_probability"].between(0, 1).all()
    assert set(shop.rows["level"]) == {"product"}
    assert shop.rows["department"].isna().all()


def test_favourites_are_the_most_probable(shop: Scored) -> None:
    best = shop.rows.sort_values("purchase_probability").groupby("customer_id").last()
    number = best.index.str[1:].astype(int) % N_PRODUCTS
    assert (best["product_id"] == [f"p{one}" for one in number]).mean() > 0.95


def test_probabilities_come_true_on_the_cutoff_that_was_not_seen(
    spark: SparkSession, shop: Scored
) -> None:
    found = shop.metrics(spark, shop.trained.run_id)
    newest = found[found["cutoff_date"] == found["cutoff_date"].max()]
    values = newest.set_index(["model_name", "metric"])["value"]
    assert set(newest["model_name"]) == {*RULES, "pooled_regression"}
    for name in ("own_rate", "decayed_counts", "pooled_regression"):
        expected, is_buyer = values[name, "expected_buyers"], values[name, "actual_buyers"]
        assert expected == pytest.approx(is_buyer, rel=0.1)
        assert values[name, "calibration_error"] < 0.05
    # Four of five buyers are those whose favourite it is: a sixth of the customers.
    assert values["own_rate", "average_precision"] > 2 * values["usual_share", "average_precision"]
    assert values["own_rate", "audience_70_percent.product"] < 0.4
    # All customers alike hold buyers as they hold customers.
    assert values["usual_share", "audience_70_percent.product"] == pytest.approx(0.7)


def test_audiences_hold_the_share_of_the_expected_buyers(shop: Scored) -> None:
    for one in shop.audiences.itertuples():
        rows = shop.rows[shop.rows["target_id"] == one.target_id]
        total = rows["purchase_probability"].sum()
        assert one.expected_buyers == pytest.approx(total)
        assert one.n_customers == len(rows)
        for reach in (50, 70, 90):
            inside = rows[rows["reach_percent"] <= reach]
            assert len(inside) == getattr(one, f"audience_{reach}_percent")
            # Of customers of the last bin lots are drawn: some are of it and others are not.
            held = inside["purchase_probability"].sum()
            assert held == pytest.approx(reach / 100 * total, abs=2.5)
            least = inside["purchase_probability"].min()
            outside = rows[~(rows["reach_percent"] <= reach)]["purchase_probability"]
            assert outside.empty or outside.max() <= least * 1.001


def test_what_was_bought_before_stands_beside_the_probability(shop: Scored) -> None:
    lines = pd.read_csv(shop.folder / "shop.csv", parse_dates=["at"])
    lines["day"] = lines["at"].dt.date
    days = lines.groupby(["customer", "product"])["day"].agg(["nunique", "max"])
    rows = shop.rows.set_index(["customer_id", "product_id"])
    bought = rows[rows["n_days_bought"] > 0]
    assert len(bought) == len(days)
    assert (bought["n_days_bought"].sort_index() == days["nunique"].sort_index()).all()
    silence = [(AS_OF - day).days - 1 for day in days["max"].sort_index()]
    assert (bought["days_since_bought"].sort_index() == silence).all()
    assert rows[rows["n_days_bought"] == 0]["days_since_bought"].isna().all()


def test_what_the_test_came_to_stands_beside_each_product(
    spark: SparkSession, shop: Scored
) -> None:
    assert set(shop.audiences["product_id"]) == {f"p{one}" for one in range(N_PRODUCTS)}
    found = shop.metrics(spark, shop.trained.run_id)
    newest = found[found["cutoff_date"] == found["cutoff_date"].max()]
    values = newest[newest["metric"] == "average_precision"].set_index("model_name")["value"]
    decisions = spark.read.format("delta").load(f"{shop.folder}/lake/ops/model_decisions")
    kind = {row["is_champion"]: row["kind"] for row in decisions.collect()}
    tested = shop.audiences["tested_average_precision"].mean()
    assert tested == pytest.approx(values[kind[True]], abs=1e-5)
    # Where the rule scores, it stands beside itself.
    of_rule = shop.audiences["rule_average_precision"].mean()
    rule = next(name for name in kind.values() if name in RULES)
    assert of_rule == pytest.approx(values[rule], abs=1e-5)


def test_the_same_inputs_make_the_same_version_and_rows(spark: SparkSession, shop: Scored) -> None:
    trained = train_propensity.run(spark, shop.config, AS_OF)
    assert trained.models == shop.trained.models
    scored = score_propensity.run(spark, shop.config, AS_OF)
    for table in (CUSTOMER_PROPENSITY, PROPENSITY_AUDIENCES):
        counts = scored.tables[table.name]
        assert counts.content_checksum == shop.scored.tables[table.name].content_checksum


def test_the_backtest_walks_over_closed_cutoffs(spark: SparkSession, shop: Scored) -> None:
    walked = backtest_propensity.run(spark, shop.config, AS_OF)
    found = shop.metrics(spark, walked.run_id)
    assert set(found["model_name"]) >= {*RULES, "pooled_regression"}
    days = sorted(set(found["cutoff_date"]))
    assert np.diff(days).tolist() == [timedelta(days=21)] * (len(days) - 1)
    assert days[-1] <= AS_OF - timedelta(days=21)


def test_nothing_that_many_buy_is_refused_with_what_to_do(
    spark: SparkSession, shop: Scored
) -> None:
    config = shop_config(
        shop.folder,
        "lake",
        "models=[propensity]",
        "propensity.horizon_days=21",
        "propensity.fewest_buyers=500",
    )
    with pytest.raises(DataError, match=r"has 500 buyers in the 21 days.*fewest_buyers"):
        train_propensity.run(spark, config, AS_OF)


def test_too_little_history_is_refused(spark: SparkSession, shop: Scored) -> None:
    with pytest.raises(DataError, match="days of history are needed"):
        train_propensity.run(spark, shop.config, date(2024, 3, 1))
