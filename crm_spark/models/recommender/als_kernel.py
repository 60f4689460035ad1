"""The least squares of ALS, for many rows at once: numpy alone, no Spark.

A row is a customer with the products bought, or a product with its customers. Nothing of a row's
result depends on the rows beside it, so blocks may be cut anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

# Steps of conjugate gradients for a row in each iteration of a fit. They go on from the row's
# factors of the iteration before: three come to within a thousandth of the exact loss.
STEPS = 3
# Numbers of the other side that are looked at together: 4 MB in single precision, a cache's worth.
_GATHERED = 1 << 20
_GRAM_ROWS = 1 << 16


@dataclass(frozen=True)
class Ratings:
    """The ratings of some rows as a compressed sparse matrix (CSR).

    Row i has ratings[offsets[i]:offsets[i + 1]], all above zero, of indices[...] of the other side.
    `offsets` begins with 0 and has one entry more than there are rows.
    """

    offsets: Ints
    indices: Ints
    ratings: Floats

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.offsets) - 1


@dataclass(frozen=True)
class OtherSide:
    """The factors that rows are solved from, in the basis in which their Gram matrix is diagonal.

    `rotated` is factors @ basis with a row of zeros at the end, `eigenvalues` are those of
    factors' factors, and `basis` has its eigenvectors as columns.
    """

    rotated: Floats
    eigenvalues: Floats
    basis: Floats

    def factors(self, rows: slice) -> Floats:
        """Give the factors of some rows as they were."""
        return _each_times(self.rotated[:-1][rows], self.basis.T)


def other_side(factors: Floats) -> OtherSide:
    """Prepare factors (a row each) for solving the rows of the other side from them."""
    rank = factors.shape[1]
    gram = np.zeros((rank, rank))
    for start in range(0, len(factors), _GRAM_ROWS):
        wide = factors[start : start + _GRAM_ROWS].astype(np.float64)
        gram += wide.T @ wide
    eigenvalues, basis = np.linalg.eigh(gram)
    basis = basis.astype(factors.dtype)
    rotated = np.zeros((len(factors) + 1, rank), factors.dtype)
    np.matmul(factors, basis, out=rotated[:-1])
    # Rounding may leave those that are zero a little below it.
    return OtherSide(rotated, np.maximum(eigenvalues, 0).astype(factors.dtype), basis)


def solve(
    rows: Ratings,
    other: OtherSide,
    *,
    alpha: float,
    regularization: float,
    start: Floats | None = None,
    steps: int = STEPS,
    tolerance: float = 0.0,
) -> Floats:
    """Give the factors of rows, in the precision of the other side's; zeros for an empty row.

    Minimises sum over all y of c (p - x'y)^2 + regularization n |x|^2 for each row x, where the
    preference p is 1 and the confidence c is 1 + alpha * rating for the n that were rated, 0 and 1
    for all others: Hu, Koren and Volinsky (2008), equation 3, with lambda scaled by n as MLlib
    does (Zhou, Wilkinson, Schreiber and Pan 2008). The normal equations (their equation 4) are
    solved by conjugate gradients from `start` on, as Takacs, Pilaszy and Tikk (2011) propose, in
    the basis in which Y'Y is diagonal: there Y'Y costs nothing, and with lambda n it is the
    preconditioner. A row ends after `steps`, or when its residual in the preconditioner's norm has
    fallen by `tolerance`.
    """
    rank = other.rotated.shape[1]
    kind = other.rotated.dtype
    found = np.zeros((rows.n_rows, rank), kind)
    if start is not None:
        np.copyto(found, _each_times(start, other.basis))
    for batch in _batches(rows, other, alpha):
        diagonal = other.eigenvalues + (regularization * batch.n_ratings).astype(kind)[:, None]
        found[batch.rows] = _conjugate_gradients(
            batch, diagonal, found[batch.rows], steps=steps, tolerance=tolerance
        )
    found[np.diff(rows.offsets) == 0] = 0
    return _each_times(found, other.basis.T)


def one_thread() -> AbstractContextManager[object]:
    """Keep BLAS to the thread it is called from: Spark has a worker for every core already."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def _conjugate_gradients(
    batch: _Batch, diagonal: Floats, x: Floats, *, steps: int, tolerance: float
) -> Floats:
    def right_side_less_left(seen: Floats, confidence: Floats) -> Floats:
        return 1 + confidence - confidence * seen

    residual = batch.gathered(x, right_side_less_left) - diagonal * x
    conditioned = residual / diagonal
    direction = conditioned.copy()
    length = _each_dot(residual, conditioned)
    least = length * tolerance**2
    for _ in range(steps):
        is_open = length > least
        if not is_open.any():
            break
        image = batch.gathered(direction, np.multiply) + diagonal * direction
        # A row that has ended stays as it is, however many steps the others need.
        step = _ratio(length, _each_dot(direction, image), is_open)
        x += step * direction
        residual -= step * image
        conditioned = residual / diagonal
        longer = _each_dot(residual, conditioned)
        direction = conditioned + _ratio(longer, length, is_open) * direction
        length = np.where(is_open, longer, length)
    return x


@dataclass(frozen=True)
class _Batch:
    """Rows that are padded to one length.

    `columns` and `confidences` (rows, length) have the place of the zeros, and zero, as padding.
    `room` is where factors of the other side are gathered, and what is gathered at a time; `rated`
    are those of all rows, where they have room at once.
    """

    rows: Ints
    n_ratings: Ints
    columns: Ints
    confidences: Floats
    rotated: Floats
    room: Floats
    rated: Floats | None

    def gathered(self, vectors: Floats, weigh: Callable[[Floats, Floats], Floats]) -> Floats:
        """Give sum over the rated y of weigh(y'v, c) y for the vector v of each row."""
        total = np.zeros_like(vectors)
        for confidences, y in self._parts():
            seen = np.matmul(y, vectors[:, :, None])[:, :, 0]
            total += np.matmul(weigh(seen, confidences)[:, None, :], y)[:, 0]
        return total

    def _parts(self) -> Iterator[tuple[Floats, Floats]]:
        if self.rated is not None:
            yield self.confidences, self.rated
            return
        step = len(self.room) // self.rotated.shape[1]
        for start in range(0, self.columns.shape[1], step):
            place = (slice(None), slice(start, start + step))
            yield self.confidences[place], _taken(self.rotated, self.columns[place], self.room)


def _batches(rows: Ratings, other: OtherSide, alpha: float) -> Iterator[_Batch]:
    """Give rows of like length together; empty ones are left out."""
    kind, rank = other.rotated.dtype, other.rotated.shape[1]
    n_ratings = np.diff(rows.offsets)
    padded = _padded(n_ratings)
    order = np.argsort(padded, kind="stable")
    lengths = padded[order]
    room = np.empty(max(_GATHERED, rank), kind)
    zeros = len(other.rotated) - 1
    begin = int(np.searchsorted(lengths, 1))
    while begin < len(order):
        length = int(lengths[begin])
        end = int(np.searchsorted(lengths, length, side="right"))
        end = min(end, begin + max(1, len(room) // (length * rank)))
        chosen = order[begin:end]
        within = np.arange(length)
        is_rated = within < n_ratings[chosen][:, None]
        places = np.minimum(rows.offsets[chosen][:, None] + within, len(rows.indices) - 1)
        columns = np.where(is_rated, rows.indices[places], zeros)
        confidences = np.where(is_rated, alpha * rows.ratings[places], 0).astype(kind)
        has_room = columns.size * rank <= len(room)
        rated = _taken(other.rotated, columns, room) if has_room else None
        n = n_ratings[chosen]
        yield _Batch(chosen, n, columns, confidences, other.rotated, room, rated)
        begin = end


def _taken(rotated: Floats, columns: Ints, room: Floats) -> Floats:
    shape = (*columns.shape, rotated.shape[1])
    y = room[: columns.size * shape[-1]].reshape(shape)
    # The default mode would fill a second buffer first.
    np.take(rotated, columns, axis=0, out=y, mode="clip")
    return y


def _padded(n: Ints) -> Ints:
    """Give the length that a row is padded to, at most an eighth more than its own.

    It depends on the row alone, since sums of another length may be rounded otherwise.
    """
    exponent = np.frexp(np.maximum(n, 1))[1] - 1
    unit = np.left_shift(1, np.maximum(exponent - 3, 0))
    padded: Ints = -(-n // unit) * unit
    return padded


def _each_times(vectors: Floats, matrix: Floats) -> Floats:
    """Multiply row by row: in one product of all, a row's rounding depends on its place."""
    product: Floats = np.matmul(vectors[:, None, :], matrix)[:, 0]
    return product


def _each_dot(left: Floats, right: Floats) -> Floats:
    dots: Floats = np.einsum("ij,ij->i", left, right)
    return dots


def _ratio(above: Floats, below: Floats, is_open: NDArray[np.bool_]) -> Floats:
    """Divide, as a column; zero for rows that have ended."""
    ratio = np.zeros_like(above)
    np.divide(above, below, out=ratio, where=is_open & (below > 0))
    return ratio[:, None]
