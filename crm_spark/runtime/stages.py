"""The stages that Spark has run for us, from the driver's own status store."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from pyspark.sql import SparkSession

from crm_spark.runtime.progress import log

_PATIENCE_MS = 10_000


class StageWatch:
    """The stages that begin after it was made."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        newest = next(self._stages(), None)
        self._newest_before = -1 if newest is None else newest.stageId()

    def _stages(self) -> Iterator[Any]:
        """Give the stages that Spark remembers, the newest first; each look costs a round trip."""
        context: Any = self._spark.sparkContext
        empty = context._jvm.java.util.ArrayList()
        quantiles = context._gateway.new_array(context._jvm.double, 0)
        store = context._jsc.sc().statusStore()
        listed = store.stageList(None, False, False, quantiles, empty)
        return (listed.apply(index) for index in range(listed.size()))

    def stages(self) -> list[Any]:
        """Give Spark's record of each attempt of each stage since."""
        before = self._newest_before
        return list(takewhile(lambda stage: stage.stageId() > before, self._stages()))

    def has_repeats(self) -> bool:
        """Tell whether any task since may have run twice; True where Spark does not tell.

        A stage that ends in a shuffle adds to an observation each time that one of its tasks
        succeeds, and a lost executor makes those succeed again whose output it held.
        """
        try:
            # What the scheduler did reaches the store a moment later.
            self._spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty(_PATIENCE_MS)
            return any(_is_repeat(stage) for stage in self.stages())
        except Exception as error:  # noqa: BLE001 - a hosted runtime may hide the store
            log.debug("repeated tasks cannot be told: %s", error)
            return True


def _is_repeat(stage: Any) -> bool:
    return bool(
        stage.attemptId() > 0
        or stage.numFailedTasks() > 0
        or stage.numKilledTasks() > 0
        or stage.numCompleteTasks() > stage.numTasks()
    )
