"""One run of a job: its id and the summary that it prints and leaves behind."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

Status = Literal["running", "succeeded", "failed"]


@dataclass
class TableCounts:
    """What one run did to one table; rows_read = accepted + rejected + filtered + duplicate.

    `cleaned` counts the accepted rows that a cleaning rule changed or marked, by what it did.
    `files_rejected` are files that are not loaded, each counted as one rejected row;
    `files_skipped` are left out for their name.
    """

    rows_read: int = 0
    rows_written: int = 0
    rows_rejected: int = 0
    rows_filtered: int = 0
    rows_duplicate: int = 0
    version: int | None = None
    content_checksum: str | None = None
    cleaned: dict[str, int] = field(default_factory=dict)
    files_rejected: list[str] = field(default_factory=list)
    files_skipped: list[str] = field(default_factory=list)


@dataclass
class Cost:
    """What a run took; null where it cannot be known.

    peak_memory_bytes is of the process tree of this machine, so it is null on a cluster.
    """

    peak_memory_bytes: int | None = None
    shuffle_bytes: int | None = None
    spill_bytes: int | None = None
    core_seconds: float | None = None


@dataclass
class RunSummary:
    """The record of one job's run: the last line of standard output and a row of ops.job_runs."""

    job: str
    as_of: date | None = None
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    pipeline_run_id: str | None = None
    status: Status = "running"
    tables: dict[str, TableCounts] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cost: Cost = field(default_factory=Cost)
    error: str | None = None
    jobs: list[RunSummary] = field(default_factory=list)
    started_at: datetime = field(default_factory=lambda: datetime.now(ZoneInfo("UTC")))
    _started: float = field(default_factory=time.monotonic, repr=False)

    def table(self, name: str) -> TableCounts:
        """Give the counts of table `name`, new ones when the run has none yet."""
        return self.tables.setdefault(name, TableCounts())

    def finish(self, status: Status, error: str | None = None) -> RunSummary:
        """Close the run: its status, its error and the seconds since it began."""
        self.status, self.error = status, error
        self.seconds = round(time.monotonic() - self._started, 3)
        return self

    @property
    def rows_per_second(self) -> float | None:
        """Rows that came in (or, where nothing was read, went out) in a second of the whole run."""
        read = sum(counts.rows_read for counts in self.tables.values())
        rows = read or sum(counts.rows_written for counts in self.tables.values())
        return round(rows / self.seconds, 1) if rows and self.seconds else None

    def as_dict(self) -> dict[str, Any]:
        """Give the summary as plain values, in the order users read it."""
        summary: dict[str, Any] = {
            "job": self.job,
            "run_id": self.run_id,
            "status": self.status,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "tables": {name: asdict(counts) for name, counts in self.tables.items()},
            "models": self.models,
            "seconds": self.seconds,
            "rows_per_second": self.rows_per_second,
            **asdict(self.cost),
            "error": self.error,
        }
        if self.jobs:
            summary["jobs"] = [job.as_dict() for job in self.jobs]
        return summary

    def as_json(self) -> str:
        """Give the summary as one line of JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False)
