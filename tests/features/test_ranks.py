"""Exact groups over a whole table: those of ntile, however the rows are spread."""

from __future__ import annotations

import pytest
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from crm_spark.features.ranks import add_groups


def order() -> list[Column]:
    """Rank by falling amount, ties by customer."""
    return [F.desc("amount"), F.asc("customer_id")]


def customers(spark: SparkSession, n: int) -> DataFrame:
    """Give n customers whose amounts tie about three times each, in no order."""
    rows = [(f"c{number:04}", float(number * 7 % max(1, n // 3))) for number in range(n)]
    return spark.createDataFrame(rows, "customer_id string, amount double")


def by_ntile(df: DataFrame, n_groups: int) -> dict[str, int]:
    """Give the group of each customer as Spark's own window function has it, in one task."""
    ranked = df.withColumn("group", F.ntile(n_groups).over(Window.orderBy(*order())))
    return {row["customer_id"]: row["group"] for row in ranked.collect()}


def groups(df: DataFrame, n_groups: int) -> dict[str, int]:
    """Give the group of each customer."""
    found = add_groups(df, order=order(), n_groups=n_groups, name="group").collect()
    assert len(found) == len({row["customer_id"] for row in found})
    return {row["customer_id"]: row["group"] for row in found}


@pytest.mark.parametrize("n", [0, 1, 7, 10, 23, 1000])
def test_groups_are_those_of_ntile(spark: SparkSession, n: int) -> None:
    df = customers(spark, n)
    assert groups(df, 10) == by_ntile(df, 10)


@pytest.mark.parametrize("n_groups", [1, 3, 100])
def test_any_number_of_groups_is_that_of_ntile(spark: SparkSession, n_groups: int) -> None:
    df = customers(spark, 23)
    assert groups(df, n_groups) == by_ntile(df, n_groups)


@pytest.mark.parametrize("n_partitions", [1, 4, 9])
def test_groups_do_not_depend_on_how_the_rows_are_spread(
    spark: SparkSession, n_partitions: int
) -> None:
    # 23 rows in nine partitions: some hold several rows, some one, some none.
    df = customers(spark, 23)
    spread = df.repartition(n_partitions, "amount").sortWithinPartitions(F.desc("customer_id"))
    assert groups(spread, 4) == by_ntile(df, 4)


def test_the_first_groups_are_the_larger_ones(spark: SparkSession) -> None:
    found = list(groups(customers(spark, 23), 10).values())
    assert [found.count(group) for group in range(1, 11)] == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]


def test_the_columns_of_the_table_stay_as_they_are(spark: SparkSession) -> None:
    df = customers(spark, 7)
    found = add_groups(df, order=order(), n_groups=3, name="third")
    assert found.columns == ["customer_id", "amount", "third"]
    assert sorted(found.drop("third").collect()) == sorted(df.collect())


def test_rows_without_a_value_to_rank_by_are_grouped_too(spark: SparkSession) -> None:
    df = spark.createDataFrame(
        [("a", None), ("b", 1.0), ("c", None), ("d", 2.0)], "customer_id string, amount double"
    )
    # Descending order puts nulls last.
    assert groups(df, 2) == {"d": 1, "b": 1, "a": 2, "c": 2}
