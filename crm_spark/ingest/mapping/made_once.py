"""Columns made once: what all files with the same columns need for the same expressions."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from pyspark import SparkContext

Made = TypeVar("Made")
# So many are kept: those of a few sources with many columns.
MOST_KEPT = 2000


def made_once(function: Callable[..., Made]) -> Callable[..., Made]:
    """Remember the columns that a function gives for the same arguments, while the same Spark runs.

    They are not to be changed. A mapped column is hundreds of calls to the JVM, a tenth of a
    millisecond each, for every file of a source.
    """
    kept: WeakKeyDictionary[SparkContext, dict[Hashable, Made]] = WeakKeyDictionary()

    @wraps(function)
    def remembered(*arguments: Any) -> Made:
        context = SparkContext._active_spark_context
        if context is None:
            return function(*arguments)
        made = kept.setdefault(context, {})
        if arguments not in made:
            if len(made) >= MOST_KEPT:
                made.clear()
            made[arguments] = function(*arguments)
        return made[arguments]

    return remembered
