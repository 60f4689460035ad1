"""Ratings as blocks of rows: each a few Arrow buffers in one row of a DataFrame, made once.

Customers are told apart by a hash of 64 bits, which is also their order, so that neither depends on
how the rows are spread. (Two of a million customers share one with odds of 3 in 10^8, and would
count as one customer in a fit.) A block is a range of it, or a range of products, small enough for
a worker; where it is cut changes no result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.recommender.als_kernel import Floats, Ints, Ratings

# A worker sorts a block's ratings, some 60 bytes each.
LARGEST_BLOCK = 2_000_000
# Smaller ones are not worth a task of their own.
SMALLEST_BLOCK = 50_000
_BLOCK = "block int, n_rows int, offsets binary, indices binary, ratings binary"
_PART = "block int, part int, products binary, customers binary, ratings binary"
_HIGH = 32  # bits of a key that sorts by two things

Batches = Iterable[pa.RecordBatch]
OnBatches = Callable[[Batches], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Side:
    """The blocks of one side, and the row each begins with; the last entry is the number of rows.

    `blocks` (block, n_rows, offsets, indices, ratings) has no row for a block without ratings. It
    is a DataFrame, or batches in this process.
    """

    blocks: DataFrame | list[pa.RecordBatch]
    starts: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        """Number of customers, or of products."""
        return int(self.starts[-1])


def n_blocks(n_ratings: int, parallelism: int) -> int:
    """Give the number of blocks: one a core, unless they would be too small or too large."""
    worthwhile = min(parallelism, -(-n_ratings // SMALLEST_BLOCK))
    return max(1, worthwhile, -(-n_ratings // LARGEST_BLOCK))


def customer_blocks(ratings: DataFrame, n: int) -> DataFrame:
    """Give the ratings of customers (customer bigint, product int, rating float) as n blocks.

    Products lie in their order within a customer. To be persisted: everything else is made of it.
    """
    # The upper half of the hash, from 0 on: which of n equal ranges it lies in.
    upper = F.shiftright("customer", 32) + F.lit(1 << 31)
    block = F.shiftright(upper * F.lit(n), 32).cast("int")
    return ratings.repartitionById(n, block).mapInArrow(_packed_partition, _BLOCK)


def customer_side(blocks: DataFrame, n: int) -> Side:
    """Count the rows of the n blocks of customers."""
    counts = np.zeros(n, np.int64)
    for row in blocks.select("block", "n_rows").collect():
        counts[row["block"]] = row["n_rows"]
    return Side(blocks, np.concatenate([[0], np.cumsum(counts)]))


def sides_here(ratings: DataFrame, n_products: int) -> tuple[Side, Side]:
    """Give the customers and the products of few ratings as one block each, in this process."""
    collected = ratings.select("customer", "product", "rating").toArrow().to_batches()
    packed = list(_packed_customers(collected, 0))
    n_customers = sum(batch["n_rows"][0].as_py() for batch in packed)
    customers = Side(packed, np.array([0, n_customers]))
    starts = np.array([0, n_products])
    cut = _cut_by_product(customers.starts, starts)(packed)
    return customers, Side(list(_packed_products(starts)(cut)), starts)


def product_starts(n_customers: Ints, n: int) -> NDArray[np.int64]:
    """Cut products into n ranges with about as many ratings each, by their customers."""
    before = np.concatenate([[0], np.cumsum(n_customers)])
    wanted = before[-1] * np.arange(1, n) / n
    return np.concatenate([[0], np.searchsorted(before, wanted), [len(n_customers)]])


def product_blocks(customers: Side, starts: NDArray[np.int64]) -> DataFrame:
    """Give the ratings of the customers' blocks as blocks of products that begin at `starts`.

    Customers lie in their order within a product. To be persisted.
    """
    assert isinstance(customers.blocks, DataFrame), "those in this process need no tasks"
    parts = customers.blocks.mapInArrow(_cut_by_product(customers.starts, starts), _PART)
    return parts.repartitionById(len(starts) - 1, F.col("block")).mapInArrow(
        _packed_products(starts), _BLOCK
    )


def ratings_of(row: dict[str, pa.Scalar]) -> Ratings:
    """Read a block's ratings where they lie in Arrow's memory."""
    return Ratings(
        _read(row["offsets"], np.int64),
        _read(row["indices"], np.int32),
        _read(row["ratings"], np.float32),
    )


def rows_of(batches: Batches) -> Iterator[dict[str, pa.Scalar]]:
    """Give each row of batches as scalars by column: no value is copied."""
    for batch in batches:
        for index in range(batch.num_rows):
            yield {name: batch[name][index] for name in batch.schema.names}


def _packed_partition(batches: Batches) -> Iterator[pa.RecordBatch]:
    context = TaskContext.get()
    assert context is not None, "runs in a task of Spark"
    return _packed_customers(batches, context.partitionId())


def _packed_customers(batches: Batches, block: int) -> Iterator[pa.RecordBatch]:
    read = list(batches)
    if not sum(batch.num_rows for batch in read):
        return
    table = pa.Table.from_batches(read)
    customers, products, ratings = (
        table[name].to_numpy() for name in ("customer", "product", "rating")
    )
    order = np.argsort(customers)
    rows = np.concatenate([[0], np.cumsum(np.diff(customers[order]) != 0)])
    order = order[np.argsort((rows << _HIGH) | products[order])]
    packed = _as_ratings(rows, products[order], ratings[order], n_rows=int(rows[-1]) + 1)
    yield _as_batch(block, packed)


def _cut_by_product(
    customer_starts: NDArray[np.int64], product_starts: NDArray[np.int64]
) -> OnBatches:
    def cut(batches: Batches) -> Iterator[pa.RecordBatch]:
        for row in rows_of(batches):
            part = row["block"].as_py()
            held = ratings_of(row)
            n_ratings = np.diff(held.offsets)
            customers = np.repeat(
                np.arange(len(n_ratings), dtype=np.int32) + customer_starts[part].astype(np.int32),
                n_ratings,
            )
            order = _by(held.indices)
            products = held.indices[order]
            ends = np.searchsorted(products, product_starts)
            for block, (begin, end) in enumerate(pairwise(ends)):
                if begin < end:
                    chosen = order[begin:end]
                    columns = (products[begin:end], customers[chosen], held.ratings[chosen])
                    yield _row([block, part], _PART, *columns)

    return cut


def _packed_products(starts: NDArray[np.int64]) -> OnBatches:
    def pack(batches: Batches) -> Iterator[pa.RecordBatch]:
        parts = sorted(rows_of(batches), key=lambda row: row["part"].as_py())
        if not parts:
            return
        block = parts[0]["block"].as_py()
        products = np.concatenate([_read(row["products"], np.int32) for row in parts])
        customers = np.concatenate([_read(row["customers"], np.int32) for row in parts])
        ratings = np.concatenate([_read(row["ratings"], np.float32) for row in parts])
        order = _by(products)
        rows = products[order] - starts[block]
        n_rows = int(starts[block + 1] - starts[block])
        yield _as_batch(block, _as_ratings(rows, customers[order], ratings[order], n_rows=n_rows))

    return pack


def _by(values: Ints) -> NDArray[np.int64]:
    """Order by value, ties by place: keys that are all different sort quicker than stably."""
    return np.argsort((values.astype(np.int64) << _HIGH) | np.arange(len(values)))


def _as_ratings(rows: Ints, indices: Ints, ratings: Floats, *, n_rows: int) -> Ratings:
    offsets = np.searchsorted(rows, np.arange(n_rows + 1))
    return Ratings(offsets.astype(np.int64), indices, ratings)


def _as_batch(block: int, packed: Ratings) -> pa.RecordBatch:
    return _row([block, packed.n_rows], _BLOCK, packed.offsets, packed.indices, packed.ratings)


def _row(numbers: list[int], schema: str, *columns: NDArray[Any]) -> pa.RecordBatch:
    names = [column.split()[0] for column in schema.split(", ")]
    arrays = [pa.array([number], pa.int32()) for number in numbers]
    for column in columns:
        ends = np.array([0, column.nbytes], np.int32)
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(column))]
        arrays.append(pa.Array.from_buffers(pa.binary(), 1, buffers))
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _read(scalar: pa.Scalar, kind: type[np.generic]) -> NDArray[Any]:
    return np.frombuffer(scalar.as_buffer(), kind)
