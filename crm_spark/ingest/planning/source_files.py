"""ops.source_files: what each run loaded of each source, and which of it counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Literal

from crm_spark.ingest.reading.schema import SourceSchema
from crm_spark.ingest.settings import Source
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output, OutputRow, State
from crm_spark.tables.ops import SOURCE_FILES

# So many appends leave as many small files; then they are put together.
APPENDS_BETWEEN_COMPACTIONS = 100
# Facts of a core table's row: the run whose files it has loaded, and the row that it added them to.
LOADED_BY, ADDED_TO = "loaded_by", "added_to"


@dataclass(frozen=True)
class Item:
    """A file, a table or a query, and what tells its content from another."""

    item: str
    content: str | None
    n_bytes: int | None = None
    modified_at: int | None = None


@dataclass(frozen=True)
class LoadedItem(Item):
    """An item as a run loaded it, or rejected it because it could not be read."""

    schema: SourceSchema = field(default_factory=SourceSchema)
    status: Literal["loaded", "rejected"] = "loaded"


def runs_that_count(state: State, output: Output) -> list[str]:
    """Give the runs whose files are what a core table holds now, the oldest first."""
    return list(_runs(state, output))[::-1]


def _runs(state: State, output: Output) -> Iterator[str]:
    by_sequence = {row.sequence: row for row in state.rows(output)}
    row: OutputRow | None = state.newest(output)
    while row is not None and row.status == "written" and LOADED_BY in row.facts:
        yield row.facts[LOADED_BY]
        row = by_sequence.get(int(row.facts.get(ADDED_TO, 0)))


class SourceFiles:
    """The rows of ops.source_files that count."""

    def __init__(self, run: LakeRun) -> None:
        self._run = run

    def loaded(self, source: Source) -> list[LoadedItem]:
        """Give what was loaded of a source, each item as it was loaded last."""
        by_run = self._rows.get(source.name, {})
        newest: dict[str, LoadedItem] = {}
        for run_id in runs_that_count(self._run.state, Output(source.table.name)):
            newest |= {item.item: item for item in by_run.get(run_id, ())}
        return [item for item in newest.values() if item.status == "loaded"]

    def append(self, source: Source, items: Sequence[LoadedItem]) -> None:
        """Note what this run has loaded; it counts once the run has finished the core table."""
        if not items:
            return
        lake, run_id = self._run.lake, self._run.summary.run_id
        rows = [
            {
                **{key: value for key, value in asdict(item).items() if key != "schema"},
                "source": source.name,
                "row_schema": item.schema.ddl or None,
                "run_id": run_id,
            }
            for item in items
        ]
        self._run.note(SOURCE_FILES, lake.append_rows(SOURCE_FILES, rows))

    @cached_property
    def _rows(self) -> dict[str, dict[str, list[LoadedItem]]]:
        """All rows, by source and run; read once, before this run adds any."""
        found: dict[str, dict[str, list[LoadedItem]]] = {}
        for row in self._run.lake.rows(SOURCE_FILES):  # a row a file
            by_run = found.setdefault(row["source"], {})
            by_run.setdefault(row["run_id"], []).append(
                LoadedItem(
                    row["item"],
                    row["content"],
                    row["n_bytes"],
                    row["modified_at"],
                    SourceSchema(row["row_schema"] or ""),
                    row["status"],
                )
            )
        return found
