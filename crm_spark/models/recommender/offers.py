"""Lists for all customers: blocks of them ranked in Arrow workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.recommender.als_kernel import Ratings, one_thread
from crm_spark.models.recommender.catalogue import PRODUCT_INDEX, Catalogue
from crm_spark.models.recommender.ladder import RUNGS, Ladder, Offers, Ranking
from crm_spark.models.recommender.section import AlsParams

_OFFERS = (
    "list string, customer_id string, rank int, product_id string, score double, source string"
)


def customer_histories(
    customers: DataFrame, interactions: DataFrame, catalogue: Catalogue, *, weight: str
) -> DataFrame:
    """Give each customer's history: places of products in the catalogue and their weights.

    Grain: customer_id, of `customers`. A customer without purchases has empty arrays.
    """
    indexes = F.broadcast(catalogue.indexes(customers.sparkSession))
    pair = F.struct(F.col(PRODUCT_INDEX), F.col(weight).cast("double").alias("weight"))
    bought = (
        interactions.join(indexes, "product_id")
        .groupBy("customer_id")
        .agg(F.sort_array(F.collect_list(pair)).alias("_history"))
    )
    none = F.array().cast(f"array<struct<{PRODUCT_INDEX}:int,weight:double>>")
    return (
        customers.join(bought, "customer_id", "left")
        .withColumn("_history", F.coalesce("_history", none))
        .select(
            "customer_id",
            F.col("_history")[PRODUCT_INDEX].alias("products"),
            F.col("_history")["weight"].alias("weights"),
        )
    )


def rank_products(
    histories: DataFrame,
    catalogue: Catalogue,
    ladders: Mapping[str, Ladder],
    als: AlsParams,
    *,
    n: int,
) -> DataFrame:
    """Give the best `n` products of every ladder for every customer.

    Grain: list (the ladder's name), customer_id, rank. Adds product_id, score and source. Runs in
    Arrow workers, since a block of customers times all products is one matrix product there, with
    bought and unavailable products masked before the cut, and needs no cross join.
    """
    shared = histories.sparkSession.sparkContext.broadcast(catalogue)
    return histories.mapInArrow(_ranker(shared, dict(ladders), als, n), _OFFERS)


def _ranker(
    shared: Broadcast[Catalogue], ladders: dict[str, Ladder], als: AlsParams, n: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def rank(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue = shared.value
        product_ids = pa.array(catalogue.product_ids, pa.string())
        with one_thread():
            ranking = Ranking(catalogue, ladders, als)
            for batch in batches:
                for name, offers in ranking.offers(histories_of(batch), n=n):
                    yield _as_batch(name, batch["customer_id"], product_ids, offers)

    return rank


def histories_of(batch: pa.RecordBatch) -> Ratings:
    """Read the lists of a batch where they lie in Arrow's memory; a list is never null."""
    offsets = batch["products"].offsets.to_numpy()
    return Ratings(
        (offsets - offsets[0]).astype(np.int64),
        batch["products"].flatten().to_numpy(),
        batch["weights"].flatten().to_numpy(),
    )


def _as_batch(
    name: str, customers: pa.Array, product_ids: pa.Array, offers: Offers
) -> pa.RecordBatch:
    columns = {
        "list": pa.repeat(pa.scalar(name, pa.string()), len(offers.customers)),
        "customer_id": pc.take(customers, pa.array(offers.customers)).cast(pa.string()),
        "rank": pa.array(offers.ranks, pa.int32()),
        "product_id": pc.take(product_ids, pa.array(offers.products)),
        "score": pa.array(offers.scores, pa.float64()),
        "source": pc.take(pa.array(RUNGS, pa.string()), pa.array(offers.rungs)),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
