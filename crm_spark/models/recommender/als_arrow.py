"""ALS on blocks of ratings, each solved by numpy in an Arrow worker: the engine `arrow`.

The other side's factors are broadcast, those of a block come back as bytes. Why an Arrow function:
least squares of many rows need BLAS, which Spark's own ALS calls once a rating.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.recommender.als_blocks import (
    Batches,
    OnBatches,
    Side,
    customer_blocks,
    customer_side,
    n_blocks,
    product_blocks,
    product_starts,
    ratings_of,
    rows_of,
    sides_here,
)
from crm_spark.models.recommender.als_kernel import (
    Floats,
    Ints,
    OtherSide,
    one_thread,
    other_side,
    solve,
)
from crm_spark.models.recommender.section import AlsParams
from crm_spark.words import counted

# Up to so many ratings Spark's jobs take longer than their work: they are solved in the driver.
RATINGS_HERE = 1_000_000
# Rows of factors that a worker hands back at a time.
_ROWS_AT_A_TIME = 1 << 16
_SOLVED = "first int, factors binary"


class CannotRunError(Exception):
    """The engine cannot do this fit here: the message says why."""


def require_workers(spark: SparkSession) -> None:
    """Have the executors' Python solve a row. Raises CannotRunError, with the reason."""
    n = spark.sparkContext.defaultParallelism
    try:
        spark.range(0, n, 1, n).mapInArrow(_try_kernel, "solved int").collect()
    except PySparkException as error:
        last = str(error).strip().splitlines()
        reason = next((line for line in reversed(last) if "Error" in line), last[0])
        raise CannotRunError(
            f"the executors' Python cannot run the kernel ({reason.strip()})"
        ) from error


def _try_kernel(batches: Batches) -> Iterator[pa.RecordBatch]:
    from crm_spark.models.recommender.als_kernel import Ratings

    ones = np.ones((1, 2), np.float32)
    row = Ratings(np.array([0, 1]), np.array([0], np.int32), np.ones(1, np.float32))
    for batch in batches:
        solve(row, other_side(ones), alpha=1.0, regularization=1.0)
        solved = pa.array([1] * batch.num_rows, pa.int32())
        yield pa.RecordBatch.from_arrays([solved], names=["solved"])


def fit_in_blocks(
    ratings: DataFrame,
    n_customers: Ints,
    product_ids: Sequence[str],
    params: AlsParams,
    *,
    seed: int,
) -> Floats:
    """Give the factors of products, a row each in the order of `product_ids`, single precision.

    `ratings` (customer bigint, product int, rating float above zero) has one row for each customer
    and product, the product as its place in `product_ids`; `n_customers` are those of each. Each
    iteration solves the customers and then the products. The same ratings give the same bits,
    however they are spread. Raises CannotRunError where the executors cannot, or the factors would
    not fit.
    """
    start = starting_factors(product_ids, params.rank, seed)
    limit = largest_factors(ratings.sparkSession, params)
    if int(n_customers.sum()) <= RATINGS_HERE:
        customers, products = sides_here(ratings, len(product_ids))
        _require_room(customers, products, params.rank, limit)
        return _iterate(customers, products, start, params)
    require_workers(ratings.sparkSession)
    n = n_blocks(int(n_customers.sum()), ratings.sparkSession.sparkContext.defaultParallelism)
    starts = product_starts(n_customers, n)
    packed = customer_blocks(ratings, n).persist()
    try:
        customers = customer_side(packed, n)
        cut = product_blocks(customers, starts).persist()
        try:
            products = Side(cut, starts)
            _require_room(customers, products, params.rank, limit)
            return _iterate(customers, products, start, params)
        finally:
            cut.unpersist()
    finally:
        packed.unpersist()


def largest_factors(spark: SparkSession, params: AlsParams) -> int:
    """Give the bytes that the factors of customers and products may take together.

    The driver holds them three times, and every worker once. Without a setting: a quarter of the
    driver's memory, and half of what Spark lets it collect.
    """
    if params.factors_gb is not None:
        return int(params.factors_gb * 2**30)
    jvm: Any = spark._jvm
    parsed = jvm.org.apache.spark.network.util.JavaUtils.byteStringAsBytes
    collected = int(parsed(spark.sparkContext.getConf().get("spark.driver.maxResultSize", "1g")))
    memory = int(jvm.java.lang.Runtime.getRuntime().maxMemory()) // 4
    return min(memory, collected // 2) if collected else memory


def _require_room(customers: Side, products: Side, rank: int, limit: int) -> None:
    needed = 4 * (customers.n_rows + products.n_rows) * rank
    if needed > limit:
        raise CannotRunError(
            f"the factors of {counted(customers.n_rows, 'customer')} and "
            f"{counted(products.n_rows, 'product')} take {_gb(needed)} at rank {rank}, and "
            f"{_gb(limit)} may be taken (recommendations.als.factors_gb, by default of "
            "spark.driver.memory and spark.driver.maxResultSize)"
        )


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.3g} GB"


def starting_factors(ids: Sequence[str], rank: int, seed: int) -> NDArray[np.float32]:
    """Draw a direction for each id, as MLlib starts: normal numbers, made one long.

    They depend on the id and the seed alone.
    """
    drawn = [hashlib.blake2b(f"{seed} {one}".encode(), digest_size=8).digest() for one in ids]
    first = np.frombuffer(b"".join(drawn), np.uint64)[:, None]
    counters = np.arange(2 * rank).astype(np.uint64)
    uniform = [_uniform(first + counters[part::2]) for part in (0, 1)]
    # Box and Muller (1958).
    normal = np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1])
    return (normal / np.linalg.norm(normal, axis=1, keepdims=True)).astype(np.float32)


def _uniform(counters: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Mix counters into numbers above 0 and up to 1 (SplitMix64: Steele, Lea and Flood 2014)."""
    mixed = counters * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return ((mixed >> np.uint64(11)).astype(np.float64) + 1) / 2**53


def _iterate(customers: Side, products: Side, factors: Floats, params: AlsParams) -> Floats:
    of_customers: Shared | None = None
    for _ in range(params.iterations):
        of_products = _shared(products, _prepared(factors))
        solved = _solved(customers, of_products, of_customers, params)
        _forget(of_customers)
        of_customers = _shared(customers, _prepared(solved))
        factors = _solved(products, of_customers, of_products, params)
        _forget(of_products)
    _forget(of_customers)
    return factors


@dataclass(frozen=True)
class _Here:
    """Stands in for Spark's broadcast in this process."""

    value: OtherSide


Shared = Broadcast[OtherSide] | _Here


def _shared(side: Side, prepared: OtherSide) -> Shared:
    if isinstance(side.blocks, DataFrame):
        return side.blocks.sparkSession.sparkContext.broadcast(prepared)
    return _Here(prepared)


def _forget(shared: Shared | None) -> None:
    if isinstance(shared, Broadcast):
        shared.destroy()


def _prepared(factors: Floats) -> OtherSide:
    # The number of threads would change how sums are rounded.
    with one_thread():
        return other_side(factors)


def _solved(
    side: Side,
    other: Shared,
    before: Shared | None,
    params: AlsParams,
) -> Floats:
    """Solve all rows of a side, from their factors of the iteration before where there are any."""
    solver = _solver(other, before, side.starts, params)
    if isinstance(side.blocks, DataFrame):
        solved: Batches = side.blocks.mapInArrow(solver, _SOLVED).toArrow().to_batches()
    else:
        solved = solver(side.blocks)
    factors = np.zeros((side.n_rows, params.rank), np.float32)
    for row in rows_of(solved):
        part = np.frombuffer(row["factors"].as_buffer(), np.float32).reshape(-1, params.rank)
        first = row["first"].as_py()
        factors[first : first + len(part)] = part
    return factors


def _solver(
    other: Shared,
    before: Shared | None,
    starts: NDArray[np.int64],
    params: AlsParams,
) -> OnBatches:
    def solve_blocks(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_thread():
            for row in rows_of(batches):
                first = int(starts[row["block"].as_py()])
                held = ratings_of(row)
                rows = slice(first, first + held.n_rows)
                factors = solve(
                    held,
                    other.value,
                    alpha=params.alpha,
                    regularization=params.regularization,
                    start=None if before is None else before.value.factors(rows),
                )
                for begin in range(0, len(factors), _ROWS_AT_A_TIME):
                    part = factors[begin : begin + _ROWS_AT_A_TIME]
                    arrays = [
                        pa.array([first + begin], pa.int32()),
                        pa.array([part.tobytes()], pa.binary()),
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, names=["first", "factors"])

    return solve_blocks
