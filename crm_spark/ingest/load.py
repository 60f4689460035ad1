"""Loading one source into core: all of it or what is new, every row accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, reduce

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import DataError, listed
from crm_spark.ingest.cleaning import cleaning_effects, cleaning_reasons
from crm_spark.ingest.currency import RATE, CurrenciesSection, convert
from crm_spark.ingest.mapping import (
    CUT_DECIMALS,
    REASONS,
    SOURCE_ROW,
    complete_versions,
    keep_where,
    map_source,
    refuse_cut_decimals,
)
from crm_spark.ingest.plan import (
    BrokenFiles,
    Plan,
    is_broken,
    read_planned,
    write_ledger,
)
from crm_spark.ingest.sources import (
    FILE_FORMATS,
    SourceSection,
    broken_file,
    read_files,
    read_whole_source,
)
from crm_spark.ingest.versions import (
    CONFLICT,
    DUPLICATE,
    IS_HELD,
    KEPT,
    STATUS,
    Changes,
    Identity,
    add_content_hashes,
    changes,
    close_versions,
    conflicting,
    resolve,
)
from crm_spark.lake.contract import Table, added_checksums, content_checksum
from crm_spark.lake.delta import Written
from crm_spark.pipeline.lifecycle import Run
from crm_spark.runtime.observed import ObservedCounts
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.core import (
    EXCHANGE_RATES,
    SOURCE_FILE,
    SOURCE_TABLES,
    TRANSACTIONS,
    rejected,
)

_WRITTEN_AT = "_file_written_at"
_CUT_DECIMALS_TOLD = re.compile(re.escape(CUT_DECIMALS) + r" (.+?)(?: SQLSTATE.*)?$", re.MULTILINE)


def without_broken_files(broken: BrokenFiles, action: Callable[[], None]) -> None:
    """Do `action`, leaving out whole, and naming, each file that turns out to be unreadable."""
    while True:
        try:
            action()
            return
        except Exception as error:
            if told := _CUT_DECIMALS_TOLD.search(str(error)):
                raise DataError(f"the mapping does not fit the data: {told[1]}") from error
            found = broken_file(error)
            if found is None or found[0] in broken:
                raise
            broken[found[0]] = found[1]
            log.warning("%s cannot be read and is rejected whole: %s", *found)


def identity_of(source: SourceSection, table: Table) -> Identity:
    """Tell how the rows of a source are told apart, from what its mapping gives."""
    has_id = table.event_time is None or table.key[0] in source.columns
    closing = {"is_deleted", "replaces_order"} & set(source.columns)
    can_close = table.event_time is not None and (has_id or bool(closing))
    keeps_identical = source.cleaning.duplicates == "keep"
    return Identity(table, has_id=has_id, can_close=can_close, keeps_identical=keeps_identical)


def map_rows(
    job: Run,
    name: str,
    source: SourceSection,
    df: DataFrame,
    source_file: Column,
    *,
    written_at: Column,
    keep_row: bool,
    keep: Mapping[str, Column] | None = None,
) -> DataFrame:
    """Give the rows that `where` keeps, mapped, cleaned, filled in and hashed, with their reasons.

    `written_at` is when the row's file was written, null where there is none; the columns in `keep`
    are carried along.
    """
    table, rules = SOURCE_TABLES[name], source.cleaning
    time_zone = source.time_zone or job.config.time_zone
    expressions = [*source.columns.values(), *([source.where] if source.where else [])]
    df = refuse_cut_decimals(df, expressions, time_zone=time_zone)
    if source.where:
        df = keep_where(df, source.where, time_zone=time_zone)
    mapped = map_source(
        df,
        table,
        source.columns,
        time_zone=time_zone,
        source_file=source_file,
        keep_row=keep_row,
        keep={**(keep or {}), _WRITTEN_AT: written_at.cast("timestamp")},
        missing=rules.missing,
    )
    known_by = F.coalesce("arrived_at", _WRITTEN_AT) if table.event_time else F.col(_WRITTEN_AT)
    reasons = cleaning_reasons(table, rules, known_by=known_by)
    if job.config.currencies is not None and table is TRANSACTIONS:
        mapped = _converted(job, mapped, job.config.currencies)
        reasons.append(_no_rate(job.config.currencies))
    if reasons:
        found = F.array_compact(F.array(*reasons))
        mapped = mapped.withColumn(REASONS, F.concat(REASONS, found))
    if table.event_time:
        mapped = complete_versions(
            mapped, table, negative_is_return=rules.negative_amounts == "return"
        )
    return add_content_hashes(mapped.drop(_WRITTEN_AT, RATE), table)


def _converted(job: Run, mapped: DataFrame, currencies: CurrenciesSection) -> DataFrame:
    """Give the lines in the reporting currency; the rates are those of the source as it is now."""
    source = job.config.sources.exchange_rates
    assert source is not None
    time_zone = source.time_zone or job.config.time_zone
    rates = map_source(
        read_whole_source(job.spark, source, time_zone=time_zone),
        EXCHANGE_RATES,
        source.columns,
        time_zone=time_zone,
        source_file=F.lit(None),
        keep_row=False,
    )
    usable = (
        rates.where(F.size(REASONS) == 0)
        .groupBy("currency", "rate_date")
        .agg(F.min("rate").alias("rate"))
    )
    return convert(mapped, usable, currencies)


def _no_rate(currencies: CurrenciesSection) -> Column:
    """Give the reason of a line whose currency is missing or has no rate on its day."""
    told = F.concat(
        F.lit("no exchange rate of "),
        F.col("currency"),
        F.lit(" for "),
        F.to_date("ordered_at").cast("string"),
    )
    is_kept = ~F.coalesce("is_deleted", F.lit(False))
    return F.when(is_kept & F.col("currency").isNull(), F.lit("currency is missing")).when(
        is_kept & F.col(RATE).isNull() & F.col("ordered_at").isNotNull(), told
    )


@dataclass(frozen=True)
class Came:
    """How many rows a source gave, how many of them `where` kept, and how many were rejected.

    `gave_way` are the rows held before that a contradicting new row has taken the place of;
    `cleaned` are the rows that could be used after a cleaning rule had changed or marked them.
    """

    seen: int
    mapped: int
    rejected: int
    gave_way: int = 0
    cleaned: Mapping[str, int] = field(default_factory=dict)


_STATUSES = (KEPT, DUPLICATE, CONFLICT)


def _as_rejected(rows: DataFrame) -> DataFrame:
    """Give the rows that have reasons as they are kept in a table of rejected rows."""
    return rows.where(F.size(REASONS) > 0).select(
        F.col(SOURCE_ROW).alias("row"),
        F.col(REASONS).alias("reasons"),
        SOURCE_FILE,
        F.lit(None).cast("string").alias("replay_run_id"),
    )


@dataclass
class Load:
    """One source on its way into core, as its plan says."""

    job: Run
    name: str
    source: SourceSection
    plan: Plan
    broken: BrokenFiles
    changed_rejected: bool = False

    @cached_property
    def table(self) -> Table:
        """The core table that the source fills."""
        return SOURCE_TABLES[self.name]

    @cached_property
    def identity(self) -> Identity:
        """How its rows are told apart."""
        return identity_of(self.source, self.table)

    def read(self) -> DataFrame:
        """Give the source's own rows that are to be loaded."""
        return read_planned(self.job, self.source, self.plan, self.broken)

    def mapped(self, df: DataFrame | None = None, *, keep_row: bool = False) -> DataFrame:
        """Give them in our columns, with their reasons."""
        is_files = self.source.format in FILE_FORMATS
        source_file = F.input_file_name() if is_files else F.lit(self.source.description)
        written_at = F.col("_metadata.file_modification_time") if is_files else F.lit(None)
        rows = self.read() if df is None else df
        return map_rows(
            self.job,
            self.name,
            self.source,
            rows,
            source_file,
            written_at=written_at,
            keep_row=keep_row,
        )

    def require_usable(self) -> None:
        """Refuse a source without one usable row, before anything is written."""
        mapped = self.mapped()
        if not mapped.where(F.size(REASONS) == 0).isEmpty():
            return
        reasons = (
            mapped.select(F.explode(REASONS).alias("reason"))
            .groupBy("reason")
            .count()
            .orderBy(F.desc("count"), "reason")
            .limit(10)
            .collect()
        )
        told = [f"{row['count']:,} rows: {row['reason']}" for row in reasons]
        told += [f"{file}: {why}" for file, why in self.broken.items()]
        if not told:
            told = ["where leaves out every row" if self.source.where else "it is empty"]
        found = f"sources.{self.name}: {self.source.description} holds no row that can be used"
        raise DataError(listed(found, told))

    def run(self) -> None:
        """Write the accepted rows, then the rejected ones, then the ledger."""
        if self.plan.mode == "unchanged":
            self._note_unchanged()
            log.info("%s: nothing new", self.name)
            return
        log.info("%s: %s", self.name, self._intent())
        schema = ""
        if self.plan.mode == "rebuild" and self.broken:
            self.require_usable()  # what is left may be nothing
        if self._has_rows:
            rows = self.read()
            schema = ", ".join(f"`{f.name}` {f.dataType.simpleString()}" for f in rows.schema)
            write = self._write_all if self.plan.mode == "rebuild" else self._write_new
            with stage(self.job.spark, f"read {self.name}"):
                came, status = write(rows)
        else:
            self._take_out_leftovers()
            came, status = Came(0, 0, 0), dict.fromkeys(_STATUSES, 0)
        self._count(came, status)
        self._write_rejected(came, status[CONFLICT])
        items = [held for held in self.plan.items if not is_broken(held.item, self.broken)]
        write_ledger(self.job, self.name, self.source, self.plan, items, schema)
        self._tell()

    @property
    def _has_rows(self) -> bool:
        if self.source.format not in FILE_FORMATS:
            return self.plan.mode == "rebuild" or self.plan.up_to is not None
        return any(not is_broken(uri, self.broken) for uri in self.plan.read)

    def _intent(self) -> str:
        if self.plan.mode == "rebuild":
            return f"loading all of it: {self.plan.why}"
        if self.source.format not in FILE_FORMATS:
            return f"loading what is above {self.plan.after}"
        return f"loading {len(self.plan.read):,} new files"

    def _note_unchanged(self) -> None:
        """The tables stay as the last run left them, and the summary says as what."""
        for table in (self.table, rejected(self.table)):
            if self.job.lake.exists(table):
                self._note_as_it_is(table)

    def _note_as_it_is(self, table: Table) -> None:
        lake = self.job.lake
        counts, left = self.job.summary.table(table.name), self.job.left_by(table)
        counts.version = lake.version(table)
        if left is not None and left.version == counts.version:
            counts.content_checksum = left.content_checksum
            return
        # A run was cut off after it wrote the table.
        counts.content_checksum = content_checksum(lake.read(table), table)
        if table == rejected(self.table):
            self.changed_rejected = True

    def _count(self, came: Came, status: Mapping[str, int]) -> None:
        """Put into the summary what became of each row, and of each file that is not read."""
        of_copies = self._rows_of_copies()
        counts = self.job.summary.table(self.table.name)
        counts.rows_rejected = came.rejected + status[CONFLICT] + len(self.broken)
        counts.rows_duplicate = status[DUPLICATE] + of_copies
        counts.rows_filtered = came.seen - came.mapped
        counts.rows_read = came.seen + of_copies + len(self.broken)
        counts.cleaned = {effect: n for effect, n in came.cleaned.items() if n}

    def _write_all(self, rows: DataFrame) -> tuple[Came, dict[str, int]]:
        """Replace the whole table. Counts are taken in passing: a whole source is read once."""
        seen = ObservedCounts(rows, F.count(F.lit(1)).alias("n"))
        mapped = ObservedCounts(self.mapped(seen.rows), *self._counts())
        resolved = ObservedCounts(
            resolve(self._accepted(mapped.rows), None, self.identity),
            *[F.count_if(F.col(STATUS) == status).alias(status) for status in _STATUSES],
        )
        kept = resolved.rows.where(F.col(STATUS) == KEPT)
        if self.table.event_time:
            kept = close_versions(kept, self.identity).withColumn(
                "closing_run_id",
                F.when(F.col("superseded_at").isNotNull(), F.lit(self.job.summary.run_id)),
            )
        self.job.note(self.table, self.job.lake.overwrite(self.table, kept))
        return self._came(seen.exact()["n"], mapped.exact()), resolved.exact()

    def _write_new(self, rows: DataFrame) -> tuple[Came, dict[str, int]]:
        """Add the new rows, and close those held that they correct or delete.

        New rows are few, and may be none: they are kept and counted, not observed in passing.
        """
        mapped = self.mapped(rows).persist(StorageLevel.DISK_ONLY)
        try:
            counted = mapped.agg(*self._counts()).collect()[0].asDict()
            n_seen = rows.count() if self.source.where else counted["n"]
            with self._kept_changes(self._accepted(mapped)) as made:
                told = made.resolved.groupBy(STATUS, IS_HELD).count().collect()  # a few rows
                n = {(row[STATUS], row[IS_HELD]): row["count"] for row in told}
                touched = made.written.where(IS_HELD)
                is_addition = touched.isEmpty() and made.removed.isEmpty()
                n_new = n.get((KEPT, False), 0)
                if is_addition and n_new == 0:
                    self._note_unchanged()
                else:
                    self._write_changes(made, n_new, is_addition=is_addition)
        finally:
            mapped.unpersist()
        came = self._came(n_seen, counted, gave_way=n.get((CONFLICT, True), 0))
        return came, {held: n.get((held, False), 0) for held in _STATUSES}

    def _take_out_leftovers(self) -> None:
        """Put right what a run left that was cut off, where nothing new has come since."""
        if not self.plan.unfinished:
            self._note_unchanged()
            return
        nothing = add_content_hashes(self.job.lake.read(self.table).limit(0), self.table)
        with self._kept_changes(nothing) as made:
            self._write_changes(made, 0, is_addition=False)

    @cached_property
    def _effects(self) -> dict[str, Column]:
        return cleaning_effects(self.table, self.source.cleaning, self.source.columns)

    def _counts(self) -> list[Column]:
        is_usable = F.size(REASONS) == 0
        effects = enumerate(self._effects.values())
        return [
            F.count(F.lit(1)).alias("n"),
            F.count_if(~is_usable).alias("rejected"),
            *[F.count_if(is_usable & effect).alias(f"cleaned_{i}") for i, effect in effects],
        ]

    def _came(self, n_seen: int, counted: Mapping[str, int], *, gave_way: int = 0) -> Came:
        cleaned = {effect: counted[f"cleaned_{i}"] for i, effect in enumerate(self._effects)}
        return Came(n_seen, counted["n"], counted["rejected"], gave_way, cleaned)

    def _accepted(self, mapped: DataFrame) -> DataFrame:
        return self.job.stamp(mapped.where(F.size(REASONS) == 0))

    def _write_changes(self, made: Changes, n_new: int, *, is_addition: bool) -> None:
        """Append what only adds rows, whose checksum can be added, too; else merge."""
        lake, before = self.job.lake, self.job.left_by(self.table)
        if is_addition and before and before.content_checksum and not self.plan.unfinished:
            written = lake.append(self.table, made.written)
            checksum = added_checksums(before.content_checksum, written.content_checksum)
        else:
            written = lake.merge(self.table, made.written, made.removed)
            checksum = content_checksum(lake.read(self.table), self.table)
        self.job.note(self.table, Written(n_new, written.version, checksum))

    @contextmanager
    def _kept_changes(self, new: DataFrame) -> Iterator[Changes]:
        """Give what new rows change, computed once: scans of the whole table stand behind it."""
        made = self._changes(new)
        frames = (made.resolved, made.written)
        for frame in frames:
            frame.persist(StorageLevel.DISK_ONLY)
        try:
            yield made
        finally:
            for frame in frames:
                frame.unpersist()

    def _changes(self, new: DataFrame) -> Changes:
        held = self.job.lake.read(self.table)
        leftover = None
        touched = new.select(*self.identity.neighbours)
        if self.plan.unfinished:
            is_left = F.col("run_id").isin(*self.plan.unfinished)
            was_closed = F.col("closing_run_id").isin(*self.plan.unfinished)
            leftover = held.where(is_left)
            torn = held.where(is_left | was_closed)
            touched = touched.unionByName(torn.select(*self.identity.neighbours))
            held = held.where(~is_left)
        near = held.join(touched.distinct(), list(self.identity.neighbours), "left_semi")
        return changes(new, near, leftover, self.identity, run_id=self.job.summary.run_id)

    def _rows_of_copies(self) -> int:
        """Count the rows of files whose content had been given before."""
        time_zone = self.source.time_zone or self.job.config.time_zone
        return sum(
            times * read_files(self.job.spark, self.source, [uri], time_zone=time_zone).count()
            for uri, times in self.plan.copies.items()
        )

    def _write_rejected(self, came: Came, n_conflicts: int) -> None:
        """Keep the rejected rows as they came, with all reasons; none is written twice or lost."""
        kept, lake = rejected(self.table), self.job.lake
        wanted = came.rejected + n_conflicts + came.gave_way + len(self.broken)
        runs = ", ".join(f"'{run}'" for run in (self.job.summary.run_id, *self.plan.unfinished))
        # Files that could not be read are tried again each time.
        outdated = f"row IS NULL OR run_id IN ({runs})"
        is_anew = self.plan.mode == "rebuild" or not lake.exists(kept)
        if not is_anew and not wanted and lake.read(kept).where(outdated).isEmpty():
            self._note_as_it_is(kept)
            return
        self.changed_rejected = True
        files = self.job.spark.createDataFrame(
            [
                (None, [f"the file cannot be read: {why}"], file, None)
                for file, why in self.broken.items()
            ],
            "row string, reasons array<string>, source_file string, replay_run_id string",
        )
        parts = [files]
        if came.rejected or n_conflicts:
            parts.append(self._rejected_rows(with_conflicts=n_conflicts > 0))
        if came.gave_way:
            parts.append(self._held_rows_in_conflict())
        rows = self.job.stamp(reduce(DataFrame.unionByName, parts))
        with stage(self.job.spark, f"keep rejected {self.name}"):
            written = lake.overwrite(kept, rows) if is_anew else lake.replace(kept, rows, outdated)
        self.job.note(kept, written)
        if written.rows != wanted:
            raise DataError(
                f"source {self.source.description} changed while it was read: {wanted} rows were "
                f"rejected at first, {written.rows} at the second reading; run again"
            )

    def _rejected_rows(self, *, with_conflicts: bool) -> DataFrame:
        mapped = self.mapped(keep_row=True)
        if with_conflicts:
            now = add_content_hashes(self.job.lake.read(self.table), self.table)
            mapped = conflicting(mapped, now, self.identity)
        return _as_rejected(mapped)

    def _held_rows_in_conflict(self) -> DataFrame:
        """Give the rows held that gave way to a new row, as we knew them."""
        left = self.job.left_by(self.table)
        assert left is not None
        now = self.job.lake.read(self.table)
        before = self.job.lake.read(self.table, version=left.version)
        mappable = [column.name for column in self.table.columns if column.mapping]
        as_row = before.withColumn(SOURCE_ROW, F.to_json(F.struct(*mappable))).withColumn(
            REASONS, F.array().cast("array<string>")
        )
        hashed = add_content_hashes(as_row, self.table)
        told = conflicting(hashed, add_content_hashes(now, self.table), self.identity)
        return _as_rejected(told)

    def _tell(self) -> None:
        counts = self.job.summary.table(self.table.name)
        log.info(
            "%s: %s read = %s accepted + %s rejected + %s filtered + %s duplicate",
            self.table.name,
            *(
                f"{n:,}"
                for n in (
                    counts.rows_read,
                    counts.rows_written,
                    counts.rows_rejected,
                    counts.rows_filtered,
                    counts.rows_duplicate,
                )
            ),
        )
        if counts.cleaned:
            told = ", ".join(f"{n:,} {effect}" for effect, n in counts.cleaned.items())
            log.info("%s: cleaned: %s", self.table.name, told)
