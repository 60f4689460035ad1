"""Why a source has to be loaded as a whole, and whether all of it is still there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import SparkSession

from crm_spark.errors import DataError, listed
from crm_spark.ingest.planning.source_files import Item, LoadedItem
from crm_spark.ingest.reading.broken import comparable
from crm_spark.ingest.reading.delta_source import appended_files
from crm_spark.ingest.reading.files import is_below
from crm_spark.ingest.settings import Source
from crm_spark.ingest.targets import rejected_target, source_target
from crm_spark.ingest.versions.facts import NEWEST_LINE
from crm_spark.lake.state import State, why_made_otherwise


def why_anew(
    spark: SparkSession,
    state: State,
    source: Source,
    found: Sequence[Item],
    loaded: Sequence[LoadedItem],
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
    return _why_rates_differ(state, source) or _why_content_differs(spark, source, found, loaded)


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
    spark: SparkSession, source: Source, found: Sequence[Item], loaded: Sequence[LoadedItem]
) -> str | None:
    has_mark = source.section.watermark is not None
    if any(item.content is None for item in found) and not has_mark:
        return "nothing tells what of it is new"
    now = {comparable(item.item): item.content for item in found}
    before = {item.item: item.content for item in loaded}
    changed = [item for item, content in now.items() if before.get(item, content) != content]
    if changed and not has_mark and appended(spark, source, found, loaded) is None:
        return f"{changed[0]} changed"
    if (source.table.event_time is None or source.inputs) and now != before:
        return "it changed"
    return None


def require_all_there(
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


def appended(
    spark: SparkSession, source: Source, found: Sequence[Item], loaded: Sequence[LoadedItem]
) -> list[str] | None:
    """Give the files that were appended to a Delta table; None where it is no such source."""
    if source.section.format != "delta" or len(source.section.paths) != 1:
        return None
    before, now = loaded[0].content, found[0].content
    if before is None or now is None:
        return None
    return appended_files(spark, source.section.paths[0], before, now)
