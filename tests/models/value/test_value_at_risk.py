"""What leaving would cost: what is expected of a customer, times churn's probability."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from crm_spark.features.tables import PRODUCT_PRICES
from crm_spark.lake.state import Output
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.model_run import ModelRun
from crm_spark.models.recommender.tables import PRODUCT_RECOMMENDATIONS
from crm_spark.models.registry import find_model
from crm_spark.models.targets import score_targets
from crm_spark.models.value.scoring import CHURN_SCORES, with_value_at_risk
from crm_spark.models.value.section import ValueSection
from crm_spark.models.value.tables import CUSTOMER_VALUE
from crm_spark.tables.mapped import Mapped

DAY = date(2024, 7, 1)


def test_it_is_the_expected_amount_times_the_probability_of_leaving(spark: SparkSession) -> None:
    scored = spark.createDataFrame(
        [("ann", 100.0), ("bob", 40.0), ("silent", 8.0)],
        "customer_id string, expected_amount double",
    )
    churn = spark.createDataFrame(
        [("ann", 0.25), ("bob", 1.0), ("new", 0.5)],
        "customer_id string, churn_probability double",
    )
    found = with_value_at_risk(scored, churn)
    assert found.columns == ["customer_id", "expected_amount", "value_at_risk_amount"]
    at_risk = {row["customer_id"]: row["value_at_risk_amount"] for row in found.collect()}
    # Of whom churn has no score, as of one long silent, nothing is known.
    assert at_risk == {"ann": 25.0, "bob": 40.0, "silent": None}


def test_without_scores_of_churn_it_is_not_known(spark: SparkSession) -> None:
    scored = spark.createDataFrame([("ann", 100.0)], "customer_id string, expected_amount double")
    (row,) = with_value_at_risk(scored, None).collect()
    assert row["value_at_risk_amount"] is None


@pytest.mark.parametrize("has_rows", [True, False])
def test_another_models_scores_are_those_of_the_date_where_they_are_whole(has_rows: bool) -> None:
    run: Any = SimpleNamespace(
        has_rows=lambda output: has_rows and output == Output(CHURN_SCORES, DAY),
        lake=SimpleNamespace(read_date=lambda table, day: (table, day)),
    )
    tables = {CUSTOMER_CHURN.name: CUSTOMER_CHURN}
    held: ModelRun[ValueSection] = ModelRun(
        run, ValueSection(), DAY, Mapped(), tables_of_dates=tables
    )
    expected = (CUSTOMER_CHURN, DAY) if has_rows else None
    assert held.beside(CHURN_SCORES) == expected


def test_scores_of_value_are_made_anew_where_those_of_churn_or_offers_change() -> None:
    state: Any = SimpleNamespace(outputs=lambda name: ())
    targets = score_targets(
        find_model("value"), ValueSection(), DAY, date(2023, 1, 1), state, Mapped(), DAY
    )
    (target,) = [one for one in targets if one.output.name == CUSTOMER_VALUE.name]
    beside = (CUSTOMER_CHURN, PRODUCT_RECOMMENDATIONS, PRODUCT_PRICES)
    assert target.optional == tuple(Output(table.name, DAY) for table in beside)
