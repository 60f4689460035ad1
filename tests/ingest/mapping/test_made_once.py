"""Columns made once: the same for the same arguments, and none of a Spark that has ended."""

from __future__ import annotations

import pytest
from pyspark import SparkContext

from crm_spark.ingest.mapping import made_once as module
from crm_spark.ingest.mapping.made_once import made_once


class Context:
    """What stands for the context of a Spark."""


def test_a_function_is_called_once_for_the_same_arguments_of_the_same_spark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    remembered = made_once(lambda n: calls.append(n) or [n])
    first, second = Context(), Context()
    monkeypatch.setattr(SparkContext, "_active_spark_context", first)
    assert remembered(1) is remembered(1)
    assert remembered(2) == [2]
    assert calls == [1, 2]
    monkeypatch.setattr(SparkContext, "_active_spark_context", second)
    assert remembered(1) == [1]
    assert calls == [1, 2, 1]


def test_what_is_kept_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    monkeypatch.setattr(SparkContext, "_active_spark_context", Context())
    calls: list[int] = []
    remembered = made_once(lambda n: calls.append(n) or [n])
    for n in (1, 2, 3, 4, 4, 1):
        assert remembered(n) == [n]
    assert calls == [1, 2, 3, 4, 1]
