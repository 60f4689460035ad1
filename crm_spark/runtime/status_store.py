"""What Spark's status store on the driver says of stages. It is no public interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def each(listed: Any) -> Iterator[Any]:
    """Give the elements of a sequence of Scala, each with a round trip."""
    return (listed.apply(place) for place in range(listed.size()))


def listed_stages(context: Any, *, is_finished: bool = False) -> Iterator[Any]:
    """Give the stages that Spark remembers, or those that have ended, the newest first."""
    jvm = context._jvm
    statuses = None
    if is_finished:
        statuses = jvm.java.util.ArrayList()
        statuses.add(jvm.org.apache.spark.status.api.v1.StageStatus.COMPLETE)
    quantiles = context._gateway.new_array(jvm.double, 0)
    store = context._jsc.sc().statusStore()
    return each(store.stageList(statuses, False, False, quantiles, jvm.java.util.ArrayList()))


def is_repeat(stage: Any) -> bool:
    """Tell whether any task of a stage may have run twice."""
    return bool(
        stage.attemptId() > 0
        or stage.numFailedTasks() > 0
        or stage.numKilledTasks() > 0
        or stage.numCompleteTasks() > stage.numTasks()
    )
