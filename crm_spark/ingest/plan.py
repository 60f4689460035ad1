"""What of a source is to be loaded: the ledger of what was, against what is there now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from crm_spark.config import fingerprint
from crm_spark.errors import DataError, listed
from crm_spark.ingest.mapping import lenient_analysis
from crm_spark.ingest.sources import (
    FILE_FORMATS,
    SourceSection,
    comparable,
    content_of,
    is_below,
    list_files,
    read_files,
    read_whole,
)
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Commit
from crm_spark.pipeline.lifecycle import Run
from crm_spark.runtime.progress import log
from crm_spark.tables.core import SOURCE_TABLES, rejected
from crm_spark.tables.ops import SOURCE_LEDGER

# Raise it with every change of ingest that can change a row: all sources are loaded anew then.
INGEST_VERSION = 2

# What the ledger calls the rows that replay_rejected took back.
REPLAY = "replay of rejected rows"

# Files that cannot be read, with the reason.
BrokenFiles = dict[str, str]


@dataclass(frozen=True)
class Item:
    """A file, a table or a query, and what tells its content from another."""

    item: str
    content: str | None
    n_bytes: int | None = None
    modified_at: int | None = None


@dataclass(frozen=True)
class Plan:
    """What to load of a source: all of it, what is new, or nothing.

    `items` go into the ledger; `read` are the files to read, each content once; `copies` say how
    often a content was given beyond that. `unfinished` are the runs that were cut off.
    """

    mode: Literal["rebuild", "append", "unchanged"]
    items: tuple[Item, ...]
    read: tuple[str, ...] = ()
    copies: Mapping[str, int] = field(default_factory=dict)
    after: str | None = None
    up_to: str | None = None
    unfinished: tuple[str, ...] = ()
    why: str = ""


def plan_source(job: Run, name: str, source: SourceSection, *, rebuild: bool) -> Plan:
    """Compare a source with its ledger. Raises DataError where rows loaded earlier would be lost.

    A table that is not bitemporal is loaded anew with every change.
    """
    table = SOURCE_TABLES[name]
    noted = ledger_rows(job, name)
    unfinished, is_torn = unfinished_runs(job, name, table, noted)
    ledger = [row for row in noted if row["item"] != REPLAY]
    found = _look(job, source, ledger)
    why = _why_anew(job, table, source, ledger, found, is_torn=is_torn, rebuild=rebuild)
    if why is None and table.event_time is None and (_is_new(found, ledger) or unfinished):
        why = "it changed"
    if not rebuild:
        _require_all_there(job, name, source, ledger, found, is_anew=why is not None)
    if why is not None:
        return replace(_all_of(job, source, found), why=why)
    plan = _what_is_new(job, source, ledger, found)
    if plan.mode == "unchanged" and unfinished:
        plan = replace(plan, mode="append", why="a run was cut off")
    return replace(plan, unfinished=unfinished)


def ledger_rows(job: Run, name: str) -> list[Row]:
    """Give what the ledger holds of a source: a row a file."""
    if not job.lake.exists(SOURCE_LEDGER):
        return []
    return job.lake.read(SOURCE_LEDGER).where(F.col("source") == name).collect()


def write_ledger(
    job: Run, name: str, source: SourceSection, plan: Plan, items: Sequence[Item], schema: str
) -> None:
    """Note what was loaded. It is the commit of the load: rows of a run not noted do not count."""
    mapped = mapping_fingerprint(job, source)
    rows = [
        (
            name,
            held.item,
            held.content,
            held.n_bytes,
            held.modified_at,
            mapped,
            schema,
            job.summary.run_id,
        )
        for held in items
    ]
    frame = job.spark.createDataFrame(rows, SOURCE_LEDGER.schema)
    if plan.mode == "rebuild":
        written = job.lake.replace(SOURCE_LEDGER, frame, f"source = '{name}'")
    elif plan.up_to is not None:
        where = f"source = '{name}' AND item = {_literal(source.description)}"
        written = job.lake.replace(SOURCE_LEDGER, frame, where)
    else:
        written = job.lake.append(SOURCE_LEDGER, frame)
    job.note(SOURCE_LEDGER, written)


def read_planned(job: Run, source: SourceSection, plan: Plan, broken: BrokenFiles) -> DataFrame:
    """Give the source's rows that the plan says, without the files that cannot be read."""
    time_zone = source.time_zone or job.config.time_zone
    if source.format in FILE_FORMATS:
        left = readable_files(source, plan.read, broken)
        return read_files(job.spark, source, left, time_zone=time_zone)
    df = read_whole(job.spark, source)
    if source.watermark is None or plan.up_to is None:
        return df
    with lenient_analysis(job.spark, time_zone):
        mark = F.expr(source.watermark)
        kind = df.select(mark.alias("mark")).schema["mark"].dataType
        is_due = mark <= F.lit(plan.up_to).cast(kind)
        if plan.after is None:
            return df.where(is_due | mark.isNull())
        return df.where(is_due & (mark > F.lit(plan.after).cast(kind)))


def readable_files(source: SourceSection, uris: Iterable[str], broken: BrokenFiles) -> list[str]:
    """Leave out the files that cannot be read. Raises DataError where none is left."""
    left = [uri for uri in uris if not is_broken(uri, broken)]
    if not left:
        told = "; ".join(f"{file} cannot be read: {why}" for file, why in broken.items())
        raise DataError(f"source {source.description}: {told or 'it holds no file'}")
    return left


def is_broken(uri: str, broken: BrokenFiles) -> bool:
    """Whether a file is among those that cannot be read."""
    return comparable(uri) in {comparable(file) for file in broken}


def mapping_fingerprint(job: Run, source: SourceSection) -> str:
    """Hash how the rows of a source become ours: all but where they are."""
    held = source.model_dump(mode="json", exclude={"path", "table", "jdbc"})
    place = source.table or (source.jdbc or {}).get("dbtable") or (source.jdbc or {}).get("query")
    zone = source.time_zone or job.config.time_zone
    return fingerprint([INGEST_VERSION, held, place, zone])


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _look(job: Run, source: SourceSection, ledger: Sequence[Row]) -> list[Item]:
    """Give what is there now. A file that has not changed since it was loaded is not opened."""
    if source.format in FILE_FORMATS:
        known = {row["item"]: row for row in ledger}
        items = []
        for file in list_files(job.spark, source):
            held = known.get(comparable(file.uri))
            is_same = held and (held["n_bytes"], held["modified_at"]) == (
                file.n_bytes,
                file.modified_at,
            )
            content = held["content"] if held and is_same else content_of(job.spark, file.uri)
            items.append(Item(file.uri, content, file.n_bytes, file.modified_at))
        return items
    if source.watermark is not None:
        return [Item(source.description, _highest_watermark(job, source))]
    if source.format == "delta":
        delta = [DeltaTable.forPath(job.spark, path) for path in source.paths]
        versions = [held.history(1).collect()[0]["version"] for held in delta]
        return [Item(source.description, ",".join(map(str, versions)))]
    return [Item(source.description, None)]


def _highest_watermark(job: Run, source: SourceSection) -> str | None:
    assert source.watermark is not None
    df = read_whole(job.spark, source)
    with lenient_analysis(job.spark, source.time_zone or job.config.time_zone):
        found = df.agg(F.max(F.expr(source.watermark)).cast("string")).collect()[0][0]
    return None if found is None else str(found)


def unfinished_runs(
    job: Run, name: str, table: Table, ledger: Sequence[Row]
) -> tuple[tuple[str, ...], bool]:
    """Give the runs whose load of a source was cut off, and whether the table has to be made anew.

    That is so where one of them replaced it, and where the log does not tell.
    """
    if not job.lake.exists(table):
        return (), True
    finished = {row["run_id"] for row in ledger}
    commits = _commits_since_left(job, table, finished)
    of_rejected = _commits_since_left(job, rejected(table), finished)
    if commits is None or of_rejected is None:
        return (), True
    for held in commits:
        if held.run_id is None and held.version > 0:
            raise DataError(
                f"{table.name} in {job.lake.root} was changed by another program at version "
                f"{held.version}: restore version {job.version_left(table)}, or run ingest_sources "
                "--rebuild"
            )
    is_torn = any(held.replaces_all for held in commits)
    runs = tuple(sorted({held.run_id for held in (*commits, *of_rejected) if held.run_id}))
    if runs:
        log.warning("%s: a run was cut off while loading it; what it left is put right", name)
    return runs, is_torn


def _commits_since_left(job: Run, table: Table, finished: set[str]) -> list[Commit] | None:
    """Give the commits that no finished run stands for, since the last succeeded run."""
    if not job.lake.exists(table):
        return []
    left = job.version_left(table)
    since = job.lake.commits_since(table, -1 if left is None else left)
    return since and [held for held in since if held.run_id not in finished]


def _why_anew(
    job: Run,
    table: Table,
    source: SourceSection,
    ledger: Sequence[Row],
    found: Sequence[Item],
    *,
    is_torn: bool,
    rebuild: bool,
) -> str | None:
    """Tell why a source has to be loaded as a whole; None where it need not be."""
    if rebuild:
        return "asked for"
    if not ledger or not job.lake.exists(table):
        return "not loaded before"
    if is_torn:
        return "a run that loaded it as a whole was cut off"
    if any(row["mapping_fingerprint"] != mapping_fingerprint(job, source) for row in ledger):
        return "its mapping changed"
    held = {row["item"]: row["content"] for row in ledger}
    if any(item.content is None and source.watermark is None for item in found):
        return "nothing tells what of it is new"
    now = {comparable(item.item): item.content for item in found}
    changed = [item for item, content in now.items() if held.get(item, content) != content]
    if changed and source.watermark is None:
        return f"{changed[0]} changed"
    return None


def _is_new(found: Sequence[Item], ledger: Sequence[Row]) -> bool:
    """Whether a source is not exactly what was loaded."""
    now = {(comparable(item.item), item.content) for item in found}
    return now != {(row["item"], row["content"]) for row in ledger}


def _require_all_there(
    job: Run,
    name: str,
    source: SourceSection,
    ledger: Sequence[Row],
    found: Sequence[Item],
    *,
    is_anew: bool,
) -> None:
    """Refuse to go on where rows of what was loaded earlier would be lost or mixed up.

    What is loaded anew has to be there as a whole. Else files may be gone, in an archive, but not
    outside the paths: another path is most often another data set.
    """
    if SOURCE_TABLES[name].event_time is None:
        return
    now = {comparable(item.item) for item in found} | {item.content for item in found}
    gone = sorted(row["item"] for row in ledger if not {row["item"], row["content"]} & now)
    if not is_anew and source.format in FILE_FORMATS:
        gone = [item for item in gone if not is_below(job.spark, source, item)]
    if not gone:
        return
    told = gone[:5] + ([f"and {len(gone) - 5:,} more"] if len(gone) > 5 else [])
    problem = (
        "has to be loaded anew, but what was loaded earlier is there no more: put it back"
        if is_anew
        else "names other places than before: name the earlier ones as well"
    )
    raise DataError(
        listed(f"sources.{name} {problem}, or start anew with ingest_sources --rebuild", told)
    )


def _all_of(job: Run, source: SourceSection, found: Sequence[Item]) -> Plan:
    read, copies = _distinct(found)
    mark = found[0].content if source.watermark is not None and found else None
    return Plan("rebuild", _noted(found), read, copies, up_to=mark)


def _noted(items: Sequence[Item]) -> tuple[Item, ...]:
    return tuple(replace(item, item=comparable(item.item)) for item in items)


def _distinct(items: Sequence[Item]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Give the files of different content, and how often each was given more than once."""
    by_content: dict[str | None, list[str]] = {}
    for item in items:
        by_content.setdefault(item.content, []).append(item.item)
    read = tuple(sorted(uris[0] for uris in by_content.values()))
    return read, {uris[0]: len(uris) - 1 for uris in by_content.values() if len(uris) > 1}


def _what_is_new(
    job: Run, source: SourceSection, ledger: Sequence[Row], found: Sequence[Item]
) -> Plan:
    if source.watermark is not None:
        before, now = ledger[0]["content"], found[0].content
        if now is None or now == before:
            return Plan("unchanged", ())
        return Plan("append", _noted(found), after=before, up_to=now)
    noted = {row["item"] for row in ledger}
    contents = {row["content"] for row in ledger}
    new = [item for item in found if comparable(item.item) not in noted]
    if not new:
        return Plan("unchanged", ())
    read, copies = _distinct([item for item in new if item.content not in contents])
    for item in new:
        if item.content in contents:
            copies[item.item] = 1
    return Plan("append", _noted(new), read, copies)
