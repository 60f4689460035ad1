"""Commits that no row of ops.outputs stands for: found, and put right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from crm_spark.errors import DataError
from crm_spark.lake.commits import CREATION
from crm_spark.lake.contract import Table, checksum_aggregates, content_checksum, format_checksum
from crm_spark.lake.delta import Lake
from crm_spark.lake.state import UNTOUCHED, Doubt, Output, OutputRow, State
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import RunSummary


def doubt_of(lake: Lake, name: str, version: int) -> Doubt | None:
    """Give what commits above a version changed of a table; None where nothing did.

    Upkeep changes no row. A commit without a run of ours, or a log that does not reach back, is a
    stranger's.
    """
    table = Table(name=name, comment="", key=(), columns=())
    versions = lake.versions(table)
    if not versions or versions[0] <= version:
        return Doubt(versions[0], None, is_strange=True) if _is_older(versions, version) else None
    commits = lake.commits_since(table, version)
    if commits is None:
        return Doubt(versions[0], None, is_strange=True)
    if not commits:
        return None
    written = [commit for commit in commits if commit.operation != CREATION]
    if any(commit.run_id is None for commit in written):
        return Doubt(commits[0].version, None, is_strange=True)
    if not written:  # only the table's making
        return None
    if all(commit.dates for commit in written):
        dates = frozenset(day for commit in written for day in commit.dates)
        return Doubt(commits[0].version, dates)
    return Doubt(commits[0].version, None)


def _is_older(versions: list[int], version: int) -> bool:
    """Whether a table that has rows of state was replaced by one with fewer commits."""
    return bool(versions) and version >= 0 and versions[0] < version


def settle_doubts(lake: Lake, state: State, table: Table, summary: RunSummary) -> list[OutputRow]:
    """Put right what no row stands for, and give the rows that say so.

    Of a table of dates only the dates that a dead run wrote are torn. A table without dates is
    restored to the version that a row stands for, where Delta still can. What a stranger changed is
    taken where its content is that of an earlier row; else DataError.
    """
    doubt = state.doubt(table.name)
    if doubt is None:
        return []
    if doubt.is_strange:
        return _recognised(lake, state, table, summary, doubt)
    log.warning("%s: a run was cut off while it wrote it; that is put right", table.name)
    if doubt.dates is None and table.partition_by != ("as_of_date",):
        return _restored(lake, state, table, summary, doubt)
    dates = doubt.dates if doubt.dates is not None else _dates_of(lake, state, table)
    return [
        _row(
            state,
            Output(table.name, day),
            summary,
            place,
            status="torn",
            version=doubt.newest_version,
        )
        for place, day in enumerate(sorted(dates))
    ]


def _dates_of(lake: Lake, state: State, table: Table) -> set[date]:
    known = {output.as_of_date for output in state.outputs(table.name)}
    return {day for day in (*known, *lake.dates(table)) if day is not None}


def _restored(
    lake: Lake, state: State, table: Table, summary: RunSummary, doubt: Doubt
) -> list[OutputRow]:
    output = Output(table.name)
    before = state.newest(output)
    torn = _row(state, output, summary, 0, status="torn", version=doubt.newest_version)
    if before is None or not before.stands or before.version is None:
        return [torn]
    try:
        version = lake.restore(table, before.version)
    except Exception as error:  # noqa: BLE001 - files may be gone, or be beyond Delta's retention
        log.warning(
            "%s cannot be restored to version %s: %s",
            table.name,
            before.version,
            str(error).splitlines()[0],
        )
        return [torn]
    return [
        replace(
            before,
            sequence=state.next_sequence,
            version=version,
            changed_from=UNTOUCHED,
            replaces_all=False,
            run_id=summary.run_id,
            finished_at=datetime.now(UTC),
            reason="restored after a run that was cut off",
        )
    ]


def _recognised(
    lake: Lake, state: State, table: Table, summary: RunSummary, doubt: Doubt
) -> list[OutputRow]:
    """Find, for every output of a table that a stranger changed, the earlier row of its content."""
    found: dict[date | None, str] = {}
    rows = lake.read(table)
    if table.partition_by == ("as_of_date",):
        grouped = rows.groupBy("as_of_date").agg(*checksum_aggregates(table.content_columns))
        found = {row["as_of_date"]: format_checksum(row.asDict()) for row in grouped.collect()}
    else:
        found = {None: content_checksum(rows, table)}
    known = {output.as_of_date for output in state.outputs(table.name)}
    appended: list[OutputRow] = []
    for place, day in enumerate(sorted(found, key=str)):
        output = Output(table.name, day)
        same = [row for row in state.rows(output) if row.checksum == found[day]]
        if not same:
            raise DataError(
                f"{output} in {lake.root} was changed by another program (version "
                f"{doubt.newest_version}) to something that no run ever left: restore version "
                f"{state.highest_version(table.name)}, or run {_remedy(table)}"
            )
        newest = state.newest(output)
        is_same = newest is not None and newest.checksum == same[-1].checksum
        appended.append(
            replace(
                same[-1],
                sequence=state.next_sequence + place,
                version=doubt.newest_version,
                changed_from=UNTOUCHED if is_same else None,
                replaces_all=not is_same,
                run_id=summary.run_id,
                finished_at=datetime.now(UTC),
                reason="its content is that of an earlier run",
            )
        )
    for day in sorted(known - found.keys(), key=str):
        appended.append(
            _row(
                state,
                Output(table.name, day),
                summary,
                len(appended),
                status="dropped",
                version=doubt.newest_version,
            )
        )
    return appended


def _remedy(table: Table) -> str:
    is_core = table.layer == "core"
    return "ingest_sources --rebuild" if is_core else "the job that makes it with --restart"


def _row(
    state: State, output: Output, summary: RunSummary, place: int, *, status: str, version: int
) -> OutputRow:
    return OutputRow(
        sequence=state.next_sequence + place,
        output=output,
        status=status,  # type: ignore[arg-type]
        job=summary.job,
        run_id=summary.run_id,
        version=version,
        finished_at=datetime.now(UTC),
    )
