"""Exact ranks over a whole table, without gathering it in one task."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def add_ranks(df: DataFrame, *, order: Sequence[Column], rank: str, n: str) -> DataFrame:
    """Add the place, from 1 on, of each row along a total order, and the number of rows.

    Rows are sorted in many tasks and numbered by DataFrame.zipWithIndex, not in a single one.
    """
    numbered = df.orderBy(*order).zipWithIndex("_index")
    n_rows = df.groupBy().agg(F.count(F.lit(1)).alias(n))
    joined = numbered.crossJoin(F.broadcast(n_rows))
    return joined.withColumn(rank, F.col("_index") + 1).drop("_index")


def add_groups(df: DataFrame, *, order: Sequence[Column], n_groups: int, name: str) -> DataFrame:
    """Add the group, 1 to n_groups, that each row falls into along a total order.

    Sizes differ by at most one, the first groups being the larger, as ntile has it.
    """
    joined = add_ranks(df, order=order, rank="_rank", n="_n")
    index = F.col("_rank") - 1
    small = F.floor(F.col("_n") / n_groups)
    larger = F.col("_n") % n_groups
    in_larger = larger * (small + 1)
    group = F.when(index < in_larger, F.floor(index / (small + 1))).otherwise(
        larger + F.floor((index - in_larger) / F.greatest(small, F.lit(1)))
    )
    return joined.withColumn(name, group + 1).drop("_rank", "_n")
