"""Value of customers who are all alike, came once, spent nothing or less, or come only later."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from shop import shop_config

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.jobs import build_features, ingest_sources, score_value, train_value
from crm_spark.lake.delta import Lake
from crm_spark.models.value.tables import CUSTOMER_VALUE
from crm_spark.runtime.session import session_settings

FIRST, AS_OF = date(2024, 1, 1), date(2024, 7, 1)
N_WEEKLY, N_ONCE = 60, 20
AMOUNT = 10


def configured(folder: Path, customers: dict[str, list[tuple[date, float]]]) -> Config:
    """Write the order lines of customers, and give the configuration that loads them."""
    lines = ["customer,order,product,at,pieces,price"]
    for customer, bought in customers.items():
        lines += [
            f"{customer},{customer}_{day},p{place},{day} 12:00:00,1,{price}"
            for place, (day, price) in enumerate(bought)
        ]
    (folder / "shop.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return shop_config(
        folder,
        "lake",
        "sources.transactions.cleaning.negative_amounts=keep",
        "value.horizons_days=[28, 56]",
        "value.candidates=[mbg_cnbd_k, average_of_two]",
    )


def weekly(*prices: float) -> list[tuple[date, float]]:
    """Give an order a week with lines of these prices, up to the day before the date."""
    days = range(1, (AS_OF - FIRST).days, 7)
    return [(FIRST + timedelta(days=day), price) for day in days for price in prices]


@dataclass(frozen=True)
class Shop:
    """What became of the customers: the scores by customer, the figures by model and name."""

    scores: dict[str, Row]
    figures: dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    once = {f"once {i}": [(FIRST + timedelta(days=9 * i), float(AMOUNT))] for i in range(N_ONCE)}
    config = configured(
        tmp_path_factory.mktemp("edges"),
        {
            **{f"weekly {i}": weekly(AMOUNT) for i in range(N_WEEKLY)},
            **once,
            "free": weekly(0),
            "below nothing": weekly(AMOUNT, -1.5 * AMOUNT),
            "later": [(AS_OF + timedelta(days=1), float(AMOUNT))],
        },
    )
    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, AS_OF)
        train_value.run(spark, config, AS_OF)
        score_value.run(spark, config, AS_OF)
        lake = Lake(spark, config.storage, "test")
        rows = lake.read_date(CUSTOMER_VALUE, AS_OF).collect()
        metrics = spark.read.format("delta").load(f"{config.storage.root}/ops/metrics").collect()
    newest = max(row["cutoff_date"] for row in metrics)
    return Shop(
        {row["customer_id"]: row for row in rows},
        {
            (row["model_name"], row["metric"]): row["value"]
            for row in metrics
            if row["cutoff_date"] == newest
        },
    )


@pytest.fixture(scope="module")
def scores(shop: Shop) -> dict[str, Row]:
    return shop.scores


@pytest.fixture(scope="module")
def figures(shop: Shop) -> dict[tuple[str, str], float]:
    return shop.figures


def test_who_comes_only_later_has_no_value_yet_and_everybody_else_has_one(
    scores: dict[str, Row],
) -> None:
    assert len(scores) == N_WEEKLY + N_ONCE + 2
    assert "later" not in scores
    for row in scores.values():
        amounts = [one["expected_amount"] for one in row["by_horizon"]]
        assert all(math.isfinite(amount) and amount >= 0 for amount in amounts)
        assert amounts == sorted(amounts)
        ends = [one["expected_amount_low"] for one in row["by_horizon"]]
        ends += [one["expected_amount_high"] for one in row["by_horizon"]]
        assert all(math.isfinite(end) and end >= 0 for end in ends)


def test_models_of_orders_come_near_where_a_rule_is_exact(
    figures: dict[tuple[str, str], float],
) -> None:
    # What all of them spent in the 28 days before is what they spend: nothing can beat it.
    assert figures["carried_forward", "mean_absolute_error"] < 0.02 * 4 * AMOUNT
    for name in ("mbg_cnbd_k", "average_of_two"):
        assert figures[name, "mean_absolute_error"] < 0.1 * 4 * AMOUNT
        assert figures[name, "total_ratio"] == pytest.approx(1, abs=0.1)
        assert figures[name, "coverage_80_percent"] > 0.75


def test_those_who_are_all_alike_are_worth_the_same_which_is_what_they_spend(
    scores: dict[str, Row],
) -> None:
    rows = [scores[f"weekly {i}"] for i in range(N_WEEKLY)]
    columns = ("expected_amount", "expected_amount_low", "expected_amount_high", "value_score")
    assert {tuple(row[name] for name in columns) for row in rows} == {
        tuple(rows[0][name] for name in columns)
    }
    assert rows[0]["expected_amount"] == pytest.approx(4 * AMOUNT, rel=0.1)
    assert rows[0]["expected_amount_low"] <= 4 * AMOUNT <= rows[0]["expected_amount_high"]
    for one, days in zip(rows[0]["by_horizon"], (28, 56), strict=True):
        assert one["expected_amount_low"] <= days / 7 * AMOUNT <= one["expected_amount_high"]


def test_one_order_no_money_and_less_than_none_are_worth_less_than_every_week(
    scores: dict[str, Row],
) -> None:
    of_weekly = scores["weekly 0"]["expected_amount"]
    for i in range(N_ONCE):
        assert scores[f"once {i}"]["expected_amount"] < of_weekly
    for name in ("free", "below nothing"):
        assert scores[name]["expected_amount"] < 0.2 * of_weekly
        assert scores[name]["value_tier"] != "top_50_percent"


def test_one_customer_in_all_is_told_to_be_too_few(spark: SparkSession, tmp_path: Path) -> None:
    config = configured(tmp_path, {"alone": weekly(AMOUNT)})
    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, AS_OF)
        with pytest.raises(DataError, match=r"1 customer\b"):
            train_value.run(spark, config, AS_OF)
        assert not Lake(spark, config.storage, "test").exists(CUSTOMER_VALUE)
