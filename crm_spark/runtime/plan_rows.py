"""Rows of running tasks by the metrics of Spark SQL's operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from crm_spark.runtime.status_store import each

# A running stage belongs to one of the newest executions: each look costs a round trip to the JVM.
_EXECUTIONS_LOOKED_AT = 20
_METRIC = re.compile(r"SQLPlanMetric\(([^,()]+),(\d+),\w+\)")
_WHOLE_NUMBER = re.compile(r"^(\d+) -> ([\d,]+)$", re.MULTILINE)
# What these give is in no task's input records, or counted there by the batch.
_NO_FILES = ("ExistingRDD", "InMemoryTableScan", "LocalTableScan")


class Rows(NamedTuple):
    """How many rows were read of shuffles and of files, and how many were written."""

    shuffled: int = 0
    from_files: int = 0
    written: int = 0


def metric_ids(metrics: str, name: str) -> set[int]:
    """Give the ids of the metrics of a name, as Spark writes metrics."""
    return {int(number) for found, number in _METRIC.findall(metrics) if found == name}


def metric_numbers(values: str) -> dict[int, int]:
    """Give the whole numbers among values by metric id, as Spark writes them; no sizes or times."""
    return {int(one): int(text.replace(",", "")) for one, text in _WHOLE_NUMBER.findall(values)}


def execution_of(sql_store: Any, stage_id: int) -> Any:
    """Give Spark's record of the SQL execution of a running stage; None where it is of none."""
    executions = sql_store.executionsList()
    size = executions.size()
    for place in range(size - 1, max(-1, size - 1 - _EXECUTIONS_LOOKED_AT), -1):
        execution = executions.apply(place)
        if execution.stages().contains(stage_id):
            return execution
    return None


class PlanRows:
    """Reads rows of the SQL execution that a running stage is of.

    Needed in local mode, where heartbeats tell no records of a running task: those counts have lost
    their names on the way to the executor, only a network gives them back, and Spark 4.2 drops what
    has none. The metrics of operators keep theirs. A look costs round trips for the operators of
    the plan and, within the JVM, a number for each task and metric.
    """

    def __init__(self, sql_store: Any, store: Any) -> None:
        self._sql_store = sql_store
        self._store = store
        self._read_of: dict[tuple[int, int], tuple[set[int], set[int], set[int]]] = {}
        self._ended: dict[int, Rows] = {}

    def of_stage(self, stage_id: int) -> Rows:
        """Give the rows of a stage, the only one of its execution that is running."""
        execution = execution_of(self._sql_store, stage_id)
        if execution is None:
            return Rows()
        # Before the stages that have ended: one that ends between makes the difference too small.
        number_of = metric_numbers(
            self._sql_store.executionMetrics(execution.executionId()).mkString("\n")
        )
        of_all = [sum(number_of.get(one, 0) for one in ids) for ids in self._metrics_of(execution)]
        ids = execution.stages().mkString(",").split(",")
        ended = [self._rows_of_ended(int(one)) for one in ids if int(one) != stage_id]
        return Rows(
            *(
                max(0, all_rows - sum(rows[place] for rows in ended))
                for place, all_rows in enumerate(of_all)
            )
        )

    def _metrics_of(self, execution: Any) -> tuple[set[int], set[int], set[int]]:
        """Give the ids of the metrics that count rows of shuffles, of files and written ones."""
        metrics = execution.metrics()
        # A plan that is made anew between stages has further metrics.
        key = (execution.executionId(), metrics.size())
        if key not in self._read_of:
            text = metrics.mkString("\n")
            from_files = "\n".join(self._metrics_of_files(execution.executionId()))
            self._read_of[key] = (
                metric_ids(text, "records read"),
                metric_ids(from_files, "number of output rows"),
                metric_ids(text, "shuffle records written"),
            )
        return self._read_of[key]

    def _metrics_of_files(self, execution_id: int) -> Iterator[str]:
        for node in each(self._sql_store.planGraph(execution_id).allNodes()):
            name = node.name()
            if ("Scan" in name or name == "Range") and not any(one in name for one in _NO_FILES):
                yield node.metrics().mkString("\n")

    def _rows_of_ended(self, stage_id: int) -> Rows:
        if stage_id in self._ended:
            return self._ended[stage_id]
        stage = self._store.lastStageAttempt(stage_id)
        if str(stage.status()) != "COMPLETE":
            return Rows()
        read = stage.shuffleReadRecords()
        rows = Rows(read, stage.inputRecords(), stage.shuffleWriteRecords())
        self._ended[stage_id] = rows
        return rows
