"""The state: what is done, read from the rows of ops.outputs alone, as in make.

An output is whole when its newest commit has a row, and current when, besides, nothing that it read
has since changed in a way that its date can see. All of it is plain Python over a list of rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeVar

from crm_spark.lake.contract import checksum_rows

T = TypeVar("T")
Status = Literal["written", "dropped", "erased", "torn", "unavailable"]
# A commit that touched nothing of an output: later than any moment that a date can see.
UNTOUCHED = datetime(9999, 1, 1, tzinfo=UTC)
# What stands, and may be read or, where it cannot be had, need not be tried again.
STANDING: tuple[Status, ...] = ("written", "unavailable")


@dataclass(frozen=True)
class Output:
    """What is made: a table, a date of a table, a model's training as of a date, a report."""

    name: str
    as_of_date: date | None = None

    def __str__(self) -> str:
        return f"{self.name} of {self.as_of_date}" if self.as_of_date else self.name


@dataclass(frozen=True)
class InputVersion:
    """What was read to make an output: its version and checksum, None where it was absent."""

    output: Output
    version: int | None
    checksum: str | None


@dataclass(frozen=True)
class Target:
    """An output to be made: what it reads, what the user set that it depends on, its generation.

    `optional` outputs are read where they are whole. One that is kept stays current, whatever rows
    come to what it read.
    """

    output: Output
    reads: tuple[Output, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    generation: int = 1
    optional: tuple[Output, ...] = ()
    is_kept: bool = False

    @property
    def settings_json(self) -> str:
        """The settings as JSON, the same text for the same settings."""
        return json.dumps(self.settings, sort_keys=True, default=str)

    @property
    def fingerprint(self) -> str:
        """A short hash of the settings."""
        return hashlib.sha256(self.settings_json.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class OutputRow:
    """One row of ops.outputs: an output as one run left it.

    Its place in the order, its run and its time are set when it is appended.
    """

    output: Output
    status: Status
    job: str
    sequence: int = 0
    run_id: str = ""
    version: int | None = None
    checksum: str | None = None
    inputs: tuple[InputVersion, ...] = ()
    settings: str = "{}"
    fingerprint: str = ""
    generation: int = 1
    changed_from: datetime | None = None
    replaces_all: bool = True
    facts: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    finished_at: datetime | None = None

    @property
    def n_rows(self) -> int:
        """How many rows a table has, by its checksum; 0 without one."""
        return checksum_rows(self.checksum) if self.checksum else 0

    @property
    def stands(self) -> bool:
        """Whether the row says that the output is there, or rightly is not."""
        return self.status in STANDING


@dataclass(frozen=True)
class Doubt:
    """Commits of a table that no row stands for: of which dates, of which runs, by a stranger?

    `dates` is None where the whole table is in doubt.
    """

    newest_version: int
    dates: frozenset[date] | None
    is_strange: bool = False

    def concerns(self, output: Output) -> bool:
        """Whether an output is among what is in doubt."""
        return self.dates is None or output.as_of_date in self.dates


class State:
    """What is done, by the rows of ops.outputs.

    `doubt_of` looks for commits of a table above a version that no row stands for; `midnight` gives
    the instant at which a local day begins.
    """

    def __init__(
        self,
        rows: Iterable[OutputRow],
        *,
        doubt_of: Callable[[str, int], Doubt | None] = lambda _name, _version: None,
        midnight: Callable[[date], datetime],
    ) -> None:
        self._rows: dict[Output, list[OutputRow]] = {}
        self._highest: dict[str, int] = {}
        self._doubt_of = doubt_of
        self._doubts: dict[str, Doubt | None] = {}
        self._computed: dict[tuple[object, ...], Any] = {}
        self._midnight = midnight
        self._forced_before = 0
        self.next_sequence = 1
        self.add(rows)

    def add(self, rows: Iterable[OutputRow]) -> None:
        """Add rows, which may come in any order."""
        for row in sorted(rows, key=lambda row: row.sequence):
            self._rows.setdefault(row.output, []).append(row)
            self.next_sequence = max(self.next_sequence, row.sequence + 1)
            if row.version is not None:
                highest = self._highest.get(row.output.name, -1)
                self._highest[row.output.name] = max(highest, row.version)
                self._doubts.pop(row.output.name, None)

    def force(self) -> None:
        """Take nothing that was made before now for current."""
        self._forced_before = self.next_sequence

    def is_forced(self, row: OutputRow) -> bool:
        """Whether what a row speaks of is to be made anew, whatever it says."""
        return row.sequence < self._forced_before

    def look_again(self) -> None:
        """Forget what was found of commits: something was written that no row stands for."""
        self._doubts.clear()

    def outputs(self, name: str | None = None) -> list[Output]:
        """Give the outputs that have a row, of one table or all."""
        return [output for output in self._rows if name is None or output.name == name]

    def rows(self, output: Output) -> Sequence[OutputRow]:
        """Give the rows of an output, oldest first."""
        return self._rows.get(output, ())

    def newest(self, output: Output) -> OutputRow | None:
        """Give the newest row of an output."""
        rows = self.rows(output)
        return rows[-1] if rows else None

    def highest_version(self, name: str) -> int:
        """Give the highest version of a table that a row stands for; -1 without any."""
        return self._highest.get(name, -1)

    def doubt(self, name: str) -> Doubt | None:
        """Give what of a table is in doubt, looked for once."""
        if name not in self._doubts:
            self._doubts[name] = self._doubt_of(name, self.highest_version(name))
        return self._doubts[name]

    def why_not_whole(self, output: Output) -> str | None:
        """Tell why an output cannot be read; None where it can."""
        row = self.newest(output)
        if row is None:
            return "it was never made"
        if row.status == "torn":
            return "a run was cut off while it wrote it"
        if not row.stands:
            return f"it was {row.status}" + (f": {row.reason}" if row.reason else "")
        doubt = self.doubt(output.name)
        if doubt is not None and doubt.concerns(output):
            if doubt.is_strange:
                return f"another program changed it (version {doubt.newest_version})"
            return "a run was cut off while it wrote it"
        return None

    def is_whole(self, output: Output) -> bool:
        """Whether an output stands as its newest row says."""
        return self.why_not_whole(output) is None

    def once(self, name: str, outputs: Iterable[Output], compute: Callable[[], T]) -> T:
        """Give what is computed of outputs, computed once for as long as they stand as they do."""
        rows = [self.newest(output) for output in outputs]
        key = (name, *[row and row.sequence for row in rows])
        if key not in self._computed:
            self._computed[key] = compute()
        found: T = self._computed[key]
        return found

    def why_not_current(self, target: Target) -> str | None:
        """Tell why a target has to be made; None where it is current."""
        row = self.newest(target.output)
        if row is None:
            return "it was never made"
        if reason := self.why_not_whole(target.output):
            return reason
        if self.is_forced(row):
            return "it is to be made anew"
        if reason := why_made_otherwise(row, target):
            return reason
        return None if target.is_kept else self._why_inputs_changed(row, target)

    def is_current(self, target: Target) -> bool:
        """Whether a target stands, and what it read stands as it was read."""
        return self.why_not_current(target) is None

    def why_of_another_making(self, target: Target) -> str | None:
        """Tell what changed of how a target is made; None where nothing did, or it never was.

        That is its settings and code, which outputs it reads, and the settings and code with which
        these were made: all but the rows in them.
        """
        row = self.newest(target.output)
        if row is None or row.status != "written":
            return None
        if reason := why_made_otherwise(row, target) or _why_reads_others(row, target):
            return reason
        for read in row.inputs:
            rows = self.rows(read.output)
            makings = [
                (one.fingerprint, one.generation) for one in rows if one.version == read.version
            ]
            if makings and makings[0] != (rows[-1].fingerprint, rows[-1].generation):
                return f"{read.output} is made otherwise"
        return None

    def input_versions(self, target: Target) -> tuple[InputVersion, ...]:
        """Give what making a target now would read."""
        found = []
        for output in (*target.reads, *target.optional):
            row = self.newest(output)
            if row is None or row.status != "written" or not self.is_whole(output):
                found.append(InputVersion(output, None, None))
            else:
                found.append(InputVersion(output, row.version, row.checksum))
        return tuple(found)

    def changes_since(self, output: Output, version: int | None) -> list[OutputRow]:
        """Give the rows of an output that were appended after the one with this version."""
        rows = self.rows(output)
        last = max((place for place, row in enumerate(rows) if row.version == version), default=-1)
        return [row for row in rows[last + 1 :] if row.status == "written"]

    def changed_inputs(self, target: Target) -> tuple[Output, ...] | None:
        """Give the inputs that changed since a target was made; None where others are read now."""
        row = self.newest(target.output)
        before = {read.output: read for read in row.inputs} if row else {}
        now = self.input_versions(target)
        if before.keys() != {read.output for read in now}:
            return None
        day = target.output.as_of_date
        return tuple(
            read.output for read in now if self._has_changed(before[read.output], read, day)
        )

    def _why_inputs_changed(self, row: OutputRow, target: Target) -> str | None:
        if reason := _why_reads_others(row, target):
            return reason
        changed = self.changed_inputs(target) or ()
        return f"{', '.join(map(str, changed[:3]))} changed" if changed else None

    def _has_changed(self, before: InputVersion, now: InputVersion, day: date | None) -> bool:
        """Whether an input changed in a way that an output of this date can see."""
        if (before.version is None) != (now.version is None):
            return True
        if before.version == now.version or before.checksum == now.checksum:
            return before.checksum != now.checksum
        if day is None or now.output.as_of_date is not None:
            return True
        return self.can_see_change(self.changes_since(now.output, before.version), day)

    def can_see_change(self, changes: Iterable[OutputRow], day: date) -> bool:
        """Whether any of these changes touches what was known before the day."""
        cut = self._midnight(day)
        return any(row.changed_from is None or row.changed_from < cut for row in changes)


def _why_reads_others(row: OutputRow, target: Target) -> str | None:
    """Tell which outputs a target reads that a row was not made of, or no longer reads."""
    before = {read.output for read in row.inputs}
    now = {*target.reads, *target.optional}
    further, gone = sorted(map(str, now - before)), sorted(map(str, before - now))
    parts = [f"it now reads {', '.join(further[:3])}"] if further else []
    parts += [f"it no longer reads {', '.join(gone[:3])}"] if gone else []
    return "; ".join(parts) or None


def why_made_otherwise(row: OutputRow, target: Target) -> str | None:
    """Tell which settings or code of a target differ from those that a row was made with."""
    if row.fingerprint != target.fingerprint:
        return f"settings changed: {_changed_keys(row.settings, target.settings_json)}"
    if row.generation != target.generation:
        return "it was made by another version of crm_spark"
    return None


def _changed_keys(before: str, now: str) -> str:
    """Name the settings that differ, with their values."""
    old, new = _flat(json.loads(before)), _flat(json.loads(now))
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    shown = [f"{key} {_shown(old.get(key))} -> {_shown(new.get(key))}" for key in keys[:3]]
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(shown) + more


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{path}.{key}" if path else str(key))
    return flat


def _shown(value: Any) -> str:
    text = "default" if value is None else json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
