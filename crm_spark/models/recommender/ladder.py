"""The ladder: a customer's products from the first rung that has any, then from the next.

Works on blocks of customers by numpy alone. Nothing of a customer's list depends on the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from crm_spark.models.recommender.als_kernel import Floats, Ints, Ratings
from crm_spark.models.recommender.catalogue import Catalogue
from crm_spark.models.recommender.fold_in import FoldIn
from crm_spark.models.recommender.section import AlsParams, Policy

Rung = Literal["buy_again", "als", "popular"]
RUNGS: tuple[Rung, ...] = get_args(Rung)
DECIMALS = 6
# How many numbers of customers by products are looked at together (4 bytes each).
AT_A_TIME = 4_000_000
# Members of a group of which only the best is looked at first, and pairs that are scored at once.
_GROUP = 16
_PAIRS = 1 << 16

Pairs = tuple[Ints, Ints]


@dataclass(frozen=True)
class Ladder:
    """Rungs in order, and whether products that the customer has bought may be offered."""

    rungs: tuple[Rung, ...]
    policy: Policy


@dataclass(frozen=True)
class Offers:
    """The lists of a block of customers as columns, an entry an offer, by customer and rank.

    `customers` are places in the block, `ranks` begin with 1, `products` are places in the
    catalogue, `rungs` places in RUNGS.
    """

    customers: Ints
    ranks: Ints
    products: Ints
    scores: Floats
    rungs: Ints


class Ranking:
    """Ranks the products of one catalogue for customers, by their histories."""

    def __init__(self, catalogue: Catalogue, ladders: Mapping[str, Ladder], als: AlsParams) -> None:
        self._catalogue = catalogue
        self._ladders = ladders
        self._popular = _Popular(catalogue)
        self._learnt = None
        can_be_learnt = catalogue.is_available & catalogue.has_factors
        if can_be_learnt.any() and any("als" in ladder.rungs for ladder in ladders.values()):
            fold_in = FoldIn(catalogue, alpha=als.alpha, regularization=als.regularization)
            self._learnt = _Learnt(catalogue, np.flatnonzero(can_be_learnt), fold_in)

    def offers(self, histories: Ratings, *, n: int) -> Iterator[tuple[str, Offers]]:
        """Give, by ladder, each customer's products, best first.

        `histories` are the places in the catalogue of what each customer bought, and its weights.
        Each rung leaves out what is not on sale, what an earlier one offers, and under new_only
        what was bought. buy_again ranks by weight, popular by customers lately, als by predicted
        preference to six decimals; ties by place (popular: by customers ever first).
        """
        block = _Block(histories, self._catalogue, self._learnt)
        for name, ladder in self._ladders.items():
            lists = _Lists(block, n, bars_bought=ladder.policy == "new_only")
            for rung in ladder.rungs:
                if rung == "buy_again":
                    _buy_again(block, lists)
                elif rung == "als" and self._learnt is not None:
                    self._learnt.add(block, lists)
                elif rung == "popular":
                    self._popular.add(lists)
            yield name, lists.offers()


@dataclass(frozen=True)
class _Block:
    """The histories of some customers, and what several ladders need of them."""

    histories: Ratings
    catalogue: Catalogue
    learnt: _Learnt | None

    @cached_property
    def bought(self) -> Pairs:
        """Customers and products."""
        histories = self.histories
        rows = np.repeat(np.arange(histories.n_rows), np.diff(histories.offsets))
        return rows, histories.indices.astype(np.int64)

    @cached_property
    def on_sale(self) -> tuple[Ints, Ints, Floats]:
        """What was bought and is on sale, by customer, the largest weight first."""
        rows, products = self.bought
        weights = self.histories.ratings
        order = np.lexsort((products, -weights, rows))
        order = order[self.catalogue.is_available[products[order]]]
        return rows[order], products[order], weights[order]

    @cached_property
    def is_known(self) -> NDArray[np.bool_]:
        """Whether a customer bought any product of which something follows: not at no weight."""
        assert self.learnt is not None, "only of what is learnt anything follows"
        rows, products = self.bought
        tells = self.learnt.tells[products] & (self.histories.ratings > 0)
        return np.bincount(rows[tells], minlength=self.histories.n_rows) > 0

    @cached_property
    def factors(self) -> Floats:
        """The customers' factors."""
        assert self.learnt is not None, "only what is learnt has factors"
        return self.learnt.fold_in.customer_factors(self.histories)


class _Lists:
    """The lists of one ladder as they are filled."""

    def __init__(self, block: _Block, n: int, *, bars_bought: bool) -> None:
        n_customers = block.histories.n_rows
        self._n = n
        self._size = block.catalogue.size
        self.bars_bought = bars_bought
        self._barred = block.bought if bars_bought else (_NONE, _NONE)
        self._counts = np.zeros(n_customers, np.int64)
        self._products = np.zeros((n_customers, n), np.int64)
        self._scores = np.zeros((n_customers, n))
        self._rungs = np.zeros((n_customers, n), np.int8)

    @property
    def room(self) -> Ints:
        """How many more products each customer's list takes."""
        return self._n - self._counts

    def taken(self) -> Pairs:
        """Customers, in order, and products that may not be offered to them any more."""
        rows, _ = np.nonzero(self._is_filled())
        if not len(rows):
            return self._barred
        barred_rows, barred = self._barred
        rows = np.concatenate([barred_rows, rows])
        products = np.concatenate([barred, self._products[self._is_filled()]])
        order = np.argsort(rows, kind="stable")
        return rows[order], products[order]

    def is_taken(self, rows: Ints, products: Ints) -> NDArray[np.bool_]:
        """Whether each of these may not be offered any more."""
        taken_rows, taken = self.taken()
        return np.isin(rows * self._size + products, taken_rows * self._size + taken)

    def add(self, rung: Rung, rows: Ints, products: Ints, scores: Floats) -> None:
        """Fill up with what is not taken: by customer, the best first."""
        is_first = np.diff(rows, prepend=-1) != 0
        begins = np.flatnonzero(is_first)
        places = np.arange(len(rows)) - begins[np.cumsum(is_first) - 1] + self._counts[rows]
        fits = places < self._n
        rows, places = rows[fits], places[fits]
        self._products[rows, places] = products[fits]
        self._scores[rows, places] = scores[fits]
        self._rungs[rows, places] = RUNGS.index(rung)
        self._counts += np.bincount(rows, minlength=len(self._counts))

    def offers(self) -> Offers:
        """Give what the lists hold."""
        rows, places = np.nonzero(self._is_filled())
        at = (rows, places)
        scores, rungs = self._scores[at], self._rungs[at]
        # Only weights have more decimals. Python rounds what is written, numpy a multiple of it.
        is_weight = rungs == RUNGS.index("buy_again")
        scores[is_weight] = [round(score, DECIMALS) for score in scores[is_weight].tolist()]
        return Offers(rows, places + 1, self._products[at], scores, rungs)

    def _is_filled(self) -> NDArray[np.bool_]:
        return np.arange(self._n) < self._counts[:, None]


_NONE: Ints = np.zeros(0, np.int64)


def _buy_again(block: _Block, lists: _Lists) -> None:
    if lists.bars_bought:
        return
    rows, products, weights = block.on_sale
    is_free = ~lists.is_taken(rows, products)
    lists.add("buy_again", rows[is_free], products[is_free], weights[is_free])


class _Popular:
    """The rung of the popular products."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._order = catalogue.by_popularity()
        self._place = np.full(catalogue.size, len(self._order))
        self._place[self._order] = np.arange(len(self._order))
        self._scores = catalogue.n_recent_customers[self._order].astype(np.float64)

    def add(self, lists: _Lists) -> None:
        """Add the most popular ones that are not taken."""
        room = lists.room
        rows, products = lists.taken()
        # No further down the order than a list takes with all that it has to pass over.
        depth = np.bincount(rows, minlength=len(room)) + room
        open_rows = np.flatnonzero(room > 0)
        for part in _parts(len(open_rows), int(depth[open_rows].max(initial=1))):
            chosen = open_rows[part]
            taken = _within(chosen, rows, products)
            self._add(lists, chosen, taken, min(int(depth[chosen].max()), len(self._order)))

    def _add(self, lists: _Lists, chosen: Ints, taken: Pairs, depth: int) -> None:
        is_free = np.ones((len(chosen), depth), bool)
        rows, places = taken[0], self._place[taken[1]]
        is_near = places < depth
        is_free[rows[is_near], places[is_near]] = False
        n_free = np.cumsum(is_free, axis=1, dtype=np.int32)
        rows, places = np.nonzero(is_free & (n_free <= lists.room[chosen][:, None]))
        lists.add("popular", chosen[rows], self._order[places], self._scores[places])


class _Learnt:
    """The rung als: products that are on sale and have factors.

    Scores of all products are products of matrices in single precision. Whatever could be among the
    best by them, given how far they may be off, is scored anew in double precision, pair by pair.
    """

    def __init__(self, catalogue: Catalogue, products: Ints, fold_in: FoldIn) -> None:
        self.fold_in = fold_in
        # Factors of zero fit any customer alike.
        self.tells = catalogue.has_factors & np.asarray(catalogue.factors.any(axis=1))
        self._products = products
        self._column = np.full(catalogue.size, -1)
        self._column[products] = np.arange(len(products))
        self._factors = catalogue.factors[products].astype(np.float64)
        self._longest = np.linalg.norm(self._factors, axis=1).max()
        self._room: Floats = np.zeros(0, np.float32)

    def add(self, block: _Block, lists: _Lists) -> None:
        """Add the products with the highest scores that are not taken."""
        rows = np.flatnonzero((lists.room > 0) & block.is_known)
        taken = lists.taken()
        for part in _parts(len(rows), len(self._products)):
            chosen = rows[part]
            places, products = _within(chosen, *taken)
            columns = self._column[products]
            is_here = columns >= 0
            masked = places[is_here], columns[is_here]
            self._add(lists, chosen, block.factors[chosen], masked)

    def _add(self, lists: _Lists, chosen: Ints, factors: Floats, taken: Pairs) -> None:
        rows, columns = self._candidates(factors, taken, int(lists.room[chosen].max()))
        scores = np.empty(len(rows))
        for start in range(0, len(rows), _PAIRS):
            part = slice(start, start + _PAIRS)
            x, y = factors[rows[part]], self._factors[columns[part]]
            scores[part] = np.einsum("ij,ij->i", x, y)
        scores = np.round(scores, DECIMALS)
        order = np.lexsort((columns, -scores, rows))
        lists.add("als", chosen[rows[order]], self._products[columns[order]], scores[order])

    def _candidates(self, factors: Floats, taken: Pairs, n: int) -> Pairs:
        """Give all pairs of row and column that may be among the best n, ties included."""
        scores = self._scores(factors)
        scores[taken] = -np.inf
        least = _least_of_best(scores, n) - self._margin(factors)
        # What is taken is below any number.
        least = np.maximum(least, np.finfo(np.float32).min)
        flat = np.flatnonzero(scores >= least[:, None])
        return np.divmod(flat, scores.shape[1])

    def _margin(self, factors: Floats) -> NDArray[np.float32]:
        """Give twice what a score may be off (Higham 2002, section 3.1), and a tie's width."""
        rank = factors.shape[1]
        off = (rank + 8) * 2.0**-24 * np.linalg.norm(factors, axis=1) * self._longest
        margin: NDArray[np.float32] = (2 * off + 10.0**-DECIMALS).astype(np.float32)
        return margin

    def _scores(self, factors: Floats) -> Floats:
        size = len(factors) * len(self._products)
        if self._room.size < size:
            self._room = np.empty(size, np.float32)
        scores = self._room[:size].reshape(len(factors), -1)
        return np.matmul(factors.astype(np.float32), self._columns, out=scores)

    @cached_property
    def _columns(self) -> NDArray[Any]:
        return np.ascontiguousarray(self._factors.T.astype(np.float32))


def _parts(n_rows: int, width: int) -> Iterator[slice]:
    """Cut rows of so many numbers into what is looked at together."""
    step = max(1, AT_A_TIME // width)
    return (slice(start, start + step) for start in range(0, n_rows, step))


def _within(chosen: Ints, rows: Ints, products: Ints) -> Pairs:
    """Give those of pairs, sorted by row, whose row is chosen: its place among these, and product.

    The chosen rows are sorted, too.
    """
    begin, end = np.searchsorted(rows, [chosen[0], chosen[-1] + 1])
    rows, products = rows[begin:end], products[begin:end]
    places = np.searchsorted(chosen, rows)
    is_chosen = chosen[places] == rows
    return places[is_chosen], products[is_chosen]


def _least_of_best(scores: Floats, n: int) -> Floats:
    """Give a number that the n best of each row reach; -inf where there are no n.

    The best of n groups are n different scores, so the n-th best of all is no worse than the n-th
    of the groups' best.
    """
    n_rows, n_columns = scores.shape
    width = max(n_columns // _GROUP, min(n_columns, 8 * n))
    best = scores[:, :width]
    if width < n_columns:
        best = best.copy()
        for start in range(width, n_columns, width):
            part = scores[:, start : start + width]
            np.maximum(best[:, : part.shape[1]], part, out=best[:, : part.shape[1]])
    if width < n:
        return np.full(n_rows, -np.inf, scores.dtype)
    least: Floats = np.partition(best, width - n, axis=1)[:, width - n]
    return least
