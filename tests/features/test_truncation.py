"""No feature sees the future, and builders of the field that do are found out by these tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from crm_spark.features.families import FEATURES
from crm_spark.features.snapshot import customer_snapshot
from crm_spark.models.churn.labels import churn_labels
from crm_spark.models.feature_health import measure_features
from crm_spark.models.feature_selection import select_features
from tests.features.as_stored import known_orders, stored_orders
from tests.features.oracle import Line, as_frame

HORIZON = 28
TRAINED, TESTED = date(2024, 4, 1), date(2024, 4, 29)
NEWEST = date(2024, 6, 30)
N_CUSTOMERS = 240
Builder = Callable[[DataFrame, Sequence[date]], DataFrame]


def built_as_of(lines: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Build snapshots with the code under test."""
    known = known_orders(lines, dates)
    return customer_snapshot(known, lines, None, dates=dates, horizon_days=HORIZON)


def built_as_of_today(lines: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Build features WRONGLY, as two public churn projects do, which report an AUC of .998.

    They are of the newest row's date, whatever the date asked for: recency is a feature, and
    recency above a limit is the label.
    """
    today = F.max("_today")
    with_today = lines.crossJoin(
        lines.agg(F.date_add(F.to_date(F.max("ordered_at")), 1).alias("_today"))
    )
    of_today = (
        with_today.where("not is_return")
        .groupBy("customer_id")
        .agg(
            F.countDistinct("order_id").alias("n_orders"),
            F.sum("amount").cast("double").alias("spend_amount"),
            (F.datediff(today, F.to_date(F.max("ordered_at"))) - 1).alias("days_since_last_order"),
        )
    )
    known = [feature.name for feature in FEATURES if feature.name not in of_today.columns]
    empty = of_today.select("*", *[F.lit(None).cast("double").alias(name) for name in known])
    of_dates = F.explode(F.array(*[F.lit(day) for day in dates])).alias("as_of_date")
    return empty.select("*", of_dates)


def without_arrivals(builder: Builder) -> Builder:
    """Build features WRONGLY, from what is known of the lines now instead of what was known."""

    def build(lines: DataFrame, dates: Sequence[date]) -> DataFrame:
        now = lines.where("superseded_at is null")
        return builder(now.withColumn("arrived_at", F.col("ordered_at")), dates)

    return build


def at(day: float) -> datetime:
    return datetime(2024, 1, 1, 15, tzinfo=UTC) + timedelta(days=day)


def drawn_lines() -> list[Line]:
    """Draw half a year of orders; of those who stay away, the last orders are credited afterwards.

    The credit is a version of the line that arrives five weeks after the silence began: a column
    that is filled from the future only. Some lines are late, some are corrected.
    """
    draw = random.Random(11)
    lines: list[Line] = []
    n_days = (NEWEST - date(2024, 1, 1)).days
    for customer in range(N_CUSTOMERS):
        rhythm = draw.choice([4, 7, 10, 15])
        stops = draw.choice([draw.randrange(60, n_days), n_days, n_days])
        day = float(draw.randrange(20))
        own: list[Line] = []
        while day < stops:
            late = draw.choice([0, 0, 0, 0, 3, 20])
            own.append(
                Line(
                    f"c{customer}",
                    order_id=f"o{customer}-{len(own)}",
                    product_id=f"p{draw.randrange(8)}",
                    ordered_at=at(day),
                    arrived_at=at(day + late),
                    superseded_at=None,
                    amount=Decimal(draw.randrange(100, 5000)) / 100,
                    discount_amount=Decimal(0),
                )
            )
            day += max(1, draw.gauss(rhythm, rhythm / 3))
        credited = [line for line in own if stops < n_days and line.ordered_at > at(stops - 30)]
        for line in own:
            if line in credited:
                known = max(line.arrived_at, at(stops + 35))
                lines.append(replace(line, superseded_at=known))
                lines.append(replace(line, arrived_at=known, discount_amount=Decimal(5)))
            elif draw.random() < 0.1:
                known = line.arrived_at + timedelta(days=draw.randrange(1, 50))
                lines.append(replace(line, superseded_at=known))
                lines.append(replace(line, arrived_at=known, amount=line.amount * 2))
            else:
                lines.append(line)
    return lines


LINES = drawn_lines()


def is_past(moment: datetime, day: date) -> bool:
    # The session's time zone is New York's: four hours behind in summer.
    return moment < datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def ordered_before(lines: Sequence[Line], day: date) -> list[Line]:
    return [line for line in lines if is_past(line.ordered_at, day)]


def arrived_before(lines: Sequence[Line], day: date) -> list[Line]:
    """Give what had arrived; what a later version replaced was not replaced yet."""
    return [
        line
        if line.superseded_at is None or is_past(line.superseded_at, day)
        else replace(line, superseded_at=None)
        for line in lines
        if is_past(line.arrived_at, day)
    ]


def rows_of(spark: SparkSession, builder: Builder, lines: Sequence[Line], day: date) -> list[Any]:
    return sorted(map(tuple, builder(as_frame(spark, lines), [day]).collect()))


def what_it_sees(spark: SparkSession, builder: Builder, day: date) -> set[str]:
    """Tell which parts of the future change the features of a date."""
    whole = rows_of(spark, builder, LINES, day)
    assert whole
    futures = {"orders": ordered_before(LINES, day), "arrivals": arrived_before(LINES, day)}
    return {
        name
        for name, lines in futures.items()
        if len(lines) == len(LINES) or rows_of(spark, builder, lines, day) != whole
    }


def test_features_see_neither_later_orders_nor_later_arrivals(spark: SparkSession) -> None:
    assert what_it_sees(spark, built_as_of, TESTED) == set()


@pytest.mark.parametrize(
    ("builder", "seen"),
    [
        (built_as_of_today, {"orders", "arrivals"}),
        (without_arrivals(built_as_of), {"arrivals"}),
    ],
    ids=["as of today", "as known now"],
)
def test_a_builder_that_sees_the_future_is_found_out(
    spark: SparkSession, builder: Builder, seen: set[str]
) -> None:
    assert what_it_sees(spark, builder, TESTED) == seen


def auc_gain(table: pd.DataFrame, columns: Sequence[str]) -> tuple[float, float, float]:
    """Give by how much these columns raise the AUC of a forest at a later cut-off, and its 95 %."""
    names = [feature.name for feature in FEATURES]
    fitted = table[table["as_of_date"] == TRAINED]
    tested = table[table["as_of_date"] == TESTED]
    label = tested["label"].to_numpy()

    def scores(inputs: list[str]) -> Any:
        forest = RandomForestClassifier(200, min_samples_leaf=5, random_state=3)
        forest.fit(fitted[inputs].fillna(-1), fitted["label"])
        return forest.predict_proba(tested[inputs].fillna(-1))[:, 1]

    with_them, without = scores(names), scores([n for n in names if n not in columns])
    draw = np.random.default_rng(5)
    gains = []
    for _ in range(400):
        rows = draw.integers(0, len(label), len(label))
        if 0 < label[rows].sum() < len(rows):
            gains.append(
                roc_auc_score(label[rows], with_them[rows])
                - roc_auc_score(label[rows], without[rows])
            )
    gain = roc_auc_score(label, with_them) - roc_auc_score(label, without)
    low, high = np.percentile(gains, [2.5, 97.5])
    return float(gain), float(low), float(high)


def labelled(spark: SparkSession, builder: Builder) -> DataFrame:
    lines = as_frame(spark, LINES)
    dates = [TRAINED, TESTED]
    return churn_labels(
        builder(lines, dates),
        stored_orders(lines),
        lines,
        dates=dates,
        horizon_days=HORIZON,
        grace_days=0,
        active_days=42,
    )


CREDITS = [feature.name for feature in FEATURES if "discount" in feature.name]


def test_a_column_filled_from_the_future_only_adds_no_auc(spark: SparkSession) -> None:
    _, low, high = auc_gain(labelled(spark, built_as_of).toPandas(), CREDITS)
    assert low <= 0 <= high
    # The same lines, the same model: what is known now gives the leavers away.
    gain, low, _ = auc_gain(labelled(spark, without_arrivals(built_as_of)).toPandas(), CREDITS)
    assert low > 0
    assert gain > 0.1


def test_recency_of_today_as_feature_and_label_is_a_suspected_leak(spark: SparkSession) -> None:
    lines = as_frame(spark, LINES)
    snapshot = built_as_of_today(lines, [TRAINED, TESTED])
    is_gone = F.col("days_since_last_order") >= HORIZON
    wrong = snapshot.withColumn("label", is_gone.cast("double"))
    measured = measure_features(wrong, training=[TRAINED], test=TESTED, label="label")
    leaks = select_features(measured).suspicions
    assert "days_since_last_order" in {leak.feature for leak in leaks}
    assert max(leak.auc for leak in leaks) > 0.99
