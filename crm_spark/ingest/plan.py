"""What of a source is to be loaded: what was loaded, against what is there now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal

from pyspark.sql import SparkSession

from crm_spark.errors import DataError, listed
from crm_spark.ingest.facts import NEWEST_LINE
from crm_spark.ingest.files import comparable, is_below
from crm_spark.ingest.settings import Source
from crm_spark.ingest.source_files import Item, LoadedItem
from crm_spark.ingest.targets import rejected_target, source_target
from crm_spark.lake.state import OutputRow, State, why_made_otherwise


@dataclass(frozen=True)
class Plan:
    """What to load of a source: all of it, what is new, or nothing.

    `items` are noted as loaded; `read` are the files to read, each content once; `copies` say how
    often a content was given beyond that. Of a table with a watermark the rows above `after`, up to
    `up_to`, are read. `row` is what stands of the core table; of it nothing is to stay where
    `is_rebuild`.
    """

    mode: Literal["anew", "increment", "unchanged"]
    items: tuple[Item, ...] = ()
    read: tuple[str, ...] = ()
    is_all_files: bool = False
    copies: Mapping[str, int] = field(default_factory=dict)
    after: str | None = None
    up_to: str | None = None
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
    why = "asked for" if rebuild else _why_anew(state, source, found, loaded)
    if not rebuild and source.table.event_time is not None:
        _require_all_there(spark, source, found, loaded, is_anew=why is not None)
    row = state.newest(source_target(source).output)
    plan = _whole(source, found) if why else _what_is_new(source, found, loaded)
    return replace(plan, row=row, why=why or "", is_rebuild=rebuild)


def _why_anew(
    state: State, source: Source, found: Sequence[Item], loaded: Sequence[LoadedItem]
) -> str | None:
    """Tell why a source has to be loaded as a whole; None where it need not be."""
    for target in (source_target(source), rejected_target(source)):
        row = state.newest(target.output)
        if row is None:
            return "not loaded before"
        reason = state.why_not_whole(target.output) or why_made_otherwise(row, target)
        if reason:
            return reason
    if not loaded:
        return "not loaded before"
    return _why_rates_differ(state, source) or _why_content_differs(source, found, loaded)


def _why_rates_differ(state: State, source: Source) -> str | None:
    """Tell whether exchange rates changed for days that have lines; later days do no harm."""
    target = source_target(source)
    row = state.newest(target.output)
    newest = row.facts.get(NEWEST_LINE) if row else None
    if row is None or newest is None:
        return None
    day_after = date.fromisoformat(newest) + timedelta(days=1)
    for read in row.inputs:
        if state.can_see_change(state.changes_since(read.output, read.version), day_after):
            return f"{read.output} changed"
    return None


def _why_content_differs(
    source: Source, found: Sequence[Item], loaded: Sequence[LoadedItem]
) -> str | None:
    has_mark = source.section.watermark is not None
    if any(item.content is None for item in found) and not has_mark:
        return "nothing tells what of it is new"
    now = {comparable(item.item): item.content for item in found}
    before = {item.item: item.content for item in loaded}
    changed = [item for item, content in now.items() if before.get(item, content) != content]
    if changed and not has_mark:
        return f"{changed[0]} changed"
    if source.table.event_time is None and now != before:
        return "it changed"
    return None


def _require_all_there(
    spark: SparkSession,
    source: Source,
    found: Sequence[Item],
    loaded: Sequence[LoadedItem],
    *,
    is_anew: bool,
) -> None:
    """Refuse to go on where rows of what was loaded earlier would be lost or mixed up.

    What is loaded anew has to be there as a whole. Else files may be gone, in an archive, but not
    outside the paths: another path is most often another data set.
    """
    now = {comparable(item.item) for item in found} | {item.content for item in found}
    gone = sorted(item.item for item in loaded if not {item.item, item.content} & now)
    if not is_anew and source.is_files:
        gone = [item for item in gone if not is_below(spark, source.section, item)]
    if not gone:
        return
    named = gone[:5] + ([f"and {len(gone) - 5:,} more"] if len(gone) > 5 else [])
    problem = (
        "has to be loaded anew, but what was loaded earlier is there no more: put it back"
        if is_anew
        else "names other places than before: name the earlier ones as well"
    )
    start = f"sources.{source.name} {problem}, or start anew with ingest_sources --rebuild"
    raise DataError(listed(start, named))


def _whole(source: Source, found: Sequence[Item]) -> Plan:
    read, copies = _distinct(found)
    mark = found[0].content if source.section.watermark is not None and found else None
    is_all_files = source.is_files and len(read) == len(found)
    return Plan("anew", _noted(found), read, is_all_files, copies, up_to=mark)


def _noted(items: Sequence[Item]) -> tuple[Item, ...]:
    return tuple(replace(item, item=comparable(item.item)) for item in items)


def _distinct(items: Sequence[Item]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Give the files of different content, and how often each was given more than once."""
    by_content: dict[str | None, list[str]] = {}
    for item in items:
        by_content.setdefault(item.content, []).append(item.item)
    read = tuple(sorted(uris[0] for uris in by_content.values()))
    return read, {uris[0]: len(uris) - 1 for uris in by_content.values() if len(uris) > 1}


def _what_is_new(source: Source, found: Sequence[Item], loaded: Sequence[LoadedItem]) -> Plan:
    if source.section.watermark is not None:
        before, now = loaded[0].content, found[0].content
        if now is None or now == before:
            return Plan("unchanged")
        return Plan("increment", _noted(found), after=before, up_to=now)
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
