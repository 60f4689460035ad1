"""The rows of ops.metrics and ops.checks: appended by each run, read by the run that counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.lake.contract import Table, row_hash
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.models.usability.facts import Level, Verdict
from crm_spark.tables.ops import CHECKS, METRICS


@dataclass(frozen=True)
class MetricRow:
    """A row of ops.metrics: one figure of a model or trivial rule on one cut-off."""

    model_name: str
    cutoff: date
    metric: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CheckRow:
    """A row of ops.checks, with the job that checked."""

    job: str
    check: str
    subject: str
    level: Level
    message: str


def write_metrics(run: LakeRun, day: date, rows: Iterable[MetricRow]) -> None:
    """Append figures of this run as of the day."""
    names = ("model_name", "metric", "value", "low", "high", "n")
    values = [
        {
            **_of_run(run, day),
            **{name: getattr(row, name) for name in names},
            "cutoff_date": row.cutoff,
        }
        for row in rows
    ]
    run.note(METRICS, run.lake.append_rows(METRICS, values))


def write_checks(run: LakeRun, day: date, verdicts: Iterable[Verdict]) -> None:
    """Append verdicts of this run as of the day."""
    values = [{**_of_run(run, day), **asdict(verdict)} for verdict in verdicts]
    if values:
        run.note(CHECKS, run.lake.append_rows(CHECKS, values))


def _of_run(run: LakeRun, day: date) -> dict[str, Any]:
    return {
        "job": run.summary.job,
        "as_of_date": day,
        "recorded_at": run.summary.started_at,
        "run_id": run.summary.run_id,
    }


def read_metrics(lake: Lake, job: str, day: date, run_id: str | None) -> list[MetricRow]:
    """Give the figures that a run of a job left for the day; without `run_id` its newest run's."""
    rows = lake.rows(METRICS, (pc.field("job") == job) & (pc.field("as_of_date") == day))
    if run_id is None and rows:
        run_id = max(rows, key=_by_age)["run_id"]
    of_run = [row for row in rows if row["run_id"] == run_id]
    of_run.sort(key=lambda row: (row["model_name"], row["metric"], row["cutoff_date"]))
    return [
        MetricRow(
            row["model_name"],
            row["cutoff_date"],
            row["metric"],
            row["value"],
            row["n"],
            row["low"],
            row["high"],
        )
        for row in of_run
    ]


def _by_age(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["recorded_at"], row["run_id"]


def read_checks(lake: Lake, day: date, training_runs: Collection[str]) -> list[CheckRow]:
    """Give the verdicts of the day: of each job those of its newest run.

    A run that reuses a version does not look at the features again: of these checks those of the
    run that trained it stand.
    """
    rows = lake.rows(CHECKS, pc.field("as_of_date") == day)
    newest = {row["job"]: row["run_id"] for row in sorted(rows, key=_by_age)}
    looked_at = {(row["job"], row["check"]) for row in rows if row["run_id"] == newest[row["job"]]}
    kept = [
        row
        for row in rows
        if row["run_id"] == newest[row["job"]]
        or (row["run_id"] in training_runs and (row["job"], row["check"]) not in looked_at)
    ]
    kept.sort(key=lambda row: (row["job"], row["check"], row["subject"]))
    return [
        CheckRow(row["job"], row["check"], row["subject"], row["level"], row["message"])
        for row in kept
    ]


def rows_hash(rows: DataFrame, *columns: str) -> int:
    """Sum hashes of these columns over all rows: the same whatever their order."""
    total = rows.agg(F.sum(row_hash(columns) % 2**31)).collect()[0][0]
    return int(total or 0)


def input_versions(lake: Lake, tables: Sequence[Table]) -> dict[str, tuple[str, int]]:
    """Give the path and version of the tables that a model learnt from."""
    return {table.name: (lake.path(table), lake.version(table)) for table in tables}
