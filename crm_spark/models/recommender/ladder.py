"""The ladder: a customer's products from the first rung that has any, then from the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.recommender.als import FoldIn
from crm_spark.models.recommender.catalogue import PRODUCT_INDEX, Catalogue
from crm_spark.models.recommender.section import AlsParams, Policy

Rung = Literal["buy_again", "als", "popular"]
# How many scores of customers by products a worker holds at a time (8 bytes each).
SCORES_AT_A_TIME = 4_000_000
DECIMALS = 6
_OFFERS = (
    "list string, customer_id string, rank int, product_id string, score double, source string"
)


Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Ladder:
    """Rungs in order, and whether products that the customer has bought may be offered."""

    rungs: tuple[Rung, ...]
    policy: Policy


@dataclass(frozen=True)
class Offer:
    """One recommended product: its place in the catalogue, its score, and its rung."""

    product: int
    score: float
    source: Rung


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
        ranking = Ranking(catalogue, ladders, als)
        at_a_time = max(1, SCORES_AT_A_TIME // max(catalogue.size, 1))
        for batch in batches:
            for start in range(0, batch.num_rows, at_a_time):
                part = batch.slice(start, at_a_time)
                yield _as_batch(
                    part["customer_id"].to_pylist(),
                    catalogue,
                    ranking.offers(*_histories(part), n=n),
                )

    return rank


def _histories(
    batch: pa.RecordBatch,
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float64]]]:
    products = [np.asarray(row, np.int64) for row in batch["products"].to_pylist()]
    weights = [np.asarray(row, np.float64) for row in batch["weights"].to_pylist()]
    return products, weights


def _as_batch(
    customers: Sequence[str], catalogue: Catalogue, offers: Iterable[tuple[str, list[list[Offer]]]]
) -> pa.RecordBatch:
    rows = [
        (name, customer, rank, catalogue.product_ids[offer.product], offer.score, offer.source)
        for name, lists in offers
        for customer, ranked in zip(customers, lists, strict=True)
        for rank, offer in enumerate(ranked, start=1)
    ]
    types = [pa.string(), pa.string(), pa.int32(), pa.string(), pa.float64(), pa.string()]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    names = ["list", "customer_id", "rank", "product_id", "score", "source"]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=names)


class Ranking:
    """Ranks the products of one catalogue for customers, by their histories."""

    def __init__(self, catalogue: Catalogue, ladders: Mapping[str, Ladder], als: AlsParams) -> None:
        self._catalogue = catalogue
        self._ladders = ladders
        self._popular = catalogue.by_popularity()
        self._can_be_learnt = catalogue.is_available & catalogue.has_factors
        # In single precision the last digits of a score would depend on who shares the block.
        self._factors = catalogue.factors.astype(np.float64)
        self._needs_als = bool(self._can_be_learnt.any()) and any(
            "als" in ladder.rungs for ladder in ladders.values()
        )
        self._fold_in = (
            FoldIn(catalogue, alpha=als.alpha, regularization=als.regularization)
            if self._needs_als
            else None
        )

    def offers(
        self,
        products: Sequence[NDArray[np.int64]],
        weights: Sequence[NDArray[np.float64]],
        *,
        n: int,
    ) -> Iterator[tuple[str, list[list[Offer]]]]:
        """Give, by ladder, each customer's products, best first."""
        scores = self._als_scores(products, weights)
        for name, ladder in self._ladders.items():
            yield (
                name,
                [
                    self._climb(
                        ladder,
                        products[row],
                        weights[row],
                        None if scores is None else scores[row],
                        n,
                    )
                    for row in range(len(products))
                ],
            )

    def _als_scores(
        self, products: Sequence[NDArray[np.int64]], weights: Sequence[NDArray[np.float64]]
    ) -> Scores | None:
        if self._fold_in is None:
            return None
        scores: Scores = self._fold_in.customer_factors(products, weights) @ self._factors.T
        scores[:, ~self._can_be_learnt] = -np.inf
        return scores

    def _climb(
        self,
        ladder: Ladder,
        products: NDArray[np.int64],
        weights: NDArray[np.float64],
        scores: Scores | None,
        n: int,
    ) -> list[Offer]:
        bought = set(products.tolist())
        taken = set(bought) if ladder.policy == "new_only" else set()
        offers: list[Offer] = []
        for rung in ladder.rungs:
            if len(offers) >= n:
                break
            room = n - len(offers)
            for product, score in self._rung(rung, products, weights, scores, taken, room):
                offers.append(Offer(product, score, rung))
                taken.add(product)
        return offers

    def _rung(
        self,
        rung: Rung,
        products: NDArray[np.int64],
        weights: NDArray[np.float64],
        scores: Scores | None,
        taken: set[int],
        room: int,
    ) -> list[tuple[int, float]]:
        if rung == "buy_again":
            order = np.lexsort((products, -weights))
            pairs = ((int(products[place]), float(weights[place])) for place in order)
            return _first(room, pairs, taken, self._catalogue.is_available)
        if rung == "als":
            # Of a history without any known product nothing follows: its factors are zeros.
            if scores is None or not self._catalogue.has_factors[products].any():
                return []
            return _best(scores, taken, room)
        pairs = (
            (int(place), float(self._catalogue.n_recent_customers[place]))
            for place in self._popular
        )
        return _first(room, pairs, taken, self._catalogue.is_available)


def _first(
    room: int,
    pairs: Iterable[tuple[int, float]],
    taken: set[int],
    is_available: NDArray[np.bool_],
) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for product, score in pairs:
        if len(found) == room:
            break
        if product not in taken and is_available[product]:
            found.append((product, round(score, DECIMALS)))
    return found


def _best(scores: Scores, taken: set[int], room: int) -> list[tuple[int, float]]:
    """Give the products with the highest scores; equal ones (to six decimals) by place."""
    free = scores.copy()
    free[list(taken)] = -np.inf
    room = min(room, len(free))
    least = np.partition(free, len(free) - room)[len(free) - room]
    # All that tie with the last one to be taken are candidates: which of them is decided by place.
    candidates = np.flatnonzero((free >= least - 10.0**-DECIMALS) & np.isfinite(free))
    rounded = np.round(free[candidates], DECIMALS)
    order = np.lexsort((candidates, -rounded))[:room]
    return [(int(candidates[place]), float(rounded[place])) for place in order]
