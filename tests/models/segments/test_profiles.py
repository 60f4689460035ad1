"""Profiles of segments against pandas: means, shares, and what sets a segment apart."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import Row, SparkSession

from crm_spark.models.segments.profiles import N_APART, PROFILE_FEATURES, segment_profiles

NAMES = {1: "best", 2: "middle", 3: "lapsed"}
COUNTS = ("days_since_last_order", "n_orders", "tenure_days", "n_products", "n_departments")
# The same for all; unknown for all; unknown for the third segment; unknown for some.
CONSTANT, UNKNOWN, UNKNOWN_IN_3, HOLES = (
    "evening_orders_share",
    "discount_share",
    "n_departments",
    "median_gap_days",
)
SCHEMA = "customer_id string, " + ", ".join(
    f"{name} {'bigint' if name in COUNTS else 'double'}" for name in PROFILE_FEATURES
)


def drawn() -> list[dict[str, Any]]:
    """Draw customers of three segments; the first spends most, the third is long silent."""
    rng = random.Random(1)
    rows = []
    for number in range(40):
        segment = 1 if number < 8 else 2 if number < 25 else 3
        row: dict[str, Any] = {"customer_id": f"c{number:02}", "segment_id": segment}
        for place, name in enumerate(PROFILE_FEATURES):
            value = 50 + (place - 5) * (segment - 2) * 4 + rng.randint(-20, 20)
            row[name] = value if name in COUNTS else value + 0.5
        row |= {CONSTANT: 0.1, UNKNOWN: None}
        row[UNKNOWN_IN_3] = None if segment == 3 else row[UNKNOWN_IN_3]
        row[HOLES] = None if number % 3 == 0 else row[HOLES]
        rows.append(row)
    return rows


ROWS = drawn()
BASE = pd.DataFrame(ROWS).astype(dict.fromkeys(PROFILE_FEATURES, float))


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[int, Row]:
    """Give the profile of each segment; a customer without a segment is in the snapshot too."""
    names = ["customer_id", *PROFILE_FEATURES]
    values = [tuple(row[name] for name in names) for row in ROWS]
    stranger = tuple({**ROWS[0], "customer_id": "stranger"}[name] for name in names)
    snapshot = spark.createDataFrame([*values, stranger], SCHEMA)
    assigned = spark.createDataFrame(
        [(row["customer_id"], row["segment_id"], NAMES[row["segment_id"]]) for row in ROWS],
        "customer_id string, segment_id int, segment_name string",
    )
    rows = segment_profiles(assigned, snapshot).collect()
    assert len(rows) == 3
    return {row["segment_id"]: row for row in rows}


def rounded(value: float) -> Any:
    """Compare with a value that may be rounded to six decimals."""
    return pytest.approx(value, rel=0, abs=5.1e-7)


def segment(number: int) -> pd.DataFrame:
    return BASE[BASE["segment_id"] == number]


@pytest.mark.parametrize("number", NAMES)
def test_sizes_shares_and_means_are_those_of_the_segments_customers(
    found: dict[int, Row], number: int
) -> None:
    row, customers = found[number], segment(number)
    assert row["segment_name"] == NAMES[number]
    assert row["n_customers"] == len(customers)
    assert row["customer_share"] == pytest.approx(len(customers) / len(BASE))
    spend = customers["spend_amount"].sum() / BASE["spend_amount"].sum()
    assert row["spend_share"] == rounded(spend)
    for name in ("days_since_last_order", "n_orders", "spend_amount", "spend_per_order"):
        assert row[f"mean_{name}"] == rounded(customers[name].mean())


@pytest.mark.parametrize("number", NAMES)
def test_what_differs_most_from_the_base_comes_first(found: dict[int, Row], number: int) -> None:
    deviations = {}
    for name in PROFILE_FEATURES:
        spread, mean = BASE[name].std(ddof=1), segment(number)[name].mean()
        if name != CONSTANT and pd.notna(spread) and pd.notna(mean):
            deviations[name] = (mean - BASE[name].mean()) / spread
    expected = sorted(deviations, key=lambda name: (-round(abs(deviations[name]), 6), name))[
        :N_APART
    ]
    assert [one["feature"] for one in found[number]["apart"]] == expected
    for one in found[number]["apart"]:
        name = one["feature"]
        assert one["mean"] == rounded(segment(number)[name].mean())
        assert one["base_mean"] == rounded(BASE[name].mean())
        assert one["deviation"] == rounded(deviations[name])


def test_features_without_spread_or_unknown_are_in_no_list(spark: SparkSession) -> None:
    # Only spend tells these apart, so that there is room for the others in the list.
    rows = [
        {"customer_id": str(number)}
        | dict.fromkeys(PROFILE_FEATURES, 1)
        | {"spend_amount": float(number), CONSTANT: 0.1, UNKNOWN: None}
        for number in range(4)
    ]
    snapshot = spark.createDataFrame(
        [
            tuple(
                float(value)
                if value is not None and name not in ("customer_id", *COUNTS)
                else value
                for name, value in (
                    (name, row[name]) for name in ("customer_id", *PROFILE_FEATURES)
                )
            )
            for row in rows
        ],
        SCHEMA,
    )
    assigned = spark.createDataFrame(
        [("0", 2, "low"), ("1", 2, "low"), ("2", 1, "high"), ("3", 1, "high")],
        "customer_id string, segment_id int, segment_name string",
    )
    found = {
        row["segment_id"]: row["apart"] for row in segment_profiles(assigned, snapshot).collect()
    }
    # Mean 2.5 and 0.5 beside 1.5; the sample variance of 0, 1, 2, 3 is 5/3.
    deviation = 1 / (5 / 3) ** 0.5
    for number, sign in ((1, 1), (2, -1)):
        assert [one["feature"] for one in found[number]] == ["spend_amount"]
        assert found[number][0]["deviation"] == rounded(sign * deviation)


@pytest.mark.parametrize(
    ("amounts", "shares"),
    [
        ([90.0, 30.0, -20.0], [0.9, 0.1]),  # no segment is below zero, though a customer is
        ([90.0, 30.0, -40.0], [None, None]),
        ([-90.0, -30.0, 20.0], [None, None]),
        ([90.0, 30.0, -30.0], [1.0, 0.0]),
        ([90.0, 30.0, None], [0.75, 0.25]),
    ],
)
def test_shares_lie_between_nothing_and_all_or_there_are_none(
    spark: SparkSession, amounts: list[float | None], shares: list[float | None]
) -> None:
    names = ["a", "b", "c"]
    values = [
        (name, *[amount if feature == "spend_amount" else 1.0 for feature in PROFILE_FEATURES])
        for name, amount in zip(names, amounts, strict=True)
    ]
    types = ", ".join(f"{name} double" for name in PROFILE_FEATURES)
    snapshot = spark.createDataFrame(values, f"customer_id string, {types}")
    assigned = spark.createDataFrame(
        [("a", 1, "x"), ("b", 2, "y"), ("c", 2, "y")],
        "customer_id string, segment_id int, segment_name string",
    )
    found = segment_profiles(assigned, snapshot).orderBy("segment_id").collect()
    assert [row["spend_share"] for row in found] == shares


def test_equal_deviations_are_listed_by_name_and_no_spend_has_no_share(spark: SparkSession) -> None:
    varying = ("n_orders", "tenure_days", "days_since_last_order")
    rows = [
        ("a", *[2.0 if name in varying else 0.0 for name in PROFILE_FEATURES]),
        ("b", *[0.0] * len(PROFILE_FEATURES)),
    ]
    snapshot = spark.createDataFrame(
        rows, "customer_id string, " + ", ".join(f"{name} double" for name in PROFILE_FEATURES)
    )
    assigned = spark.createDataFrame(
        [("a", 1, "x"), ("b", 2, "y")], "customer_id string, segment_id int, segment_name string"
    )
    for row in segment_profiles(assigned, snapshot).collect():
        assert [one["feature"] for one in row["apart"]] == sorted(varying)
        assert row["spend_share"] is None
