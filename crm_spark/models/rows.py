"""Rows spread the same way whatever came before, and samples that are the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
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


# An Arrow worker looks at so many elements of lists at once: some 100 MB.
_ELEMENTS_AT_ONCE = 1_000_000


def flat_lists(
    rows: pa.Table | pa.RecordBatch, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the whole numbers of a column of lists, one after the other, with the row of each."""
    column = rows.column(name)
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    row = np.asarray(pc.list_parent_indices(lists).to_numpy(zero_copy_only=False))
    return row, np.asarray(pc.list_flatten(lists).to_numpy(zero_copy_only=False))


def sizes_of_lists(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    """Give how large the list of each row is, as a part of what is looked at at once."""
    lengths = pc.list_value_length(batch[name]).to_numpy(zero_copy_only=False)
    return np.asarray(lengths / _ELEMENTS_AT_ONCE, np.float64)


def in_pieces(batch: pa.RecordBatch, size: NDArray[np.float64]) -> Iterator[pa.RecordBatch]:
    """Part a batch into runs of rows whose sizes, but for the largest, sum up to less than 1."""
    piece = np.floor(np.cumsum(size))
    starts = np.append(0, np.flatnonzero(np.diff(piece)) + 1)
    for start, end in zip(starts, np.append(starts[1:], batch.num_rows), strict=True):
        if end > start:
            yield batch.slice(int(start), int(end - start))
