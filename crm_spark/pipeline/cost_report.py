"""What each job took, on the page."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.compute as pc

from crm_spark.report.blocks import Section, Text, TextTable
from crm_spark.report.subject import ReportRequest, Subject
from crm_spark.tables.ops import JOB_RUNS
from crm_spark.words import counted


@dataclass(frozen=True)
class JobCost:
    """What one run of a job took; None where it cannot be known."""

    job: str
    seconds: float
    core_seconds: float | None
    peak_memory_bytes: int | None
    shuffle_bytes: int | None
    spill_bytes: int | None


def read_costs(request: ReportRequest) -> tuple[JobCost, ...]:
    """Give the cost of the newest succeeded run of each job that the date rests on."""
    figures = [name for name in JobCost.__dataclass_fields__ if name != "job"]
    is_of_day = (pc.field("as_of_date") == request.day) | (pc.field("job") == "ingest_sources")
    rows = request.lake.rows(JOB_RUNS, is_of_day & (pc.field("status") == "succeeded"))
    newest = {
        row["job"]: row
        for row in sorted(rows, key=lambda row: row["started_at"])
        if row["job"] not in ("run_pipeline", "write_report")
    }
    in_order = sorted(newest.values(), key=lambda row: row["started_at"])
    return tuple(JobCost(row["job"], **{name: row[name] for name in figures}) for row in in_order)


def show_costs(costs: tuple[JobCost, ...]) -> Subject | None:
    """Lay the costs out; None where nothing ran."""
    if not costs:
        return None
    columns = ["Job", "Seconds", "Core seconds", "Peak memory", "Shuffled", "Spilled"]
    rows = [
        [
            row.job,
            f"{row.seconds:,.1f}",
            "" if row.core_seconds is None else f"{row.core_seconds:,.1f}",
            _bytes(row.peak_memory_bytes),
            _bytes(row.shuffle_bytes),
            _bytes(row.spill_bytes),
        ]
        for row in costs
    ]
    total = sum(row.seconds for row in costs)
    caption = "The newest run of each job (ops.job_runs)"
    table = TextTable(caption, columns, rows, numbers=columns[1:])
    lead = Text(f"{counted(len(rows), 'job')}, {counted(round(total), 'second')}.")
    return Subject((Section("cost", "What it cost", [lead, table]),))


def _bytes(value: int | None) -> str:
    if value is None:
        return ""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value} B"
