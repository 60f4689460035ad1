"""Rows spread the same way whatever came before, and samples that are the same everywhere."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def fixed_rows(df: DataFrame, *, key: tuple[str, ...], rows_per_partition: int) -> DataFrame:
    """Give the same rows, partitioned and sorted by key.

    The number of partitions follows from the rows alone. A forest, k-means and ALS draw and add up
    per partition: only rows spread the same way make the same model on a laptop and on a cluster.
    """
    n_partitions = max(2, -(-df.count() // rows_per_partition))
    return df.repartition(n_partitions, *key).sortWithinPartitions(*key)


def sampled_customers(df: DataFrame, *, n_rows: int, most: int) -> DataFrame:
    """Give all rows of one in so many customers that about `most` of `n_rows` rows are left.

    Reads customer_id. Drawn by its hash, so that the rows are the same whatever their partitioning;
    all rows where there are no more than `most`.
    """
    every = max(1, -(-n_rows // most))
    return df.where(F.pmod(F.xxhash64("customer_id"), F.lit(every)) == 0)
