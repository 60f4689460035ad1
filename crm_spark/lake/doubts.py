"""Commits that no row of ops.outputs stands for: found, and put right."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from crm_spark.errors import DataError
from crm_spark.lake.commits import CREATION
from crm_spark.lake.contract import Table, content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.lake.state import UNTOUCHED, Doubt, Output, OutputRow, State, Status
from crm_spark.runtime.progress import log


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


def settle_doubts(lake: Lake, state: State, table: Table, *, job: str) -> list[OutputRow]:
    """Put right what no row stands for, and give the rows to append that say so.

    Of a table of dates only the dates that a dead run wrote are torn. A table without dates is
    restored to the version that a row stands for, where Delta still can. What a stranger changed is
    taken where its content is that of an earlier row; else DataError.
    """
    doubt = state.doubt(table.name)
    if doubt is None:
        return []
    if doubt.is_strange:
        return _recognised(lake, state, table, doubt, job=job)
    log.warning("%s: a run was cut off while it wrote it; that is put right", table.name)
    if doubt.dates is None and table.partition_by != ("as_of_date",):
        return _restored(lake, state, table, doubt, job=job)
    dates = doubt.dates if doubt.dates is not None else _dates_of(lake, state, table)
    return [_row(Output(table.name, day), "torn", doubt, job=job) for day in sorted(dates)]


def _dates_of(lake: Lake, state: State, table: Table) -> set[date]:
    known = {output.as_of_date for output in state.outputs(table.name)}
    return {day for day in (*known, *lake.dates(table)) if day is not None}


def _row(output: Output, status: Status, doubt: Doubt, *, job: str) -> OutputRow:
    return OutputRow(output, status, job, version=doubt.newest_version)


def _restored(lake: Lake, state: State, table: Table, doubt: Doubt, *, job: str) -> list[OutputRow]:
    output = Output(table.name)
    before = state.newest(output)
    torn = _row(output, "torn", doubt, job=job)
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
            version=version,
            changed_from=UNTOUCHED,
            replaces_all=False,
            reason="restored after a run that was cut off",
        )
    ]


def _recognised(
    lake: Lake, state: State, table: Table, doubt: Doubt, *, job: str
) -> list[OutputRow]:
    """Find, for every output of a table that a stranger changed, the earlier row of its content."""
    found = _checksums(lake, table)
    appended: list[OutputRow] = []
    for output in sorted(found, key=str):
        same = [row for row in state.rows(output) if row.checksum == found[output]]
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
                version=doubt.newest_version,
                changed_from=UNTOUCHED if is_same else None,
                replaces_all=not is_same,
                reason="its content is that of an earlier run",
            )
        )
    gone = sorted({*state.outputs(table.name)} - found.keys(), key=str)
    return appended + [_row(output, "dropped", doubt, job=job) for output in gone]


def _checksums(lake: Lake, table: Table) -> dict[Output, str]:
    """Give the content checksum of each output of a table as it is."""
    if table.partition_by == ("as_of_date",):
        by_date = lake.checksums_by_date(table)
        return {Output(table.name, day): checksum for day, checksum in by_date.items()}
    return {Output(table.name): content_checksum(lake.read(table), table)}


def _remedy(table: Table) -> str:
    is_core = table.layer == "core"
    return "ingest_sources --rebuild" if is_core else "the job that makes it with --restart"
