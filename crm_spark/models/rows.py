"""Rows spread the same way whatever came before: what MLlib's fits depend on."""

from __future__ import annotations

from pyspark.sql import DataFrame


def fixed_rows(df: DataFrame, *, key: tuple[str, ...], rows_per_partition: int) -> DataFrame:
    """Give the same rows, partitioned and sorted by key.

    The number of partitions follows from the rows alone. A forest, k-means and ALS draw and add up
    per partition: only rows spread the same way make the same model on a laptop and on a cluster.
    """
    n_partitions = max(2, -(-df.count() // rows_per_partition))
    return df.repartition(n_partitions, *key).sortWithinPartitions(*key)
