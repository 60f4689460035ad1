"""One run at work on a lake: its tables, what is done there, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake, Written
from crm_spark.lake.doubts import doubt_of, settle_doubts
from crm_spark.lake.outputs import OutputLog
from crm_spark.lake.state import (
    Output,
    OutputRow,
    State,
    Status,
    Target,
    why_made_otherwise,
)
from crm_spark.lake.storage import StorageSection
from crm_spark.runtime.run import RunSummary

# What every run asks its dates of: the order lines.
LINES = Output("core.transactions")


@dataclass(frozen=True)
class Finished:
    """A target as this run leaves it: what ops.outputs is to say of it.

    `changed_from` is the earliest moment that the change touches, None: all of it; `replaces_all`
    says that the rows that changed cannot be told by the runs that wrote them.
    """

    target: Target
    version: int | None = None
    checksum: str | None = None
    changed_from: datetime | None = None
    replaces_all: bool = True
    facts: Mapping[str, str] = field(default_factory=dict)
    status: Status = "written"
    reason: str | None = None


class LakeRun:
    """One run at work on a lake: its tables, its state and its summary; it knows no configuration.

    Jobs of one process share the `state`: it is read once. `target_of` gives the target that makes
    an output under the run's settings; None: not known.
    """

    def __init__(
        self,
        spark: SparkSession,
        storage: StorageSection,
        summary: RunSummary,
        *,
        time_zone: str,
        state: State | None = None,
        target_of: Callable[[Output], Target | None] = lambda _output: None,
    ) -> None:
        self.spark = spark
        self.summary = summary
        self.lake = Lake(spark, storage, summary.run_id)
        self.zone = ZoneInfo(time_zone)
        self._log = OutputLog(self.lake)
        self._shared_state = state
        self._target_of = target_of

    @cached_property
    def state(self) -> State:
        """What is done on the lake, read once."""
        return self._shared_state or State(
            self._log.read(),
            doubt_of=lambda name, version: doubt_of(self.lake, name, version),
            midnight=self.midnight,
        )

    def midnight(self, day: date) -> datetime:
        """Give the instant at which a local day begins."""
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)

    def stamp(self, df: DataFrame) -> DataFrame:
        """Add run_id."""
        return df.withColumn("run_id", F.lit(self.summary.run_id))

    def note(self, table: Table, written: Written) -> Written:
        """Put a write into the summary."""
        counts = self.summary.table(table.name)
        counts.rows_written = written.rows
        counts.version = written.version
        counts.content_checksum = written.content_checksum
        return written

    def note_unchanged(self, table: Table, row: OutputRow) -> None:
        """Put a table that this run leaves as it is into the summary."""
        self.note(table, Written(0, row.version or 0, row.checksum or ""))

    def replace_dates(self, table: Table, df: DataFrame, dates: Sequence[date]) -> Written:
        """Replace the rows of these as-of dates, stamped with the run, and note it."""
        return self.note(table, self.lake.replace_dates(table, self.stamp(df), dates))

    def require(self, target: Target) -> None:
        """Refuse to make a target of inputs that are not there, or were made otherwise.

        Inputs that are merely behind are read. Raises DataError that lists all.
        """
        faults = [
            f"{output}: {reason}"
            for output in target.reads
            if (reason := self.state.why_not_whole(output) or self._why_made_otherwise(output))
        ]
        if faults:
            lacking = "; ".join(faults)
            raise DataError(f"{target.output} cannot be made yet: {lacking}; run run_pipeline")

    def _why_made_otherwise(self, output: Output) -> str | None:
        target, row = self._target_of(output), self.state.newest(output)
        return why_made_otherwise(row, target) if target and row else None

    def settle(self, *tables: Table) -> None:
        """Put right what runs that were cut off left of these tables, before writing to them."""
        for table in tables:
            self.append_rows(settle_doubts(self.lake, self.state, table, job=self.summary.job))

    def finish(self, *finished: Finished) -> None:
        """Append rows to ops.outputs: from now on these outputs are whole."""
        rows = [
            OutputRow(
                one.target.output,
                one.status,
                self.summary.job,
                version=one.version,
                checksum=one.checksum,
                inputs=self.state.input_versions(one.target),
                settings=one.target.settings_json,
                fingerprint=one.target.fingerprint,
                generation=one.target.generation,
                changed_from=one.changed_from,
                replaces_all=one.replaces_all,
                facts=one.facts,
                reason=one.reason,
            )
            for one in finished
        ]
        self.append_rows(rows)

    def append_rows(self, rows: Sequence[OutputRow]) -> None:
        """Append rows, new ones or copies of earlier ones, as of now and by this run."""
        if not rows:
            return
        first, now = self.state.next_sequence, datetime.now(UTC)
        stamped = [
            replace(row, sequence=first + place, run_id=self.summary.run_id, finished_at=now)
            for place, row in enumerate(rows)
        ]
        self._log.append(stamped)
        self.state.add(stamped)

    def facts(self, output: Output) -> Mapping[str, str]:
        """Give what is known of an output without reading it. Raises DataError where it is not."""
        if reason := self.state.why_not_whole(output):
            row = self.state.newest(output)
            job = row.job if row else "ingest_sources"
            raise DataError(f"{output} in {self.lake.root}: {reason}: run {job} first")
        row = self.state.newest(output)
        return row.facts if row else {}

    def has_rows(self, output: Output) -> bool:
        """Tell, without reading it, whether an output is whole and holds any row."""
        row = self.state.newest(output)
        return row is not None and self.state.is_whole(output) and row.n_rows > 0

    def most_core_rows(self) -> int | None:
        """Give how many rows the largest table of core has; None where none is loaded."""
        outputs = [one for one in self.state.outputs() if one.name.startswith("core.")]
        rows = [self.state.newest(output) for output in outputs]
        return max((row.n_rows for row in rows if row), default=None)

    def order_dates(self) -> tuple[date, date]:
        """Give the local dates of the first order and of the newest event.

        Raises DataError where the transactions are not loaded, or hold no order.
        """
        facts = self.facts(LINES)
        if not facts.get("first_order_date") or not facts.get("newest_event_date"):
            raise DataError(f"{LINES} holds no order")
        first, newest = facts["first_order_date"], facts["newest_event_date"]
        return date.fromisoformat(first), date.fromisoformat(newest)
