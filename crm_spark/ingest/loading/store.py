"""Core tables as loads leave them: written as a whole, or by what an increment changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.ingest.versions.changes import Changes
from crm_spark.ingest.versions.effect import Effect
from crm_spark.ingest.versions.facts import LineDates, line_date_aggregates
from crm_spark.ingest.versions.history import IS_NEW, HistoryRules, updated_history
from crm_spark.ingest.versions.moments import as_instant, day_seen, earliest_differing_day
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Written
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import UNTOUCHED, Output, OutputRow
from crm_spark.runtime.keeping import kept_on_disk
from crm_spark.runtime.progress import log
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.tables.history import VALID_FROM


@dataclass(frozen=True)
class Stored:
    """A core table after a load: its version, its checksum, and what of it is another."""

    version: int
    checksum: str
    n_written: int
    changed_from: datetime | None
    replaces_all: bool
    dates: LineDates = field(default_factory=LineDates)


def store_whole(run: LakeRun, table: Table, rows: DataFrame) -> Stored:
    """Replace a whole table, and find from when on it differs from what stood there."""
    measures = line_date_aggregates() if table is TRANSACTIONS else ()
    written = run.note(table, run.lake.overwrite(table, rows, measures=measures))
    changed_from = _changed_from(run, table, written)
    dates = LineDates.of_row(written.measured) if measures else LineDates()
    return Stored(
        written.version, written.content_checksum, written.rows, changed_from, True, dates
    )


def store_unchanged(run: LakeRun, table: Table, row: OutputRow) -> Stored:
    """Leave a table as its row says."""
    run.note_unchanged(table, row)
    dates = LineDates.of_facts(row.facts)
    version, checksum = row.version or 0, row.checksum or ""
    return Stored(version, checksum, 0, UNTOUCHED, replaces_all=False, dates=dates)


def store_changes(
    run: LakeRun, table: Table, changes: Changes, effect: Effect, row: OutputRow
) -> Stored:
    """Append what only adds rows, else merge; the row says what stood there."""
    assert row.version is not None
    assert row.checksum is not None
    before = LineDates.of_facts(row.facts)
    if effect.is_none:
        return store_unchanged(run, table, row)
    if effect.is_addition:
        written = run.lake.append(table, changes.added)
    else:
        written = run.lake.merge(table, changes.written, changes.removed)
    checksum = effect.checksum_after(row.checksum)
    run.note(table, Written(effect.n_added, written.version, checksum))
    dates = before.with_added(effect.written.dates)
    if before.may_lose(effect.replaced.dates):
        dates = _line_dates(run, table)
    return Stored(
        written.version,
        checksum,
        effect.n_added,
        effect.changed_from,
        replaces_all=effect.is_customer_lost,
        dates=dates,
    )


def store_history(
    run: LakeRun, table: Table, delivered: DataFrame, rules: HistoryRules, row: OutputRow | None
) -> Stored:
    """Write what a delivery adds to a history; `row` is what is known, None: it begins anew."""
    known = run.lake.read(table) if row is not None else None
    with kept_on_disk(updated_history(known, delivered, table, rules)) as versions:
        figures = versions.where(IS_NEW).agg(
            F.count(F.lit(1)).alias("n"),
            F.count_if(F.col(VALID_FROM).isNull()).alias("n_first"),
            F.unix_micros(F.min(VALID_FROM)).alias("micros"),
        )
        new = figures.collect()[0]
        if row is not None and not new["n"]:
            return store_unchanged(run, table, row)
        if row is None or (rules.is_dated and rules.is_remapped):
            return replace(store_whole(run, table, versions), n_written=new["n"])
        written = run.lake.overwrite(table, versions)
    version, checksum = written.version, written.content_checksum
    run.note(table, Written(new["n"], version, checksum))
    changed_from = None if new["n_first"] else as_instant(new["micros"])
    return Stored(version, checksum, new["n"], changed_from, replaces_all=True)


def _line_dates(run: LakeRun, table: Table) -> LineDates:
    """Read the days of the first and newest lines; none of other tables."""
    if table is not TRANSACTIONS:
        return LineDates()
    return LineDates.of_row(run.lake.read(table).agg(*line_date_aggregates()).collect()[0])


def _changed_from(run: LakeRun, table: Table, written: Written) -> datetime | None:
    """Compare a table with what stood there before; None where that cannot be told."""
    rows = [row for row in run.state.rows(Output(table.name)) if row.status == "written"]
    if not rows or rows[-1].version is None:
        return None
    if rows[-1].checksum == written.content_checksum:
        return UNTOUCHED
    if day_seen(table) is None:
        return None
    try:
        before = run.lake.read(table, version=rows[-1].version)
        differing = earliest_differing_day(before, run.lake.read(table), table)
        micros = differing.collect()[0]["micros"]
    except Exception as error:  # noqa: BLE001 - files of old versions may be gone
        log.warning("%s: what changed in it cannot be told: %s", table.name, error)
        return None
    return UNTOUCHED if micros is None else as_instant(micros)
