"""Lists ranked in blocks are, to the last digit, those of a plain ranking a customer at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crm_spark.models.recommender import ladder as ladder_module
from crm_spark.models.recommender.als_kernel import Ratings
from crm_spark.models.recommender.catalogue import Catalogue
from crm_spark.models.recommender.ladder import DECIMALS, RUNGS, Ladder, Ranking, Rung
from crm_spark.models.recommender.section import AlsParams

ALS = AlsParams(alpha=2.0, regularization=0.1)
LADDERS: dict[str, Ladder] = {
    "popular": Ladder(("popular",), "all"),
    "new popular": Ladder(("popular",), "new_only"),
    "again": Ladder(("buy_again", "popular"), "all"),
    "all": Ladder(("buy_again", "als", "popular"), "all"),
    "als first": Ladder(("als", "buy_again", "popular"), "all"),
    "popular first": Ladder(("popular", "als", "buy_again"), "all"),
    "als alone": Ladder(("als",), "all"),
    "new als alone": Ladder(("als",), "new_only"),
    "new": Ladder(("als", "popular"), "new_only"),
    "nothing again": Ladder(("buy_again", "als", "popular"), "new_only"),
}
Entry = tuple[int, float, Rung]
Ints = NDArray[np.int64]
Floats = NDArray[Any]


@dataclass(frozen=True)
class PlainRanking:
    """The ladders one customer, one rung and one product at a time."""

    catalogue: Catalogue

    def factors(self, products: Ints, weights: Floats) -> Floats:
        """Solve the normal equations of one customer."""
        wide = self.catalogue.factors.astype(np.float64)
        wide[~self.catalogue.has_factors] = 0
        is_known = self.catalogue.has_factors[products] & (weights > 0)
        y, confidence = wide[products[is_known]], ALS.alpha * np.log1p(weights[is_known])
        ridge = ALS.regularization * max(len(y), 1) * np.eye(wide.shape[1])
        left = wide.T @ wide + (y.T * confidence) @ y + ridge
        return np.linalg.solve(left, (1 + confidence) @ y)

    def scores(self, products: Ints, weights: Floats) -> Floats | None:
        can_be_learnt = self.catalogue.is_available & self.catalogue.has_factors
        if not can_be_learnt.any():
            return None
        scores = self.factors(products, weights) @ self.catalogue.factors.astype(np.float64).T
        scores[~can_be_learnt] = -np.inf
        return scores

    def climb(self, ladder: Ladder, products: Ints, weights: Floats, n: int) -> list[Entry]:
        bought = set(products.tolist())
        taken = set(bought) if ladder.policy == "new_only" else set()
        offers: list[Entry] = []
        for rung in ladder.rungs:
            if len(offers) >= n:
                break
            for product, score in self.rung(rung, products, weights, taken, n - len(offers)):
                offers.append((product, score, rung))
                taken.add(product)
        return offers

    def rung(
        self, rung: Rung, products: Ints, weights: Floats, taken: set[int], room: int
    ) -> list[tuple[int, float]]:
        if rung == "buy_again":
            order = np.lexsort((products, -weights))
            pairs = ((int(products[place]), float(weights[place])) for place in order)
            return self.first(room, pairs, taken)
        if rung == "als":
            scores = self.scores(products, weights)
            # A weight of zero is no purchase, and of factors of zero nothing follows.
            tells = self.catalogue.has_factors & self.catalogue.factors.any(axis=1)
            if scores is None or not (tells[products] & (weights > 0)).any():
                return []
            return best(scores, taken, room)
        recent = self.catalogue.n_recent_customers
        popular = self.catalogue.by_popularity()
        return self.first(room, ((int(p), float(recent[p])) for p in popular), taken)

    def first(
        self, room: int, pairs: Iterable[tuple[int, float]], taken: set[int]
    ) -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        for product, score in pairs:
            if len(found) == room:
                break
            if product not in taken and self.catalogue.is_available[product]:
                found.append((product, round(score, DECIMALS)))
        return found


def best(scores: Floats, taken: set[int], room: int) -> list[tuple[int, float]]:
    free = scores.copy()
    free[list(taken)] = -np.inf
    room = min(room, len(free))
    least = np.partition(free, len(free) - room)[len(free) - room]
    candidates = np.flatnonzero((free >= least - 10.0**-DECIMALS) & np.isfinite(free))
    rounded = np.round(free[candidates], DECIMALS)
    order = np.lexsort((candidates, -rounded))[:room]
    return [(int(candidates[place]), float(rounded[place])) for place in order]


def drawn(seed: int) -> tuple[Catalogue, list[tuple[Ints, Floats]], int]:
    """Draw a catalogue with ties of all kinds, and histories from nothing to everything.

    A third of the seeds have factors in eighths, so that scores tie; a third scores that differ in
    all digits; and a third scores that single precision cannot tell apart. Some factors are the
    same. Weights of zero, and products off sale and without factors,
    are among what was bought.
    """
    rng = np.random.default_rng(seed)
    size = int(rng.choice([1, 2, 12, 60, 700]))
    rank = int(rng.choice([1, 3, 8]))
    factors = [
        rng.integers(-4, 9, (size, rank)) / 8,
        rng.normal(size=(size, rank)),
        0.5 + rng.integers(0, 40, (size, rank)) * 2.0**-24,
    ][seed % 3]
    if size > 4:
        factors[rng.choice(size, size // 4)] = factors[0]
    has_factors = rng.random(size) < (0 if seed % 17 == 0 else 0.8)
    recent = rng.integers(0, 4, size)
    catalogue = Catalogue(
        product_ids=np.array([f"p{index:03}" for index in range(size)], object),
        n_customers=recent + rng.integers(0, 2, size),
        n_recent_customers=recent,
        is_available=rng.random(size) < (0 if seed % 19 == 0 else 0.8),
        factors=np.where(has_factors[:, None], factors, 0).astype(np.float32),
        has_factors=has_factors,
    )
    histories = []
    for _ in range(25):
        n = int(rng.choice([0, 1, min(size, 5), rng.integers(0, size + 1)]))
        products = np.sort(rng.choice(size, n, replace=False))
        weights = rng.choice([0.0, 0.25, 1.0, 1.0, 3.0, 1.0000005, rng.random()], n)
        histories.append((products, weights))
    return catalogue, histories, int(rng.choice([1, 3, 10, 100]))


def as_ratings(histories: Sequence[tuple[Ints, Floats]]) -> Ratings:
    lengths = [len(products) for products, _ in histories]
    return Ratings(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([products for products, _ in histories]).astype(np.int32),
        np.concatenate([weights for _, weights in histories]),
    )


@pytest.mark.parametrize("seed", range(80))
def test_lists_are_those_of_the_plain_ranking(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue, histories, n = drawn(seed)
    monkeypatch.setattr(ladder_module, "_PAIRS", 50)
    monkeypatch.setattr(ladder_module, "AT_A_TIME", [10**6, 3 * catalogue.size][seed % 2])
    plain = PlainRanking(catalogue)
    names = []
    for name, offers in Ranking(catalogue, LADDERS, ALS).offers(as_ratings(histories), n=n):
        names.append(name)
        expected = [
            (row, rank, *entry)
            for row, (products, weights) in enumerate(histories)
            for rank, entry in enumerate(plain.climb(LADDERS[name], products, weights, n), 1)
        ]
        found = zip(
            offers.customers.tolist(),
            offers.ranks.tolist(),
            offers.products.tolist(),
            offers.scores.tolist(),
            [RUNGS[rung] for rung in offers.rungs],
            strict=True,
        )
        assert list(found) == expected
    assert names == list(LADDERS)


def test_a_block_without_customers_has_no_offers() -> None:
    catalogue, _, n = drawn(3)
    none = Ratings(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0))
    for _, offers in Ranking(catalogue, LADDERS, ALS).offers(none, n=n):
        assert len(offers.products) == 0


@pytest.mark.parametrize(("n_products", "n"), [(5, 10), (40, 3), (1000, 10), (1003, 1), (64, 64)])
def test_the_n_best_reach_the_least_that_is_looked_for(n_products: int, n: int) -> None:
    rng = np.random.default_rng(n_products)
    scores = rng.normal(size=(50, n_products)).astype(np.float32)
    scores[:, rng.random(n_products) < 0.3] = -np.inf
    least = ladder_module._least_of_best(scores, n)
    if n_products < n:
        assert (least == -np.inf).all()
    else:
        assert (least <= np.sort(scores, axis=1)[:, -n]).all()
    if n_products >= 1000:
        # Few enough are looked at more closely: that is what it is for.
        assert (scores >= least[:, None]).sum(axis=1).max() < 4 * n + 5
