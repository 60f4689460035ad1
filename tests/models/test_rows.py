"""Samples by hash of the customer: about as many rows as wanted, all where there are few."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.models.rows import sampled_customers


@pytest.mark.parametrize(
    ("n_rows", "most", "low", "high"),
    [(0, 10, 2000, 2000), (2000, 2000, 2000, 2000), (2000, 1999, 900, 1100), (2000, 500, 400, 600)],
)
def test_so_many_customers_are_drawn_that_few_rows_are_left(
    spark: SparkSession, n_rows: int, most: int, low: int, high: int
) -> None:
    rows = spark.range(2000).select(F.concat(F.lit("c"), "id").alias("customer_id"))
    assert low <= sampled_customers(rows, n_rows=n_rows, most=most).count() <= high


def test_the_same_customers_are_drawn_however_rows_are_spread(spark: SparkSession) -> None:
    rows = spark.range(300).select(F.concat(F.lit("c"), "id").alias("customer_id"))
    drawn = [
        sorted(row[0] for row in sampled_customers(one, n_rows=300, most=90).collect())
        for one in (rows.coalesce(1), rows.repartition(7, "customer_id"))
    ]
    assert drawn[0] == drawn[1] and 40 < len(drawn[0]) < 110
