"""The kernel of ALS: the normal equations solved as they stand, and what it may not depend on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from crm_spark.models.recommender import als_kernel
from crm_spark.models.recommender.als_arrow import starting_factors
from crm_spark.models.recommender.als_kernel import Floats, Ratings, other_side, solve

N_ROWS, N_OTHERS, RANK = 200, 90, 6


def drawn(seed: int = 0, *, kind: type[np.floating] = np.float64) -> tuple[Ratings, Floats]:
    """Draw ratings of rows with nothing to everything, and the factors of the other side."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 30, N_ROWS)
    lengths[:3] = [0, 1, N_OTHERS]
    indices = [np.sort(rng.choice(N_OTHERS, n, replace=False)) for n in lengths]
    ratings = Ratings(
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate(indices).astype(np.int32),
        rng.uniform(0.01, 2, lengths.sum()).astype(kind),
    )
    return ratings, rng.normal(size=(N_OTHERS, RANK)).astype(kind)


def transposed(rows: Ratings) -> Ratings:
    owner = np.repeat(np.arange(rows.n_rows), np.diff(rows.offsets))
    order = np.lexsort((owner, rows.indices))
    offsets = np.searchsorted(rows.indices[order], np.arange(N_OTHERS + 1))
    return Ratings(offsets, owner[order].astype(np.int32), rows.ratings[order])


def part(rows: Ratings, begin: int, end: int) -> Ratings:
    first, last = rows.offsets[begin], rows.offsets[end]
    return Ratings(
        rows.offsets[begin : end + 1] - first, rows.indices[first:last], rows.ratings[first:last]
    )


def dense(rows: Ratings, others: Floats, *, alpha: float, regularization: float) -> Floats:
    """Solve the normal equations of Hu, Koren and Volinsky as they stand, a row at a time."""
    found = np.zeros((rows.n_rows, others.shape[1]))
    for row in range(rows.n_rows):
        place = slice(rows.offsets[row], rows.offsets[row + 1])
        confidence, preference = np.ones(len(others)), np.zeros(len(others))
        confidence[rows.indices[place]] += alpha * rows.ratings[place]
        preference[rows.indices[place]] = 1
        if not preference.any():
            continue
        left = others.T @ np.diag(confidence) @ others
        left += regularization * preference.sum() * np.eye(others.shape[1])
        found[row] = np.linalg.solve(left, others.T @ (confidence * preference))
    return found


@pytest.mark.parametrize(("alpha", "regularization"), [(1.0, 0.1), (40.0, 0.01), (0.5, 1e-4)])
def test_factors_solve_the_normal_equations(alpha: float, regularization: float) -> None:
    rows, others = drawn()
    found = solve(
        rows,
        other_side(others),
        alpha=alpha,
        regularization=regularization,
        steps=200,
        tolerance=1e-14,
    )
    expected = dense(rows, others, alpha=alpha, regularization=regularization)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_a_row_without_ratings_has_factors_of_zero_whatever_it_started_from() -> None:
    rows, others = drawn()
    start = np.ones((N_ROWS, RANK))
    found = solve(rows, other_side(others), alpha=1.0, regularization=0.1, start=start)
    is_empty = np.diff(rows.offsets) == 0
    assert is_empty.sum() > 1
    assert not found[is_empty].any()
    assert found[~is_empty].all()


def test_no_rows_and_rows_without_any_rating_are_solved() -> None:
    _, others = drawn()
    none = Ratings(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0))
    two = Ratings(np.zeros(3, np.int64), np.zeros(0, np.int32), np.zeros(0))
    side = other_side(others)
    assert solve(none, side, alpha=1.0, regularization=0.1).shape == (0, RANK)
    assert solve(two, side, alpha=1.0, regularization=0.1).tolist() == [[0.0] * RANK] * 2


def test_steps_from_the_last_factors_come_to_the_exact_ones() -> None:
    rows, others = drawn()
    exact = dense(rows, others, alpha=1.0, regularization=0.1)
    side, found, far = other_side(others), None, []
    for _ in range(6):
        found = solve(rows, side, alpha=1.0, regularization=0.1, start=found, steps=2)
        far.append(float(np.abs(found - exact).max()))
    assert far == sorted(far, reverse=True)
    assert far[-1] < 1e-3 * far[0]


def test_a_start_that_is_the_solution_stays_it() -> None:
    rows, others = drawn()
    exact = dense(rows, others, alpha=1.0, regularization=0.1)
    found = solve(rows, other_side(others), alpha=1.0, regularization=0.1, start=exact)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12)


def loss(rows: Ratings, x: Floats, y: Floats, *, alpha: float, regularization: float) -> float:
    """Give what Hu, Koren and Volinsky minimise (equation 3), lambda scaled by ratings."""
    confidence, preference = np.ones((N_ROWS, N_OTHERS)), np.zeros((N_ROWS, N_OTHERS))
    owner = np.repeat(np.arange(N_ROWS), np.diff(rows.offsets))
    confidence[owner, rows.indices] += alpha * rows.ratings
    preference[owner, rows.indices] = 1
    misses = (confidence * (preference - x @ y.T) ** 2).sum()
    of_x = preference.sum(axis=1) @ (x**2).sum(axis=1)
    of_y = preference.sum(axis=0) @ (y**2).sum(axis=1)
    return float(misses + regularization * (of_x + of_y))


def test_the_loss_falls_with_each_half_of_an_iteration() -> None:
    rows, _ = drawn()
    columns = transposed(rows)
    y = starting_factors([f"p{index}" for index in range(N_OTHERS)], RANK, seed=1).astype(float)
    x, losses = None, []
    for _ in range(8):
        x = solve(rows, other_side(y), alpha=2.0, regularization=0.05, start=x)
        losses.append(loss(rows, x, y, alpha=2.0, regularization=0.05))
        y = solve(columns, other_side(x), alpha=2.0, regularization=0.05, start=y)
        losses.append(loss(rows, x, y, alpha=2.0, regularization=0.05))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("tolerance", [0.0, 1e-5])
def test_a_row_has_the_same_bits_whatever_is_solved_beside_it(tolerance: float) -> None:
    rows, others = drawn(kind=np.float32)
    side = other_side(others)
    start = np.random.default_rng(5).normal(size=(N_ROWS, RANK)).astype(np.float32)
    steps = 50 if tolerance else 3
    whole = solve(
        rows,
        side,
        alpha=1.0,
        regularization=0.1,
        start=start,
        steps=steps,
        tolerance=tolerance,
    )
    assert whole.dtype == np.float32
    for cuts in ([0, 1, 2, 3, 50, N_ROWS], range(N_ROWS + 1)):
        parts = [
            solve(
                part(rows, begin, end),
                side,
                alpha=1.0,
                regularization=0.1,
                start=start[begin:end],
                steps=steps,
                tolerance=tolerance,
            )
            for begin, end in pairwise(cuts)
        ]
        assert np.array_equal(np.vstack(parts), whole)


def test_rows_too_long_for_one_look_are_solved_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, others = drawn()
    monkeypatch.setattr(als_kernel, "_GATHERED", 7 * RANK + 1)
    found = solve(
        rows, other_side(others), alpha=1.0, regularization=0.1, steps=100, tolerance=1e-14
    )
    expected = dense(rows, others, alpha=1.0, regularization=0.1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_the_other_side_keeps_its_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    _, others = drawn()
    monkeypatch.setattr(als_kernel, "_GRAM_ROWS", 7)
    side = other_side(others)
    np.testing.assert_allclose(side.factors(slice(3, 9)), others[3:9], atol=1e-12)
    rotated = side.rotated[:-1]
    np.testing.assert_allclose(rotated.T @ rotated, np.diag(side.eigenvalues), atol=1e-10)
    assert not side.rotated[-1].any()


def test_starting_factors_depend_on_id_and_seed_alone() -> None:
    ids = [f"p{index}" for index in range(500)]
    found = starting_factors(ids, 16, seed=1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    # Directions without a preferred one: means of 500 numbers with a variance of 1 / 16.
    assert np.abs(found.mean(axis=0)).max() < 4 * 0.25 / 500**0.5
    assert np.array_equal(starting_factors(ids[::-3], 16, seed=1), found[::-3])
    assert not np.isclose(starting_factors(ids, 16, seed=2), found).all(axis=1).any()
    assert len(np.unique(found, axis=0)) == 500
