"""The rows of ops.metrics: appended by each run, read by the run that counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.lake.contract import Table, row_hash
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.tables.checks import by_age, of_run
from crm_spark.tables.ops import METRICS


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


def write_metrics(run: LakeRun, day: date, rows: Iterable[MetricRow]) -> None:
    """Append figures of this run as of the day."""
    names = ("model_name", "metric", "value", "low", "high", "n")
    values = [
        {
            **of_run(run, day),
            **{name: getattr(row, name) for name in names},
            "cutoff_date": row.cutoff,
        }
        for row in rows
    ]
    run.note(METRICS, run.lake.append_rows(METRICS, values))


def read_metrics(lake: Lake, job: str, day: date, run_id: str | None) -> list[MetricRow]:
    """Give the figures that a run of a job left; without `run_id` its newest run of the day."""
    if run_id is None:
        rows = lake.rows(METRICS, (pc.field("job") == job) & (pc.field("as_of_date") == day))
        run_id = max(rows, key=by_age)["run_id"] if rows else None
        of_run = [row for row in rows if row["run_id"] == run_id]
    else:
        of_run = lake.rows(METRICS, (pc.field("job") == job) & (pc.field("run_id") == run_id))
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


def rows_hash(rows: DataFrame, *columns: str) -> int:
    """Sum hashes of these columns over all rows: the same whatever their order."""
    total = rows.agg(F.sum(row_hash(columns) % 2**31)).collect()[0][0]
    return int(total or 0)


def input_versions(lake: Lake, tables: Sequence[Table]) -> dict[str, tuple[str, int]]:
    """Give the path and version of the tables that a model learnt from."""
    return {table.name: (lake.path(table), lake.version(table)) for table in tables}
