"""The stages that Spark has run for us, from the driver's own status store."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from pyspark.sql import SparkSession

from crm_spark.runtime.progress import log
from crm_spark.runtime.status_store import is_repeat, listed_stages

_PATIENCE_MS = 10_000


class StageWatch:
    """The stages that begin after it was made."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        newest = next(listed_stages(spark.sparkContext), None)
        self._newest_before = -1 if newest is None else newest.stageId()

    def stages(self) -> list[Any]:
        """Give Spark's record of each attempt of each stage since."""
        before = self._newest_before
        newest_first = listed_stages(self._spark.sparkContext)
        return list(takewhile(lambda stage: stage.stageId() > before, newest_first))

    def has_repeats(self) -> bool:
        """Tell whether any task since may have run twice; True where Spark does not tell.

        A stage that ends in a shuffle adds to an observation each time that one of its tasks
        succeeds, and a lost executor makes those succeed again whose output it held.
        """
        try:
            # What the scheduler did reaches the store a moment later.
            self._spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty(_PATIENCE_MS)
            return any(is_repeat(stage) for stage in self.stages())
        except Exception as error:  # noqa: BLE001 - a hosted runtime may hide the store
            log.debug("repeated tasks cannot be told: %s", error)
            return True
