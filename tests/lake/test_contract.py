"""Tables as contracts: what breaks one, and when two contents are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from crm_spark.features.rfm_tables import CUSTOMER_RFM, RFM_CUT_POINTS
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT
from crm_spark.lake.contract import Column, ContractError, Table, content_checksum
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.tables.core import SOURCE_TABLES, rejected
from crm_spark.tables.ops import CHECKS, JOB_RUNS, METRICS, MODEL_DECISIONS

PETS = Table(
    name="core.pets",
    comment="Pets.",
    key=("pet_id",),
    columns=(
        Column("pet_id", T.StringType(), "Pet", nullable=False),
        Column("mother_id", T.StringType(), "Mother"),
        Column("weight", T.LongType(), "Weight [g]"),
        Column("length", T.LongType(), "Length [mm]"),
        Column("run_id", T.StringType(), "Run", provenance=True),
    ),
)
Rows = Sequence[tuple[Any, ...]]
ROWS: Rows = [
    ("rex", "ada", 900, 40, "r1"),
    ("ada", None, 1200, 55, "r1"),
    ("tom", "ada", None, 38, "r1"),
    ("tim", "ada", 38, None, "r1"),
]


def as_frame(spark: SparkSession, rows: Rows) -> DataFrame:
    schema = "pet_id string, mother_id string, weight bigint, length bigint, run_id string"
    return spark.createDataFrame(list(rows), schema)


def checksum(spark: SparkSession, rows: Rows) -> str:
    return content_checksum(as_frame(spark, rows), PETS)


@pytest.fixture(scope="module")
def of_rows(spark: SparkSession) -> str:
    """Give the checksum of ROWS."""
    return checksum(spark, ROWS)


# --- the same content ----------------------------------------------------------------------------


def test_the_order_and_partitioning_of_rows_leave_the_checksum(
    spark: SparkSession, of_rows: str
) -> None:
    other = as_frame(spark, ROWS[::-1]).repartition(3)
    assert content_checksum(other, PETS) == of_rows


def test_the_order_of_columns_leaves_the_checksum(spark: SparkSession, of_rows: str) -> None:
    other = as_frame(spark, ROWS).select("run_id", "length", "weight", "mother_id", "pet_id")
    assert content_checksum(other, PETS) == of_rows


def test_provenance_leaves_the_checksum(spark: SparkSession, of_rows: str) -> None:
    assert checksum(spark, [(*row[:-1], "another run") for row in ROWS]) == of_rows


def test_columns_that_the_table_does_not_know_leave_the_checksum(
    spark: SparkSession, of_rows: str
) -> None:
    other = as_frame(spark, ROWS).selectExpr("*", "'x' as colour")
    assert content_checksum(other, PETS) == of_rows


def test_one_other_value_changes_the_checksum(spark: SparkSession, of_rows: str) -> None:
    assert checksum(spark, [*ROWS[:-1], ("tim", "ada", 39, None, "r1")]) != of_rows


def test_a_value_in_place_of_a_null_changes_the_checksum(spark: SparkSession) -> None:
    assert checksum(spark, [("rex", "", 0, 0, "")]) != checksum(
        spark, [("rex", None, None, None, "")]
    )


def test_a_null_that_changes_places_with_its_neighbour_changes_the_checksum(
    spark: SparkSession,
) -> None:
    # mother_id and pet_id are neighbours in the order of names, in which rows are hashed.
    one, other = [("a", None, 7, 7, "")], [(None, "a", 7, 7, "")]
    assert checksum(spark, one) != checksum(spark, other)


def test_a_character_that_moves_to_the_neighbour_changes_the_checksum(spark: SparkSession) -> None:
    assert checksum(spark, [("ab", "c", 1, 1, "")]) != checksum(spark, [("a", "bc", 1, 1, "")])


def test_values_that_rows_exchange_change_the_checksum(spark: SparkSession) -> None:
    one = [("a", "x", 1, 2, ""), ("b", "x", 3, 4, "")]
    other = [("a", "x", 1, 4, ""), ("b", "x", 3, 2, "")]
    assert checksum(spark, one) != checksum(spark, other)


def test_rows_that_are_there_twice_count_twice(spark: SparkSession) -> None:
    a, b = ROWS[0], ROWS[1]
    checksums = [checksum(spark, rows) for rows in ([a], [a, a], [a, a, a], [a, a, b], [a, b, b])]
    assert len(set(checksums)) == len(checksums)


def test_a_pair_of_rows_replaced_by_another_pair_changes_the_checksum(spark: SparkSession) -> None:
    # An exclusive or alone would not see it.
    assert checksum(spark, [ROWS[0]] * 2) != checksum(spark, [ROWS[1]] * 2)


def test_no_rows_have_a_checksum_unlike_that_of_one_row(spark: SparkSession) -> None:
    empty = checksum(spark, [])
    assert empty == checksum(spark, [])
    assert empty != checksum(spark, [(None, None, None, None, None)])


# --- the contract --------------------------------------------------------------------------------


def test_rows_that_fit_come_back_in_the_columns_of_the_table(spark: SparkSession) -> None:
    df = as_frame(spark, ROWS).selectExpr("'x' as colour", "run_id", "*").drop("run_id")
    found = PETS.conform(df.selectExpr("*", "'r1' as run_id"))
    assert [tuple(row) for row in found.collect()] == list(ROWS)
    assert found.columns == PETS.schema.names


def test_every_missing_column_and_every_wrong_type_is_named_at_once(spark: SparkSession) -> None:
    df = spark.createDataFrame([("rex", 9.5, "40")], "pet_id string, weight double, length string")
    with pytest.raises(ContractError) as caught:
        PETS.conform(df)
    message = str(caught.value)
    assert "core.pets" in message
    assert "column mother_id is missing" in message
    assert "column run_id is missing" in message
    assert "column weight is double, expected bigint" in message
    assert "column length is string, expected bigint" in message
    assert "4 faults" in message
    assert "pet_id" not in message


def test_one_fault_is_reported_on_one_line(spark: SparkSession) -> None:
    with pytest.raises(ContractError) as caught:
        PETS.conform(as_frame(spark, ROWS).drop("weight"))
    assert "\n" not in str(caught.value)
    assert "column weight is missing" in str(caught.value)


def test_decimals_of_another_scale_are_another_type(spark: SparkSession) -> None:
    prices = Table(
        "core.prices", "Prices.", (), (Column("price", T.DecimalType(18, 2), "Price [money]"),)
    )
    with pytest.raises(ContractError, match=r"decimal\(18,3\), expected decimal\(18,2\)"):
        prices.conform(spark.createDataFrame([], "price decimal(18,3)"))


def test_rows_are_only_looked_at_when_somebody_asks_for_them(spark: SparkSession) -> None:
    df = as_frame(spark, ROWS).selectExpr(
        "pet_id", "mother_id", "weight", "raise_error('read')::bigint as length", "run_id"
    )
    assert PETS.conform(df).columns == PETS.schema.names


# --- all tables ----------------------------------------------------------------------------------

TABLES = [
    *SOURCE_TABLES.values(),
    *(rejected(table) for table in SOURCE_TABLES.values()),
    CUSTOMER_ORDERS,
    CUSTOMER_SNAPSHOT,
    CUSTOMER_RFM,
    RFM_CUT_POINTS,
    CUSTOMER_CHURN,
    JOB_RUNS,
    CHECKS,
    METRICS,
    MODEL_DECISIONS,
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_says_what_it_and_each_of_its_columns_is_and_names_them_once(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    assert set(table.key) | set(table.partition_by) <= set(names)
    assert table.layer in {"core", "features", "scores", "ops"}
    assert table.comment.endswith(".")
    assert all(column.comment for column in table.columns)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_schema_of_a_table_holds_the_comments(table: Table) -> None:
    comments = [field.metadata["comment"] for field in table.schema.fields]
    assert comments == [column.comment for column in table.columns]
