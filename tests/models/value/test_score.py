"""The value score: three amounts, each by its standard deviation, put together by weights."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.value.facts import _same_top_tenth
from crm_spark.models.value.score import (
    part_score,
    with_recommended_amount,
    with_value_score,
)
from crm_spark.models.value.section import ScoreWeights, ValueSection

AMOUNTS = [
    # customer, expected, at risk (null: silent for long), reached by offers
    ("ann", 100.0, 10.0, 6.0),
    ("bob", 40.0, 20.0, 0.0),
    ("silent", 10.0, None, 3.0),
]
SCHEMA = (
    "customer_id string, expected_amount double, value_at_risk_amount double, "
    "recommended_amount double"
)

SCORES = "value_score double, purchase_score double, recommend_score double, maintain_score double"


def scores(frame: DataFrame, weights: ScoreWeights) -> dict[str, dict[str, float | None]]:
    rows = with_value_score(frame, weights).collect()
    return {row["customer_id"]: row.asDict() for row in rows}


def deviation(values: list[float]) -> float:
    return float(np.std(values))


def test_each_part_is_in_standard_deviations_of_the_customers(spark: SparkSession) -> None:
    found = scores(spark.createDataFrame(AMOUNTS, SCHEMA), ScoreWeights())
    names = ("ann", "bob", "silent")
    for part, values in (
        ("purchase", [100.0, 40.0, 10.0]),
        ("maintain", [10.0, 20.0, 0.0]),  # an amount that is not known counts as 0
        ("recommend", [6.0, 0.0, 3.0]),
    ):
        said = [found[name][part_score(part)] for name in names]
        assert said == pytest.approx([one / deviation(values) for one in values], abs=1e-6)
        assert deviation([one or 0.0 for one in said]) == pytest.approx(1.0, abs=1e-5)


def test_the_score_is_the_mean_of_the_parts_by_weight(spark: SparkSession) -> None:
    weights = ScoreWeights(purchase=3, recommend=0, maintain=1)
    found = scores(spark.createDataFrame(AMOUNTS, SCHEMA), weights)
    for row in found.values():
        purchase, maintain = row["purchase_score"], row["maintain_score"]
        assert purchase is not None and maintain is not None
        assert row["value_score"] == pytest.approx((3 * purchase + maintain) / 4, abs=1e-6)


@pytest.mark.parametrize("amount", [None, 5.0])
def test_a_part_that_is_the_same_for_all_is_left_out(
    spark: SparkSession, amount: float | None
) -> None:
    rows = [(name, expected, at_risk, amount) for name, expected, at_risk, _ in AMOUNTS]
    found = scores(spark.createDataFrame(rows, SCHEMA), ScoreWeights(recommend=7))
    assert {row["recommend_score"] for row in found.values()} == {None}
    for row in found.values():
        purchase, maintain = row["purchase_score"], row["maintain_score"]
        assert purchase is not None and maintain is not None
        assert row["value_score"] == pytest.approx((purchase + maintain) / 2, abs=1e-6)


def test_large_amounts_of_many_are_added_up_exactly(spark: SparkSession) -> None:
    rows = [(f"c{one}", 1e8 + one % 2, 0.0, 0.0) for one in range(1_000)]
    found = scores(spark.createDataFrame(rows, SCHEMA), ScoreWeights())
    # Half of them lie half above the mean, half of them half below: a deviation of a half.
    assert found["c0"]["purchase_score"] == pytest.approx(2e8)
    assert found["c1"]["purchase_score"] == pytest.approx(2e8 + 2)


def test_where_only_a_part_without_data_has_a_weight_there_is_no_score(
    spark: SparkSession,
) -> None:
    rows = [(name, expected, at_risk, None) for name, expected, at_risk, _ in AMOUNTS]
    weights = ScoreWeights(purchase=0, recommend=1, maintain=0)
    found = scores(spark.createDataFrame(rows, SCHEMA), weights)
    assert {row["value_score"] for row in found.values()} == {None}


def test_what_offers_bring_is_chance_times_price_of_all_that_is_offered(
    spark: SparkSession,
) -> None:
    scored = spark.createDataFrame(
        [("ann", 10.0), ("bob", 5.0), ("poor", 1.0)], "customer_id string, expected_amount double"
    )
    offers = spark.createDataFrame(
        [
            ("ann", "tea", 0.5),
            ("ann", "jam", 0.25),
            ("ann", "far down the list", None),
            ("ann", "never sold", 0.5),
            ("new", "tea", 0.5),
            ("poor", "jam", 0.5),
        ],
        "customer_id string, product_id string, hit_probability double",
    )
    prices = spark.createDataFrame(
        [("tea", 30.0, 10), ("jam", 16.0, 2), ("far down the list", 100.0, 1)],
        "product_id string, sold_amount double, n_lines long",
    )
    rows = with_recommended_amount(scored, offers, prices).collect()
    # Of whom nothing is offered to nothing is known.
    assert {row["customer_id"]: row["recommended_amount"] for row in rows} == {
        "ann": 0.5 * 3 + 0.25 * 8,
        "bob": None,
        # Half a jar is more than is expected of the customer in all.
        "poor": 1.0,
    }


def test_without_offers_nothing_is_known_of_them(spark: SparkSession) -> None:
    scored = spark.createDataFrame([("ann", 1.0)], "customer_id string, expected_amount double")
    (row,) = with_recommended_amount(scored, None, None).collect()
    assert row["recommended_amount"] is None


@pytest.mark.parametrize("given", [{"purchase": -1}, {"alpha": 1}])
def test_weights_that_make_no_sense_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ValueSection.model_validate({"score_weights": given})


def test_something_has_to_count() -> None:
    nothing = {"purchase": 0, "recommend": 0, "maintain": 0}
    with pytest.raises(ValidationError, match="has to be above 0"):
        ValueSection.model_validate({"score_weights": nothing})


def test_of_a_part_that_few_have_only_they_are_in_its_first_tenth(spark: SparkSession) -> None:
    rows = [
        # score, purchase, recommend: of a hundred only the first three have any; maintain: none
        (float(100 - one), float(100 - one), 1.0 if one < 3 else 0.0, None)
        for one in range(100)
    ]
    found = _same_top_tenth(spark.createDataFrame(rows, SCORES))
    assert set(found) == {"purchase", "recommend"}
    assert found["purchase"] == 1.0
    assert found["recommend"] == pytest.approx(0.3, abs=0.04)


def test_where_nobody_has_a_score_there_is_no_first_tenth(spark: SparkSession) -> None:
    assert _same_top_tenth(spark.createDataFrame([(None, None, None, None)], SCORES)) == {}
