"""The commits of one Delta table, read from the files that Delta's protocol names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import SparkSession

from crm_spark.lake.hadoop import HadoopFile

_COMMIT_FILE = re.compile(r"(\d{20})\.json")
_CHECKPOINT_FILE = re.compile(r"(\d{20})\.checkpoint\.parquet")

# Commits that change no row.
QUIET_OPERATIONS = (
    "OPTIMIZE",
    "VACUUM START",
    "VACUUM END",
    "SET TBLPROPERTIES",
    "ADD COLUMNS",
)
CREATION = "CREATE TABLE"


@dataclass(frozen=True)
class Commit:
    """One commit of a table: what did it, and in which run.

    `dates` are the as-of dates that the write was for, none where it was for no date in particular.
    """

    version: int
    operation: str
    run_id: str | None
    metrics: Mapping[str, str] = field(default_factory=dict)
    dates: tuple[date, ...] = ()

    @property
    def changes_rows(self) -> bool:
        """Whether rows may differ after it; the creation of a table counts."""
        return self.operation not in QUIET_OPERATIONS


@dataclass(frozen=True)
class Summary:
    """What Delta leaves beside a commit: the table's files, their bytes, and its properties."""

    version: int
    n_files: int
    n_bytes: int
    properties: Mapping[str, str]


def user_metadata(run_id: str, dates: Sequence[date] = ()) -> str:
    """Write what a commit says of itself: its run, and the as-of dates that it is for."""
    named = {"dates": [day.isoformat() for day in sorted(set(dates))]} if dates else {}
    return json.dumps({"run_id": run_id, **named})


def _run_of(metadata: str | None) -> tuple[str | None, tuple[date, ...]]:
    """Give the run and the dates that a commit names; no run for a commit that is not ours."""
    try:
        named = json.loads(metadata or "")
        dates = tuple(date.fromisoformat(day) for day in named.get("dates", ()))
        return str(named["run_id"]), dates
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, ()


def _commit_of(version: int, info: Mapping[str, Any]) -> Commit:
    """Read a commitInfo of Delta's protocol; what it lacks was not written by us."""
    run_id, dates = _run_of(info.get("userMetadata"))
    return Commit(
        version=version,
        operation=info.get("operation") or "",
        run_id=run_id,
        metrics=info.get("operationMetrics") or {},
        dates=dates,
    )


def _numbers(names: Iterable[str], pattern: re.Pattern[str]) -> list[int]:
    return [int(match[1]) for name in names if (match := pattern.fullmatch(name))]


class CommitLog:
    """The log of the Delta table at one path; asking Delta takes a Spark job each time."""

    def __init__(self, spark: SparkSession, table_path: str) -> None:
        self._spark = spark
        self.folder = HadoopFile(spark, f"{table_path}/_delta_log")

    def versions(self) -> list[int]:
        """Give the versions that the log still has, the newest first."""
        return sorted(_numbers(self.folder.names("*.json"), _COMMIT_FILE), reverse=True)

    def summary(self) -> Summary | None:
        """Give the summary of the newest version; None where Delta left none."""
        names = self.folder.names()
        newest = max(_numbers(names, _COMMIT_FILE), default=-1)
        summary = f"{newest:020}.crc"
        if summary not in names:
            return None
        found = json.loads(HadoopFile(self._spark, f"{self.folder.path}/{summary}").text())
        properties = found["metadata"].get("configuration") or {}
        return Summary(newest, found["numFiles"], found["tableSizeBytes"], properties)

    def commit(self, version: int) -> Commit:
        """Give the commit of a version that the log still has."""
        file = HadoopFile(self._spark, f"{self.folder.path}/{version:020}.json")
        first = json.loads(file.first_line())
        if "commitInfo" in first:  # Delta writes it first; another writer may not
            return _commit_of(version, first["commitInfo"])
        infos = (action["commitInfo"] for action in self.actions(version) if "commitInfo" in action)
        return _commit_of(version, next(infos, {}))

    def actions(self, version: int) -> list[dict[str, Any]]:
        """Give all actions of a version that the log still has."""
        text = HadoopFile(self._spark, f"{self.folder.path}/{version:020}.json").text()
        return [json.loads(line) for line in text.splitlines()]

    def since_checkpoint(self) -> tuple[int, list[int]]:
        """Give the version of the newest checkpoint, -1 for none, and those after it, in order."""
        names = self.folder.names()
        checkpoint = max(_numbers(names, _CHECKPOINT_FILE), default=-1)
        return checkpoint, sorted(n for n in _numbers(names, _COMMIT_FILE) if n > checkpoint)

    def has_write(self) -> bool:
        """Tell whether a commit followed the table's creation.

        Delta itself takes a log without a commit, which a killed run can leave, for a table.
        """
        versions = self.versions()
        return bool(versions) and (versions[0] > 0 or self.commit(0).operation != CREATION)

    def remove_leftovers(self) -> None:
        """Remove what a run left in the log that was cut off before its first commit.

        Delta would not begin in it. A commit that another run makes meanwhile stays.
        """
        for name in self.folder.names():
            if not _COMMIT_FILE.fullmatch(name):
                HadoopFile(self._spark, f"{self.folder.path}/{name}").remove()

    def newest_write(self) -> Commit | None:
        """Give the newest commit that changed rows; None where the log has none any more."""
        commits = map(self.commit, self.versions())
        return next((commit for commit in commits if commit.changes_rows), None)

    def writes_since(self, version: int) -> list[Commit] | None:
        """Give the commits after a version that changed rows, the newest first.

        None where the log does not reach back that far any more.
        """
        newer = [number for number in self.versions() if number > version]
        if newer and newer[-1] > version + 1:
            return None
        return [commit for commit in map(self.commit, newer) if commit.changes_rows]

    def base(self, seen: int) -> int:
        """Give the newest version not after `seen` that wrote rows.

        -1 where there is none; where the log begins later, the version before its beginning, which
        no write that is still to come can have.
        """
        older = [number for number in self.versions() if number <= seen]
        for number in older:
            commit = self.commit(number)
            if commit.changes_rows and commit.operation != CREATION:
                return number
        return older[-1] - 1 if older else -1
