"""Who is for the test, and in which fold the others are: by hash, the same on every run."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

PART: Final = "part"
# The part of the customers that only measure; the others are in the folds 0, 1, ...
HELD_OUT: Final = -1


def with_parts(
    rows: DataFrame, *, label: str, test_share: float, n_folds: int, seed: int
) -> DataFrame:
    """Add the part of each customer, as many of each label in each as can be.

    Reads customer_id and the label. Of each label the customers are ordered by a hash of id and
    seed: the first `test_share` are held out, the others dealt to the folds in turn. So parts do
    not depend on how rows are partitioned, and another seed parts them anew.
    """
    order = [F.xxhash64("customer_id", F.lit(seed)), F.col("customer_id")]
    place = F.row_number().over(Window.partitionBy(label).orderBy(*order)) - 1
    n_held_out = F.round(F.count(F.lit(1)).over(Window.partitionBy(label)) * test_share)
    part = F.when(place < n_held_out, F.lit(HELD_OUT)).otherwise(place % n_folds)
    return rows.withColumn(PART, part.cast("int"))
