"""What of a source is to be loaded: what was loaded, against what is there now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pyspark.sql import SparkSession

from crm_spark.ingest.planning.anew import appended, require_all_there, why_anew
from crm_spark.ingest.planning.source_files import Item, LoadedItem
from crm_spark.ingest.reading.broken import comparable
from crm_spark.ingest.settings import Source
from crm_spark.ingest.targets import source_target
from crm_spark.lake.state import OutputRow, State


@dataclass(frozen=True)
class Plan:
    """What to load of a source: all of it, what is new, or nothing.

    `items` are noted as loaded; `read` are the files to read, each content once; `copies` say how
    often a content was given beyond that. Of a table with a watermark the rows above `after`, up to
    `up_to`, are read; of a Delta table the files `appended` up to the version `up_to`. `row` is
    what stands of the core table; of it nothing is to stay where `is_rebuild`.
    """

    mode: Literal["anew", "increment", "unchanged"]
    items: tuple[Item, ...] = ()
    read: tuple[str, ...] = ()
    copies: Mapping[str, int] = field(default_factory=dict)
    after: str | None = None
    up_to: str | None = None
    appended: tuple[str, ...] = ()
    row: OutputRow | None = None
    why: str = ""
    is_rebuild: bool = False

    @property
    def is_anew(self) -> bool:
        """Whether the source is loaded as a whole."""
        return self.mode == "anew"


def plan_source(
    spark: SparkSession,
    state: State,
    source: Source,
    found: Sequence[Item],
    loaded: Sequence[LoadedItem],
    *,
    rebuild: bool,
) -> Plan:
    """Compare a source with what was loaded of it.

    A table that is not bitemporal is loaded anew with every change. Raises DataError where rows
    that were loaded earlier would be lost.
    """
    why = "asked for" if rebuild else why_anew(spark, state, source, found, loaded)
    if not rebuild and source.table.event_time is not None:
        require_all_there(spark, source, found, loaded, is_anew=why is not None)
    row = state.newest(source_target(source).output)
    plan = _whole(source, found) if why else _what_is_new(spark, source, found, loaded)
    return replace(plan, row=row, why=why or "", is_rebuild=rebuild)


def _whole(source: Source, found: Sequence[Item]) -> Plan:
    if source.inputs:
        return Plan("anew", _noted(found))
    read, copies = _distinct(found)
    mark = found[0].content if source.section.watermark is not None and found else None
    return Plan("anew", _noted(found), read, copies, up_to=mark)


def _noted(items: Sequence[Item]) -> tuple[Item, ...]:
    return tuple(replace(item, item=comparable(item.item)) for item in items)


def _distinct(items: Sequence[Item]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Give the files of different content, and how often each was given more than once.

    Of the same content the oldest file is read, as it is where they come one after the other.
    """
    by_content: dict[str | None, list[str]] = {}
    for item in sorted(items, key=lambda item: (item.modified_at or 0, item.item)):
        by_content.setdefault(item.content, []).append(item.item)
    read = tuple(sorted(uris[0] for uris in by_content.values()))
    return read, {uris[0]: len(uris) - 1 for uris in by_content.values() if len(uris) > 1}


def _what_is_new(
    spark: SparkSession, source: Source, found: Sequence[Item], loaded: Sequence[LoadedItem]
) -> Plan:
    if source.section.watermark is not None:
        before, now = loaded[0].content, found[0].content
        if now is None or now == before:
            return Plan("unchanged")
        return Plan("increment", _noted(found), after=before, up_to=now)
    if source.section.format == "delta":
        if found[0].content == loaded[0].content:
            return Plan("unchanged")
        files = appended(spark, source, found, loaded) or ()
        return Plan("increment", _noted(found), appended=tuple(files), up_to=found[0].content)
    names = {item.item for item in loaded}
    contents = {item.content for item in loaded}
    new = [item for item in found if comparable(item.item) not in names]
    if not new:
        return Plan("unchanged")
    read, copies = _distinct([item for item in new if item.content not in contents])
    for item in new:
        if item.content in contents:
            copies[item.item] = 1
    return Plan("increment", _noted(new), read, copies=copies)
