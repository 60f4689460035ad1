"""Rows of a running stage: what the operators of its plan count, less what ended stages had."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from crm_spark.runtime.plan_rows import PlanRows, Rows, metric_ids, metric_numbers

METRICS = """SQLPlanMetric(records read,119,sum)
SQLPlanMetric(remote reqs duration,128,timing)
SQLPlanMetric(records read,92,sum)
SQLPlanMetric(shuffle records written,131,sum)
SQLPlanMetric(records read,119,sum)"""
VALUES = """110 -> 7.2 KiB
106 -> 1,234,600
117 -> total (min, med, max (stageId: taskId))
8.7 KiB (4.2 KiB, 4.4 KiB, 4.4 KiB (stage 4.0: task 5))
109 -> 4 ms
119 -> 0"""


def test_metrics_are_found_by_their_name() -> None:
    assert metric_ids(METRICS, "records read") == {92, 119}
    assert metric_ids(METRICS, "records") == set()
    assert metric_ids("", "records read") == set()


def test_whole_numbers_are_read_and_no_sizes_or_times() -> None:
    assert metric_numbers(VALUES) == {106: 1_234_600, 119: 0}
    assert metric_numbers("") == {}


# --- a stage of an execution ---------------------------------------------------------------------


class Listed:
    """A sequence of Scala."""

    def __init__(self, elements: Sequence[Any]) -> None:
        self._elements = list(elements)
        self.size = self._elements.__len__
        self.apply = self._elements.__getitem__
        self.contains = self._elements.__contains__

    def mkString(self, separator: str) -> str:
        return separator.join(map(str, self._elements))


def execution(number: int, stages: Sequence[int], metrics: Sequence[str] = ()) -> Any:
    return SimpleNamespace(
        executionId=lambda: number, stages=lambda: Listed(stages), metrics=lambda: Listed(metrics)
    )


def node(name: str, *metrics: str) -> Any:
    return SimpleNamespace(name=lambda: name, metrics=lambda: Listed(metrics))


def stage(status: str, rows: Rows) -> Any:
    return SimpleNamespace(
        status=lambda: status,
        shuffleReadRecords=lambda: rows.shuffled,
        inputRecords=lambda: rows.from_files,
        shuffleWriteRecords=lambda: rows.written,
    )


WRITTEN = "SQLPlanMetric(shuffle records written,1,sum)"
READ = "SQLPlanMetric(records read,2,sum)"
OF_FILE, OF_CACHE, OF_FILTER = (f"SQLPlanMetric(number of output rows,{n},sum)" for n in (3, 4, 5))
NODES = [
    node("Exchange", WRITTEN, READ),
    node("Scan parquet ", OF_FILE),
    node("InMemoryTableScan", OF_CACHE),
    node("Filter", OF_FILTER),
]


def plan_rows(values: Sequence[str], stages: dict[int, Any]) -> PlanRows:
    """Give a reader of one execution, which has an older one and a newer beside it."""
    metrics = [WRITTEN, READ, OF_FILE, OF_CACHE, OF_FILTER]
    executions = [execution(0, [0]), execution(1, [1, 2, 3], metrics), execution(2, [9])]
    sql_store = SimpleNamespace(
        executionsList=lambda: Listed(executions),
        executionMetrics=lambda number: Listed(values if number == 1 else []),
        planGraph=lambda _: SimpleNamespace(allNodes=lambda: Listed(NODES)),
    )
    return PlanRows(sql_store, SimpleNamespace(lastStageAttempt=stages.__getitem__))


def test_rows_of_a_stage_are_those_of_its_plan_without_those_of_ended_stages() -> None:
    values = ["1 -> 1,000", "2 -> 400", "3 -> 5,000", "4 -> 70", "5 -> 80"]
    stages = {
        1: stage("COMPLETE", Rows(0, 4_200, 1_000)),
        2: stage("SKIPPED", Rows(0, 0, 0)),
        3: stage("ACTIVE", Rows(300, 0, 0)),
    }
    assert plan_rows(values, stages).of_stage(3) == Rows(400, 800, 0)


def test_rows_are_never_less_than_none() -> None:
    stages = {1: stage("COMPLETE", Rows(9, 9, 9)), 2: stage("PENDING", Rows())}
    assert plan_rows(["1 -> 1", "2 -> 1"], stages).of_stage(3) == Rows(0, 0, 0)


def test_a_stage_of_no_execution_has_no_rows() -> None:
    assert plan_rows(["2 -> 1"], {}).of_stage(7) == Rows()
