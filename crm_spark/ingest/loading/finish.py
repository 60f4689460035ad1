"""The end of a load: its files noted, and core table and rejected rows finished together."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.ingest.loading.noticed import currency_facts
from crm_spark.ingest.loading.rejected import StoredRejected
from crm_spark.ingest.loading.store import Stored
from crm_spark.ingest.planning.source_files import ADDED_TO, LOADED_BY, LoadedItem, SourceFiles
from crm_spark.ingest.settings import Source
from crm_spark.ingest.targets import rejected_target, source_target
from crm_spark.lake.contract import checksum_rows
from crm_spark.lake.run import Finished, LakeRun
from crm_spark.lake.state import UNTOUCHED, OutputRow

N_ROWS, N_REJECTED = "n_rows", "n_rejected"


def finish_load(
    run: LakeRun,
    files: SourceFiles,
    source: Source,
    stored: Stored,
    stored_rejected: StoredRejected,
    items: Sequence[LoadedItem],
    *,
    n_rejected: int,
    added_to: OutputRow | None,
    currencies: tuple[str, ...] = (),
) -> None:
    """Note the items, then, last of all, that both tables are whole: from now on the load counts.

    `n_rejected` rows of the source are rejected and not taken back; `added_to` is the row that an
    increment was added to, None for a source loaded as a whole; `currencies` are the first and the
    last by name of all that is loaded.
    """
    files.append(source, items)
    facts = {
        **stored.dates.as_facts(),
        N_ROWS: str(checksum_rows(stored.checksum)),
        N_REJECTED: str(n_rejected),
        LOADED_BY: run.summary.run_id,
        **currency_facts(currencies),
    }
    if added_to is not None:
        facts[ADDED_TO] = str(added_to.sequence)
    run.finish(
        Finished(
            source_target(source),
            stored.version,
            stored.checksum,
            changed_from=stored.changed_from,
            replaces_all=stored.replaces_all,
            facts=facts,
        ),
        Finished(
            rejected_target(source),
            stored_rejected.version,
            stored_rejected.checksum,
            changed_from=None if stored_rejected.is_changed else UNTOUCHED,
            replaces_all=added_to is None,
            facts=stored_rejected.as_facts(),
        ),
    )


def leave_unchanged(run: LakeRun, source: Source) -> None:
    """Say in the summary what stands; where inputs changed in vain, note that they were seen."""
    targets = (source_target(source), rejected_target(source))
    rows = [run.state.newest(target.output) for target in targets]
    for table, row in zip((source.table, source.rejected), rows, strict=True):
        if row is not None:
            run.note_unchanged(table, row)
    row = rows[0]
    if row is not None and row.inputs != run.state.input_versions(targets[0]):
        run.finish(_again(row, source))


def _again(row: OutputRow, source: Source) -> Finished:
    return Finished(
        source_target(source),
        row.version,
        row.checksum,
        changed_from=UNTOUCHED,
        replaces_all=False,
        facts=row.facts,
    )
