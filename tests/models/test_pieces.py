"""Batches in pieces of about the same size: together they are the batch, and no row is parted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_spark.models.rows import in_pieces, sizes_of_lists

quickly = settings(max_examples=300, derandomize=True, database=None, deadline=None)


def batch_of(n: int) -> pa.RecordBatch:
    return pa.record_batch({"row": pa.array(range(n), pa.int64())})


def pieces(*sizes: float) -> list[list[int]]:
    """Give the rows of each piece."""
    found = in_pieces(batch_of(len(sizes)), np.array(sizes, float))
    return [one["row"].to_pylist() for one in found]


def flat(parts: Sequence[Sequence[int]]) -> list[int]:
    return [row for part in parts for row in part]


# Eighths add up without any rounding.
eighths = st.lists(st.integers(0, 40).map(lambda one: one / 8), max_size=40)


@quickly
@given(eighths)
def test_pieces_put_together_are_the_batch_again(sizes: list[float]) -> None:
    found = pieces(*sizes)
    assert flat(found) == list(range(len(sizes)))
    assert all(found)


@quickly
@given(eighths)
def test_a_piece_is_no_larger_than_one_beside_its_largest_row(sizes: list[float]) -> None:
    for part in pieces(*sizes):
        of_rows = [sizes[row] for row in part]
        assert sum(of_rows) - max(of_rows) < 1


@quickly
@given(eighths)
def test_there_are_no_more_pieces_than_the_sizes_come_to(sizes: list[float]) -> None:
    assert len(pieces(*sizes)) <= sum(sizes) + 1


def test_small_rows_are_looked_at_at_once_and_others_in_turn() -> None:
    assert pieces(0.25, 0.25, 0.25) == [[0, 1, 2]]
    assert pieces(*[0.25] * 8) == [[0, 1, 2], [3, 4, 5, 6], [7]]
    assert pieces(*[0.0] * 5) == [[0, 1, 2, 3, 4]]
    assert pieces(1, 1, 1) == [[0], [1], [2]]


def test_rows_larger_than_a_piece_stand_each_in_one_of_their_own() -> None:
    assert pieces(5) == [[0]]
    assert pieces(5, 7.5, 3) == [[0], [1], [2]]
    assert pieces(0.5, 5, 7.5) == [[0], [1], [2]]


def test_an_empty_batch_has_no_pieces() -> None:
    assert pieces() == []


def lists(*lengths: int) -> pa.RecordBatch:
    values = [list(range(length)) for length in lengths]
    return pa.record_batch({"events": pa.array(values, pa.list_(pa.int64()))})


def test_a_row_is_as_large_as_its_list_by_what_is_looked_at_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crm_spark.models.rows._ELEMENTS_AT_ONCE", 4)
    found = sizes_of_lists(lists(2, 0, 4, 10), "events")
    assert found.dtype == np.float64
    assert found.tolist() == [0.5, 0, 1, 2.5]
    # Of a slice the rows of the slice.
    assert sizes_of_lists(lists(2, 0, 4, 10).slice(1, 2), "events").tolist() == [0, 1]
    assert sizes_of_lists(lists(2).slice(0, 0), "events").tolist() == []
    assert sizes_of_lists(lists(), "events").tolist() == []


def test_lists_in_pieces_are_the_lists_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_spark.models.rows._ELEMENTS_AT_ONCE", 5)
    batch = lists(3, 1, 0, 4, 12, 2, 2, 2)
    found = list(in_pieces(batch, sizes_of_lists(batch, "events")))
    assert len(found) > 3
    assert pa.Table.from_batches(found).combine_chunks().to_batches() == [batch]


def test_a_few_lists_are_looked_at_in_one_piece() -> None:
    batch = lists(*range(50))
    assert [one.num_rows for one in in_pieces(batch, sizes_of_lists(batch, "events"))] == [50]
