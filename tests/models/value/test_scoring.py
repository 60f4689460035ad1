"""Scores in Arrow workers are those of the predictor at hand, of every horizon it was made for."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.value.histories import (
    ACTUAL_AMOUNT,
    ACTUAL_DAYS,
    AMOUNT,
    LOG_GAPS,
    REPEAT_AMOUNT,
    REPEATS,
    SPAN,
    TENURE,
    recent_amount,
)
from crm_spark.models.value.intervals import AlikeGroup
from crm_spark.models.value.machine import ThreeParts, fit_three_parts
from crm_spark.models.value.model import Customers, TestedOn, ValueModel
from crm_spark.models.value.scoring import score_customers, validation_rows

CUTOFF = date(2024, 6, 1)
HORIZONS = (28, 84)
N = 400


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Give rows of with_outcomes() of customers whose spend goes on as before, or has ended."""
    draw = np.random.default_rng(3)
    repeats = draw.integers(0, 30, N)
    tenure = draw.integers(60, 350, N)
    stays = draw.random(N) < 0.6
    span = np.where(repeats > 0, np.where(stays, tenure, tenure // 2), 0)
    rate, a_day = (repeats + 1) / tenure, draw.uniform(5, 50, N)
    days = np.where(stays, draw.poisson(rate * 28), 0)
    return pd.DataFrame(
        {
            "customer_id": [f"c{one:03d}" for one in range(N)],
            "as_of_date": CUTOFF,
            REPEATS: repeats,
            SPAN: span,
            TENURE: tenure,
            AMOUNT: (repeats + 1) * a_day,
            REPEAT_AMOUNT: repeats * a_day,
            **{recent_amount(one): np.where(stays, rate * one * a_day, 0.0) for one in HORIZONS},
            LOG_GAPS: 0.0,
            ACTUAL_AMOUNT: days * a_day,
            ACTUAL_DAYS: days,
        }
    )


@pytest.fixture(scope="module")
def customers(frame: pd.DataFrame) -> Customers:
    return Customers.of(frame, HORIZONS)


@pytest.fixture(scope="module")
def forest(customers: Customers) -> ThreeParts:
    return fit_three_parts([customers], 28, kind="forest", seed=1)


@pytest.fixture(scope="module")
def rows(spark: SparkSession, frame: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(frame)


def test_a_forest_scores_every_horizon(
    rows: DataFrame, customers: Customers, forest: ThreeParts
) -> None:
    histories = rows.drop(ACTUAL_AMOUNT, ACTUAL_DAYS)
    scored = score_customers(ValueModel("three_part_forest", forest, HORIZONS), histories)
    found = scored.orderBy("customer_id").toPandas()
    expected = forest.predict(customers, 28)
    assert found["expected_amount"].to_numpy() == pytest.approx(expected.amount)
    assert found["order_probability"].to_numpy() == pytest.approx(expected.order_probability)
    assert found["alive_probability"].isna().all()
    for row, amount in zip(found["by_horizon"], expected.amount, strict=True):
        assert [one["horizon_days"] for one in row] == [28, 84]
        assert [one["expected_amount"] for one in row] == pytest.approx([amount, 3 * amount])
        assert row[1]["order_probability"] is None


def test_each_horizon_has_the_interval_of_its_own_groups(
    rows: DataFrame, customers: Customers, forest: ThreeParts
) -> None:
    histories = rows.drop(ACTUAL_AMOUNT, ACTUAL_DAYS)
    first, second = (AlikeGroup(1e9, 1.0, 2.0),), (AlikeGroup(1e9, 3.0, 4.0),)
    for groups, longer in (({28: first, 84: second}, (3.0, 4.0)), ({28: first}, (None, None))):
        model = ValueModel("three_part_forest", forest, HORIZONS, groups=groups)
        row = score_customers(model, histories).first()
        assert row is not None
        ends = [
            (one["expected_amount_low"], one["expected_amount_high"]) for one in row["by_horizon"]
        ]
        assert ends == [(1.0, 2.0), longer]
        assert (row["expected_amount_low"], row["expected_amount_high"]) == (1.0, 2.0)


def test_what_was_expected_on_the_test_is_that_of_the_model_that_was_tested(
    rows: DataFrame, customers: Customers, forest: ThreeParts
) -> None:
    found = validation_rows(TestedOn(CUTOFF, forest), rows, HORIZONS)
    frame = found.orderBy("customer_id").toPandas()
    expected = forest.predict(customers, 28).amount
    assert frame["expected_amount"].to_numpy() == pytest.approx(expected)
    assert set(frame["horizon_days"]) == {28}
    assert frame["actual_amount"].to_numpy() == pytest.approx(customers.actual_amount)
    assert frame["carried_forward_amount"].to_numpy() == pytest.approx(customers.recent[28])
