"""Upkeep of the lake: old dates are dropped, files are put together, and the state notes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from crm_spark.lake.contract import Table
from crm_spark.lake.state import UNTOUCHED, Output, State
from crm_spark.pipeline.days import feature_dates, first_order, made_models
from crm_spark.pipeline.lifecycle import Run
from crm_spark.runtime.progress import log, stage
from crm_spark.words import counted

KeptDates = Mapping[str, frozenset[date]]


def dates_to_keep(run: Run) -> KeptDates | None:
    """Give the as-of dates to keep, by layer or by table; None keeps all.

    Features are kept for the cut-offs, too, that training as of the newest date reads, and tables
    of models for as far back as later dates read them.
    """
    n = run.config.storage.keep_dates
    own = sorted(_own_days(run.state), reverse=True)
    if n is None or not own:
        return None
    newest = own[:n]
    if run.config.sources.transactions is not None:
        run.settle_sections(newest[0])
    trained = made_models(run.config)
    dates = feature_dates(run.config, newest[0], first_order(run), trained)
    features = frozenset({*newest, *dates.snapshots, *dates.interactions, *dates.prices})
    remembered = {
        table.name: frozenset({*newest, *(day for day in own if day >= newest[0] - reach)})
        for model in run.config.known_models
        for table, reach in model.remembers(run.config.section_of(model)).items()
    }
    return {"scores": frozenset(newest), "features": features, **remembered}


def _own_days(state: State) -> set[date]:
    """Give the dates that runs were for: scored, or with features made for their own sake."""
    rows = [row for output in state.outputs() for row in state.rows(output)]
    return {
        row.output.as_of_date
        for row in rows
        if row.output.as_of_date
        and (
            row.output.name.startswith("scores.")
            or row.facts.get("made_for") == row.output.as_of_date.isoformat()
        )
    }


def maintain(run: Run, table: Table, kept: KeptDates | None) -> None:
    """Drop the dates of a table that are not kept, compact it and remove its old files."""
    with stage(run.spark, f"maintain {table.name}"):
        dropped = _drop_dates(run, table, kept)
        files = run.lake.maintain(table)
        _carry_over(run, table)
    dropped_note = f", {counted(dropped, 'as-of date')} dropped" if dropped else ""
    log.info(
        "%s: %s, now %d of %.1f MB%s",
        table.name,
        counted(files.files_before, "file"),
        files.files_after,
        files.bytes_after / 1e6,
        dropped_note,
    )


def _drop_dates(run: Run, table: Table, kept: KeptDates | None) -> int:
    """Drop the other dates of a feature or score table; give their number."""
    if kept is None or table.layer not in kept or "as_of_date" not in table.partition_by:
        return 0
    kept_dates = kept.get(table.name, kept[table.layer])
    old = [day for day in run.lake.dates(table) if day not in kept_dates]
    if not old:
        return 0
    log.info("%s: dropping %s", table.name, ", ".join(map(str, sorted(old))))
    run.lake.delete_dates(table, old)
    version = run.lake.version(table)
    known = [Output(table.name, day) for day in old if run.state.rows(Output(table.name, day))]
    run.append_rows(
        [
            replace(row, status="dropped", version=version, reason="storage.keep_dates")
            for output in known
            if (row := run.state.newest(output))
        ]
    )
    return len(old)


def _carry_over(run: Run, table: Table) -> None:
    """Say of a table whose newest commit is upkeep that it is as it was.

    So nothing needs the log further back than its newest commits.
    """
    rows = [row for output in run.state.outputs(table.name) if (row := run.state.newest(output))]
    standing = [row for row in rows if row.stands and row.version is not None]
    newest = run.lake.versions(table)[0]
    if not standing or newest == run.state.highest_version(table.name):
        return
    row = max(standing, key=lambda row: row.sequence)
    run.append_rows(
        [replace(row, version=newest, changed_from=UNTOUCHED, replaces_all=False, reason="upkeep")]
    )
