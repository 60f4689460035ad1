"""The ladder against a slow plain-Python oracle, and what no list may hold."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.models.recommender import ladder as ladder_module
from crm_spark.models.recommender import offers as offers_module
from crm_spark.models.recommender.als_kernel import Ratings
from crm_spark.models.recommender.catalogue import Catalogue, product_catalogue
from crm_spark.models.recommender.fold_in import FoldIn
from crm_spark.models.recommender.ladder import RUNGS, Ladder, Ranking, Rung
from crm_spark.models.recommender.offers import customer_histories, rank_products
from crm_spark.models.recommender.section import AlsParams, RecommendationsSection
from crm_spark.models.recommender.train import known_purchases

ALS = AlsParams(alpha=2.0, regularization=0.1)
LADDERS: dict[str, Ladder] = {
    "popular": Ladder(("popular",), "all"),
    "again": Ladder(("buy_again", "popular"), "all"),
    "all": Ladder(("buy_again", "als", "popular"), "all"),
    "als first": Ladder(("als", "buy_again", "popular"), "all"),
    "als alone": Ladder(("als",), "all"),
    "new": Ladder(("als", "popular"), "new_only"),
    "nothing again": Ladder(("buy_again", "als", "popular"), "new_only"),
}
History = dict[int, float]  # product -> weight


@dataclass(frozen=True)
class Offer:
    """One recommended product: its place in the catalogue, its score, and its rung."""

    product: int
    score: float
    source: Rung


def catalogue_of(
    recent: Sequence[int],
    factors: Sequence[Sequence[float] | None],
    *,
    ever: Sequence[int] | None = None,
    unavailable: Sequence[int] = (),
) -> Catalogue:
    """Put a catalogue together; a product without factors has None."""
    n = len(recent)
    rank = max((len(vector) for vector in factors if vector), default=0)
    return Catalogue(
        product_ids=np.array([f"p{number:03}" for number in range(n)], object),
        n_customers=np.array(recent if ever is None else ever, np.int64),
        n_recent_customers=np.array(recent, np.int64),
        is_available=np.array([number not in unavailable for number in range(n)], bool),
        factors=np.array([vector or [0.0] * rank for vector in factors], np.float32).reshape(
            n, rank
        ),
        has_factors=np.array([vector is not None for vector in factors], bool),
    )


def offers_of(
    catalogue: Catalogue, ladders: dict[str, Ladder], histories: Sequence[History], *, n: int
) -> dict[str, list[list[Offer]]]:
    return lists_of(Ranking(catalogue, ladders, ALS), histories, n=n)


def lists_of(
    ranking: Ranking, histories: Sequence[History], *, n: int
) -> dict[str, list[list[Offer]]]:
    lists: dict[str, list[list[Offer]]] = {}
    for name, offers in ranking.offers(as_ratings(histories), n=n):
        lists[name] = [[] for _ in histories]
        columns = (offers.customers, offers.products, offers.scores, offers.rungs)
        for row, product, score, rung in zip(*(one.tolist() for one in columns), strict=True):
            lists[name][row].append(Offer(product, score, RUNGS[rung]))
    return lists


def as_ratings(histories: Sequence[History]) -> Ratings:
    """Give histories as a compressed sparse matrix."""
    return Ratings(
        np.cumsum([0, *(len(history) for history in histories)]),
        np.array([product for history in histories for product in history], np.int32),
        np.array([weight for history in histories for weight in history.values()], float),
    )


# --- the oracle ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Oracle:
    """Lists by the words of the documentation, one product at a time."""

    catalogue: Catalogue

    def scores(self, history: History) -> dict[int, float]:
        """Give the predicted preference of each product that can be learnt and is on sale."""
        known = [number for number in history if self.catalogue.has_factors[number]]
        if not known or not self.catalogue.has_factors.any():
            return {}
        y = self.catalogue.factors.astype(float)
        y[~self.catalogue.has_factors] = 0
        left = sum(np.outer(row, row) for row in y) + 0.1 * len(known) * np.eye(y.shape[1])
        right = np.zeros(y.shape[1])
        for number in known:
            confidence = 2.0 * np.log1p(history[number])
            left = left + confidence * np.outer(y[number], y[number])
            right = right + (1 + confidence) * y[number]
        customer = np.linalg.solve(left, right)
        return {
            number: float(customer @ y[number])
            for number in range(self.catalogue.size)
            if self.catalogue.has_factors[number] and self.catalogue.is_available[number]
        }

    def offers(self, ladder: Ladder, history: History, n: int) -> list[Offer]:
        found: list[Offer] = []
        for rung in ladder.rungs:
            for product, score in self.ranked(rung, history):
                is_barred = ladder.policy == "new_only" and product in history
                is_there = product in [offer.product for offer in found]
                if len(found) < n and not is_barred and not is_there:
                    found.append(Offer(product, score, rung))
        return found

    def ranked(self, rung: Rung, history: History) -> list[tuple[int, float]]:
        on_sale = [p for p in range(self.catalogue.size) if self.catalogue.is_available[p]]
        if rung == "popular":
            recent, ever = self.catalogue.n_recent_customers, self.catalogue.n_customers
            order = sorted(on_sale, key=lambda p: (-recent[p], -ever[p], p))
            return [(p, float(recent[p])) for p in order]
        scores = self.scores(history) if rung == "als" else history
        rounded = {p: round(scores[p], 6) for p in on_sale if p in scores}
        return sorted(rounded.items(), key=lambda pair: (-pair[1], pair[0]))


def drawn_case(seed: int) -> tuple[Catalogue, list[History], int]:
    """Draw a catalogue with ties, products without factors and some off sale, and histories.

    Factors are multiples of an eighth, so that many scores tie. Everybody with a history has a
    product with factors in it.
    """
    rng = random.Random(seed)
    size = rng.choice([1, 3, 8, 30])
    factors: list[list[float] | None] = [
        [rng.randint(-4, 8) / 8 for _ in range(3)] if rng.random() < 0.8 else None
        for _ in range(size)
    ]
    factors[0] = [0.5, 0.25, -0.125]
    unavailable = [p for p in range(size) if rng.random() < 0.2]
    recent = [rng.randint(0, 4) for _ in range(size)]
    catalogue = catalogue_of(
        recent,
        factors,
        ever=[count + rng.randint(0, 2) for count in recent],
        unavailable=unavailable,
    )
    histories: list[History] = [{}]
    for _ in range(6):
        bought = {0, *rng.sample(range(size), rng.randint(0, min(size, 9)))}
        histories.append({p: rng.choice([0.25, 1.0, 1.0, 3.0]) for p in sorted(bought)})
    return catalogue, histories, rng.choice([1, 2, 5, 10, 50])


@pytest.mark.parametrize("seed", range(60))
def test_lists_are_those_of_the_oracle(seed: int) -> None:
    catalogue, histories, n = drawn_case(seed)
    found = offers_of(catalogue, LADDERS, histories, n=n)
    assert list(found) == list(LADDERS)
    for name, ladder in LADDERS.items():
        for history, offers in zip(histories, found[name], strict=True):
            expected = Oracle(catalogue).offers(ladder, history, n)
            assert [offer.source for offer in offers] == [offer.source for offer in expected]
            scores = [offer.score for offer in expected]
            assert [offer.score for offer in offers] == pytest.approx(scores, abs=3e-6)
            mine = Oracle(catalogue).scores(history)
            for offer, wanted in zip(offers, expected, strict=True):
                # Single precision may turn round what differs by less than it resolves.
                is_close = (
                    offer.source == "als" and abs(mine[offer.product] - mine[wanted.product]) < 3e-6
                )
                assert offer.product == wanted.product or is_close


@pytest.mark.parametrize("seed", range(60))
def test_no_list_holds_a_product_twice_or_off_sale_or_bought_under_new_only(seed: int) -> None:
    catalogue, histories, n = drawn_case(seed)
    found = offers_of(catalogue, LADDERS, histories, n=n)
    for name, ladder in LADDERS.items():
        for history, offers in zip(histories, found[name], strict=True):
            products = [offer.product for offer in offers]
            assert len(products) == len(set(products)) <= n
            assert all(catalogue.is_available[product] for product in products)
            if ladder.policy == "new_only":
                assert not set(products) & set(history)
            if "popular" in ladder.rungs:
                barred = set(history) if ladder.policy == "new_only" else set()
                on_sale = set(np.flatnonzero(catalogue.is_available).tolist())
                assert len(products) == min(n, len(on_sale - barred))


# --- by hand -------------------------------------------------------------------------------------

HAND = catalogue_of(
    [5, 9, 9, 1, 7], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], None, None], ever=[5, 9, 10, 1, 7]
)


def by_hand(rungs: tuple[Rung, ...], history: History, *, n: int = 10) -> list[tuple[int, Rung]]:
    found = offers_of(HAND, {"x": Ladder(rungs, "all")}, [history], n=n)["x"][0]
    return [(offer.product, offer.source) for offer in found]


def test_rungs_are_filled_in_order_each_under_its_own_name() -> None:
    assert by_hand(("buy_again", "als", "popular"), {0: 1.0, 3: 2.0}) == [
        (3, "buy_again"),
        (0, "buy_again"),
        (1, "als"),
        (2, "als"),
        (4, "popular"),
    ]


def test_a_full_list_climbs_no_further() -> None:
    assert by_hand(("buy_again", "popular"), {0: 1.0, 3: 2.0}, n=1) == [(3, "buy_again")]
    assert by_hand(("buy_again", "als", "popular"), {0: 1.0}, n=2) == [
        (0, "buy_again"),
        (1, "als"),
    ]


def test_a_customer_without_history_gets_popular_products_only() -> None:
    assert by_hand(("buy_again", "als", "popular"), {}) == [
        (place, "popular") for place in (2, 1, 4, 0, 3)
    ]


def test_popular_ties_go_to_those_with_more_customers_ever_then_by_place() -> None:
    tied = catalogue_of([2, 2, 2, 3], [None] * 4, ever=[4, 5, 4, 3])
    found = offers_of(tied, {"x": Ladder(("popular",), "all")}, [{}], n=4)["x"][0]
    assert [(offer.product, offer.score) for offer in found] == [(3, 3), (1, 2), (0, 2), (2, 2)]


def test_equal_weights_and_equal_predictions_are_ranked_by_place() -> None:
    assert by_hand(("buy_again",), {4: 1.0, 1: 1.0, 3: 1.0, 2: 1.5}) == [
        (place, "buy_again") for place in (2, 1, 3, 4)
    ]
    same = catalogue_of([1] * 9, [[0.5, 0.5]] * 9)
    found = offers_of(same, {"x": Ladder(("als",), "all")}, [{5: 1.0}], n=4)["x"][0]
    assert [offer.product for offer in found] == [0, 1, 2, 3]


def test_a_catalogue_without_factors_has_no_als_rung() -> None:
    bare = catalogue_of([1, 2], [None, None])
    found = offers_of(bare, {"x": Ladder(("als", "popular"), "all")}, [{0: 1.0}], n=2)["x"][0]
    assert [(offer.product, offer.source) for offer in found] == [(1, "popular"), (0, "popular")]


def test_an_empty_catalogue_offers_nothing() -> None:
    empty = catalogue_of([], [])
    assert offers_of(empty, LADDERS, [{}], n=5) == {name: [[]] for name in LADDERS}


# --- Spark ---------------------------------------------------------------------------------------

SCHEMA = "customer_id string, product_id string, n_orders double, days_since_last_order bigint"
PARAMS = RecommendationsSection(sold_within_days=30, popular_days=10)
Lists = dict[tuple[str, str], list[tuple[int, str, float, str]]]


def drawn_interactions() -> list[tuple[str, str, float, int]]:
    rng = random.Random(2)
    return [
        (f"c{number:02}", f"p{product:02}", float(rng.randint(1, 3)), 10 + rng.randint(0, 25))
        for number in range(25)
        for product in rng.sample(range(20), rng.randint(1, 8))
    ] + [("c00", "gone", 1.0, 40), ("c01", "just on sale", 1.0, 39), ("c01", "newest", 1.0, 10)]


INTERACTIONS = drawn_interactions()


def factors_of(products: Sequence[str]) -> pd.DataFrame:
    random_ = np.random.default_rng(4)
    values = random_.integers(-4, 9, (len(products), 3)) / 8
    frame = pd.DataFrame(values, columns=["factor_0", "factor_1", "factor_2"])
    return frame.assign(product_id=list(products))


def as_lists(rows: Sequence[Any]) -> Lists:
    lists: Lists = {}
    for row in sorted(rows, key=lambda offer: (offer["list"], offer["customer_id"], offer["rank"])):
        entry = (row["rank"], row["product_id"], round(row["score"], 4), row["source"])
        lists.setdefault((row["list"], row["customer_id"]), []).append(entry)
    return lists


class Shared:
    """Stands in for Spark's broadcast."""

    def __init__(self, value: Catalogue) -> None:
        self.value = value


def test_lists_do_not_depend_on_partitions_and_blocks(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    interactions = spark.createDataFrame(INTERACTIONS, SCHEMA).coalesce(1).cache()
    bare = product_catalogue(interactions, PARAMS)

    silence = {
        product: min(r[3] for r in INTERACTIONS if r[1] == product)
        for product in {r[1] for r in INTERACTIONS}
    }
    assert list(bare.product_ids) == sorted(silence)
    assert dict(zip(bare.product_ids, bare.is_available.tolist(), strict=True)) == {
        product: days < 40 for product, days in silence.items()
    }
    for product, n, recent in zip(
        bare.product_ids, bare.n_customers, bare.n_recent_customers, strict=True
    ):
        silences = [row[3] for row in INTERACTIONS if row[1] == product]
        assert (n, recent) == (len(silences), sum(days < 10 for days in silences))

    catalogue = bare.with_factors(factors_of(bare.product_ids[3:]))
    assert catalogue.has_factors.tolist() == [False] * 3 + [True] * (bare.size - 3)
    customers = spark.createDataFrame(
        [(f"c{number:02}",) for number in range(25)] + [("stranger",)], "customer_id string"
    )
    histories = customer_histories(customers, interactions, catalogue, weight="n_orders").cache()
    ladders = {"all": LADDERS["all"], "new": LADDERS["new"]}
    ranked = rank_products(histories.coalesce(1), catalogue, ladders, ALS, n=6)
    expected = as_lists(ranked.collect())
    assert {customer for _, customer in expected} == {
        row["customer_id"] for row in customers.collect()
    }
    assert all([entry[0] for entry in one] == [1, 2, 3, 4, 5, 6] for one in expected.values())
    assert {entry[3] for entry in expected["all", "stranger"]} == {"popular"}
    assert {entry[1] for one in expected.values() for entry in one} <= set(silence) - {"gone"}

    spread = histories.repartition(5, F.reverse("customer_id"))
    again = as_lists(rank_products(spread, catalogue, ladders, ALS, n=6).collect())
    assert again == expected

    batch = pa.Table.from_pandas(histories.toPandas()).combine_chunks().to_batches()[0]
    for at_a_time in (1, 7):
        monkeypatch.setattr(ladder_module, "AT_A_TIME", at_a_time * catalogue.size)
        rank: Any = offers_module._ranker(Shared(catalogue), ladders, ALS, 6)  # type: ignore[arg-type]
        parts = list(rank([batch.slice(0, 20), batch.slice(20)]))
        assert len(parts) == 2 * len(ladders)
        rows = [row for part in parts for row in part.to_pylist()]
        assert as_lists(rows) == expected


def test_a_worker_without_customers_gives_nothing() -> None:
    rank: Any = offers_module._ranker(Shared(HAND), LADDERS, ALS, 6)  # type: ignore[arg-type]
    empty = pa.RecordBatch.from_pylist(
        [],
        schema=pa.schema(
            [
                ("customer_id", pa.string()),
                ("products", pa.list_(pa.int32())),
                ("weights", pa.list_(pa.float64())),
            ]
        ),
    )
    assert [part.num_rows for part in rank([empty])] == [0] * len(LADDERS)


def test_customer_histories_hold_all_products_in_the_order_of_their_places(
    spark: SparkSession,
) -> None:
    interactions = spark.createDataFrame(INTERACTIONS, SCHEMA)
    catalogue = product_catalogue(interactions, PARAMS)
    customers = spark.createDataFrame([("c01",), ("stranger",)], "customer_id string")
    rows = customer_histories(customers, interactions, catalogue, weight="n_orders").collect()
    places = {product: place for place, product in enumerate(catalogue.product_ids)}
    expected = sorted((places[row[1]], row[2]) for row in INTERACTIONS if row[0] == "c01")
    found = {row["customer_id"]: (row["products"], row["weights"]) for row in rows}
    assert found == {
        "c01": ([place for place, _ in expected], [weight for _, weight in expected]),
        "stranger": ([], []),
    }


def test_what_is_excluded_is_neither_offered_nor_learnt_of_nor_counted(spark: SparkSession) -> None:
    postage = [(customer, "POST", 9.0, 10) for customer in ("c00", "c01", "postage alone")]
    interactions = spark.createDataFrame([*INTERACTIONS, *postage], SCHEMA)
    params = PARAMS.model_copy(update={"exclude_products": ("POST",)})
    catalogue = product_catalogue(interactions, params)
    without = product_catalogue(spark.createDataFrame(INTERACTIONS, SCHEMA), PARAMS)
    assert list(catalogue.product_ids) == list(without.product_ids)
    assert catalogue.n_customers.tolist() == without.n_customers.tolist()
    after = spark.createDataFrame(
        [("c00", "POST"), ("postage alone", "p01"), ("c01", "newest")],
        "customer_id string, product_id string",
    )
    weighed = params.model_copy(update={"weight": "n_orders"})
    known = known_purchases(interactions, catalogue, after, weighed)
    assert {tuple(row) for row in known.relevant.collect()} == {
        ("postage alone", "p01", True),
        ("c01", "newest", False),
    }
    histories = {row["customer_id"]: row["products"] for row in known.histories.collect()}
    assert histories["postage alone"] == []


def test_a_history_of_unknown_products_alone_leads_to_the_popular_ones() -> None:
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(50, 4)).astype(np.float32)
    has_factors = np.ones(50, bool)
    has_factors[5] = False
    factors[5] = 0.0
    catalogue = Catalogue(
        product_ids=np.array([f"p{index:02d}" for index in range(50)], object),
        n_customers=np.arange(50),
        n_recent_customers=np.arange(50),
        is_available=np.ones(50, bool),
        factors=factors,
        has_factors=has_factors,
    )
    ranking = Ranking(catalogue, {"x": Ladder(("als", "popular"), "all")}, AlsParams())
    lists = lists_of(ranking, [{5: 1.0}], n=3)["x"]
    assert [(offer.product, offer.source) for offer in lists[0]] == [
        (49, "popular"),
        (48, "popular"),
        (47, "popular"),
    ]


def test_a_score_does_not_depend_on_who_shares_the_block() -> None:
    rng = np.random.default_rng(4)
    n = 3000
    catalogue = Catalogue(
        product_ids=np.array([f"p{index:04d}" for index in range(n)], object),
        n_customers=np.ones(n, int),
        n_recent_customers=np.ones(n, int),
        is_available=np.ones(n, bool),
        factors=rng.normal(0, 0.3, size=(n, 32)).astype(np.float32),
        has_factors=np.ones(n, bool),
    )
    drawn = [np.sort(rng.choice(n, size=8, replace=False)) for _ in range(300)]
    histories = [dict.fromkeys(products.tolist(), 1.0) for products in drawn]
    ranking = Ranking(catalogue, {"x": Ladder(("als",), "all")}, AlsParams())
    whole = lists_of(ranking, histories, n=10)["x"]
    for size in (1, 7):
        parts = [
            offers
            for start in range(0, 300, size)
            for offers in lists_of(ranking, histories[start : start + size], n=10)["x"]
        ]
        assert parts == whole


def test_a_weight_of_zero_is_no_purchase() -> None:
    rng = np.random.default_rng(5)
    catalogue = Catalogue(
        product_ids=np.array(["a", "b", "c"], object),
        n_customers=np.ones(3, int),
        n_recent_customers=np.ones(3, int),
        is_available=np.ones(3, bool),
        factors=rng.normal(size=(3, 2)).astype(np.float32),
        has_factors=np.ones(3, bool),
    )
    fold_in = FoldIn(catalogue, alpha=1.0, regularization=0.1)
    with_zero = fold_in.customer_factors(as_ratings([{0: 2.0, 1: 0.0}]))
    without = fold_in.customer_factors(as_ratings([{0: 2.0}]))
    np.testing.assert_allclose(with_zero, without)


@pytest.mark.parametrize(
    "history",
    [{0: 0.0}, {0: 0.0, 1: 0.0}, {2: 1.0}],
    ids=["weighs nothing", "nothing weighs", "factors of zero"],
)
def test_of_whom_nothing_can_be_told_gets_the_popular_products(history: History) -> None:
    told_nothing = catalogue_of([1, 2, 3], [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    ladders = {"x": Ladder(("als", "popular"), "all")}
    # The second customer shares the block, and is known.
    lists = offers_of(told_nothing, ladders, [history, {0: 1.0}], n=2)["x"]
    assert [(offer.product, offer.source) for offer in lists[0]] == [
        (2, "popular"),
        (1, "popular"),
    ]
    assert {offer.source for offer in lists[1]} == {"als"}
