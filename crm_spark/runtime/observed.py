"""Counts and checksums that a write takes in passing, exact whatever happens to its executors."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame, Observation

from crm_spark.runtime.stages import StageWatch


class ObservedCounts:
    """Aggregates of a frame, taken while `rows`, its rows, are on their way into a table.

    Where Spark had to run a task again they may count rows twice, and are counted once more from
    the frame itself, which has to give the same rows again after the write.
    """

    def __init__(self, df: DataFrame, *aggregates: Column) -> None:
        self._df = df
        self._aggregates = aggregates
        self._observation = Observation()
        self._watch = StageWatch(df.sparkSession)
        self.rows = df.observe(self._observation, *aggregates)

    def observed(self) -> dict[str, Any]:
        """Give the aggregates as they were taken in passing, once the write has ended."""
        return dict(self._observation.get)

    def may_count_twice(self) -> bool:
        """Tell whether a task has run again since."""
        return self._watch.has_repeats()

    def exact(self) -> dict[str, Any]:
        """Give the aggregates by name, once the write has ended."""
        if self.may_count_twice():
            return self._df.agg(*self._aggregates).collect()[0].asDict()
        return self.observed()
