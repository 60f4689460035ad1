"""What raise_alerts raises, date by date, is what its backtest raises on the same silences."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.churn.alert_arrays import watched_of
from crm_spark.models.churn.alert_policies import (
    LAPSE_PROBABILITY,
    LEVEL,
    RISE,
    SILENCE,
    Policy,
    raised,
)
from crm_spark.models.churn.alerts import customers_to_alert
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.churn.tables import CUSTOMER_ALERTS

FIRST, N_DATES, EVERY = date(2024, 3, 1), 9, 3
SECTION = ChurnSection(
    horizon_days=6,
    active_days=20,
    alerts={"lapse_days": 12, "silent_days": 5, "cool_down_days": 7, "backtest_days": 60},
)
DATES = [FIRST + timedelta(days=EVERY * place) for place in range(N_DATES)]
SCORES = (
    "customer_id string, as_of_date date, churn_probability double, churn_decile int, "
    "horizon_days int, reasons array<string>, is_backfilled boolean, model_name string, "
    "model_version string"
)


def _made(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give scores of some customers on the dates, with their silences, and their order days."""
    random = np.random.default_rng(seed)
    orders, scores = [], []
    for number in range(40):
        days = np.flatnonzero(random.random(EVERY * N_DATES) < random.choice([0.05, 0.15, 0.4]))
        # Some order on a date itself, which is not known by then.
        orders += [(f"c{number}", FIRST + timedelta(days=int(day))) for day in {0, *days.tolist()}]
        for day in DATES:
            before = [of for name, of in orders if name == f"c{number}" and of < day]
            if before and (day - max(before)).days <= SECTION.active_days:
                p = float(random.choice([0.1, 0.3, 0.5, 0.7, 0.9]))
                scores.append((f"c{number}", day, (day - max(before)).days - 1, p))
    columns = ["customer_id", "as_of_date", "days_since_last_order", "churn_probability"]
    return (
        pd.DataFrame(scores, columns=columns),
        pd.DataFrame(orders, columns=["customer_id", "order_date"]),
    )


def _as_scores(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    values = [
        (row.customer_id, row.as_of_date, row.churn_probability, 1, 6, [], False, "churn", "1")
        for row in rows.itertuples()
    ]
    return spark.createDataFrame(values, SCORES)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(SILENCE, 5.0),
        Policy(LEVEL, 0.7),
        Policy(RISE, 0.3),
        Policy(LAPSE_PROBABILITY, 0.4),
    ],
    ids=lambda policy: policy.name,
)
def test_alerts_of_dates_are_those_of_the_backtest(spark: SparkSession, policy: Policy) -> None:
    scores, orders = _made(seed=3)
    watched, _ = watched_of(
        {"any": scores},
        orders,
        SECTION,
        dates=DATES,
        known_to=DATES[-1] + timedelta(days=EVERY),
    )
    alerts = raised(watched["any"], policy, cool_down_days=SECTION.alerts.cool_down_days)
    names = np.sort(orders["customer_id"].unique())
    expected = {(names[row], DATES[place]) for row, place in zip(*np.nonzero(alerts), strict=True)}
    found: set[tuple[str, date]] = set()
    earlier: list[tuple[str, date, date]] = []
    for day in DATES:
        of_day = scores[scores["as_of_date"] == day]
        if of_day.empty:
            continue
        before = scores[scores["as_of_date"] < day]
        silences = spark.createDataFrame(
            of_day[["customer_id", "days_since_last_order"]].values.tolist(),
            "customer_id string, days_since_last_order bigint",
        )
        rows = customers_to_alert(
            _as_scores(spark, of_day),
            silences,
            policy=policy,
            section=SECTION,
            day=day,
            earlier_scores=_as_scores(spark, before) if len(before) else None,
            earlier_alerts=spark.createDataFrame(
                earlier, "customer_id string, as_of_date date, last_order_date date"
            )
            if earlier
            else None,
        ).collect()
        found |= {(row["customer_id"], day) for row in rows}
        earlier += [(row["customer_id"], day, row["last_order_date"]) for row in rows]
    assert len(expected) > 15
    assert found == expected


def test_who_was_named_on_a_later_date_in_the_same_silence_is_not_named_before(
    spark: SparkSession,
) -> None:
    day = DATES[3]
    scores = pd.DataFrame(
        [("named", day, 6, 0.5), ("other", day, 6, 0.5), ("again", day, 6, 0.5)],
        columns=["customer_id", "as_of_date", "days_since_last_order", "churn_probability"],
    )
    silences = spark.createDataFrame(
        scores[["customer_id", "days_since_last_order"]].values.tolist(),
        "customer_id string, days_since_last_order bigint",
    )
    began = day - timedelta(days=7)
    later = spark.createDataFrame(
        [("named", DATES[4], began), ("again", DATES[4], day + timedelta(days=1))],
        "customer_id string, as_of_date date, last_order_date date",
    )
    rows = customers_to_alert(
        _as_scores(spark, scores),
        silences,
        policy=Policy(SILENCE, 5.0),
        section=SECTION,
        day=day,
        later_alerts=later,
    )
    # What raise_alerts adds is when, and by which run.
    made = {column.name for column in CUSTOMER_ALERTS.columns} - {"scored_at", "run_id"}
    assert set(rows.columns) == made
    assert sorted(row["customer_id"] for row in rows.collect()) == ["again", "other"]
