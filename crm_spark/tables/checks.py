"""The rows of ops.checks: appended by each run, read by the run that counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.tables.ops import CHECKS

Level = Literal["error", "warning", "advice", "ok"]


@dataclass(frozen=True)
class Verdict:
    """One check of data or of a model: what was found, what would do, and what to do about it.

    An error stops the model, or means that data are lost; a warning makes results doubtful, advice
    names what would make them better.
    """

    check: str
    subject: str
    found: str
    needed: str
    level: Level
    message: str


@dataclass(frozen=True)
class CheckRow:
    """A row of ops.checks, with the job that checked."""

    job: str
    check: str
    subject: str
    level: Level
    message: str


def of_run(run: LakeRun, day: date | None) -> dict[str, Any]:
    """Give the columns that every row of a run has in ops.checks and ops.metrics."""
    return {
        "job": run.summary.job,
        "as_of_date": day,
        "recorded_at": run.summary.started_at,
        "run_id": run.summary.run_id,
    }


def by_age(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Order rows by their runs."""
    return row["recorded_at"], row["run_id"]


def write_checks(run: LakeRun, day: date | None, verdicts: Iterable[Verdict]) -> None:
    """Append verdicts of this run, as of the day where there is one."""
    values = [{**of_run(run, day), **asdict(verdict)} for verdict in verdicts]
    if values:
        run.note(CHECKS, run.lake.append_rows(CHECKS, values))


def read_checks(lake: Lake, day: date, training_runs: Collection[str]) -> list[CheckRow]:
    """Give the verdicts of the day, and of the trainings that score it: of each job its newest run.

    A run that reuses a version does not look at the features again: of these checks those of the
    run that trained it stand.
    """
    # Typed: of no runs Arrow would not know of what they are.
    of_trainings = pc.field("run_id").isin(pa.array(sorted(training_runs), pa.string()))
    rows = lake.rows(CHECKS, (pc.field("as_of_date") == day) | of_trainings)
    newest = {row["job"]: row["run_id"] for row in sorted(rows, key=by_age)}
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


def read_checks_of_run(lake: Lake, run_id: str) -> list[CheckRow]:
    """Give the verdicts that one run left."""
    rows = lake.rows(CHECKS, pc.field("run_id") == run_id)
    rows.sort(key=lambda row: (row["job"], row["check"], row["subject"]))
    return [
        CheckRow(row["job"], row["check"], row["subject"], row["level"], row["message"])
        for row in rows
    ]
