"""A delivery: a source with what is to be loaded of it, and its rows as they are read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import reduce

from pyspark.sql import DataFrame

from crm_spark.errors import DataError, listed
from crm_spark.ingest.loading.commonest import explained_rows
from crm_spark.ingest.loading.rejected import rejected_rows
from crm_spark.ingest.mapping.columns import is_usable
from crm_spark.ingest.mapping.where import IS_WANTED
from crm_spark.ingest.planning.found import Found, Part
from crm_spark.ingest.planning.plan import Plan
from crm_spark.ingest.reading.broken import (
    BrokenFiles,
    is_broken,
    readable,
)
from crm_spark.ingest.reading.delta_source import read_appended
from crm_spark.ingest.reading.rows import read_above, read_whole
from crm_spark.ingest.reading.schema import SourceSchema
from crm_spark.ingest.settings import Source
from crm_spark.lake.run import LakeRun
from crm_spark.runtime.progress import log
from crm_spark.tables.core import EXCHANGE_RATES
from crm_spark.words import counted

# Parquet takes so little for an order line.
BYTES_OF_SMALL_ROW = 15


@dataclass(frozen=True)
class Delivery:
    """A source with what is to be loaded of it; `broken` files are left out and named.

    `frames_made` are the mapped rows of the files that were usable when they were asked for: Spark
    takes a while to plan them.
    """

    run: LakeRun
    found: Found
    plan: Plan
    frames_made: dict[Hashable, DataFrame] = field(default_factory=dict, compare=False)

    @property
    def source(self) -> Source:
        """The source."""
        return self.found.source

    @property
    def broken(self) -> BrokenFiles:
        """Its files that cannot be read; they may become more while it is loaded."""
        return self.found.broken

    @property
    def has_rows(self) -> bool:
        """Whether anything is to be read."""
        plan, section = self.plan, self.source.section
        if not self.source.is_files:
            has_new = bool(plan.appended) if section.format == "delta" else plan.up_to is not None
            return plan.is_anew or has_new
        layouts = self.found.layouts
        return any(not is_broken(uri, self.broken) and layouts[uri].ddl for uri in plan.read)

    @property
    def is_written(self) -> bool:
        """Whether this run has written anything of the source's table."""
        counts = self.run.summary.tables.get(self.source.table.name)
        return counts is not None and counts.version is not None

    @property
    def n_rows_roughly(self) -> int | None:
        """How many rows it may touch, by the size of its files; None where none says it.

        An increment may touch those of the table, too.
        """
        sizes = [item.n_bytes for item in self.plan.items]
        if not self.source.is_files or not sizes or None in sizes:
            return None
        row = None if self.plan.is_anew else self.plan.row
        return (row.n_rows if row else 0) + sum(size or 0 for size in sizes) // BYTES_OF_SMALL_ROW

    def frames(self) -> list[DataFrame]:
        """Give the rows of each part as the source has them; none where nothing is to be read."""
        return [part.rows for part in self.parts()] if self.has_rows else []

    @property
    def intent(self) -> str:
        """What is to be loaded, in words."""
        if self.plan.is_anew:
            return f"loading all of it: {self.plan.why}"
        if self.source.section.format == "delta":
            return f"loading {counted(len(self.plan.appended), 'appended file')}"
        if not self.source.is_files:
            return f"loading what is above {self.plan.after}"
        return f"loading {counted(len(self.plan.read), 'new file')}"

    def parts(self) -> list[Part]:
        """Give the source's own rows that are to be loaded, those of the same columns together."""
        if self.source.is_files:
            uris = readable(self.source.description, self.plan.read, self.broken)
            return self.found.parts(self.run.spark, uris)
        if self.source.inputs:
            return self.found.whole(self.run.spark)
        rows = self._rows_of_table()
        return [Part(rows, SourceSchema.of(rows))]

    def _rows_of_table(self) -> DataFrame:
        spark, source, plan = self.run.spark, self.source, self.plan
        if plan.appended and plan.up_to:
            path, options = source.section.paths[0], source.section.options
            given = {key: str(value) for key, value in options.items()}
            return read_appended(spark, path, plan.up_to, plan.appended, **given)
        df = read_whole(spark, source.section)
        if source.section.watermark is None or plan.up_to is None:
            return df
        return read_above(source, df, after=plan.after, up_to=plan.up_to)

    def mapped(self, *, keep_row: bool = False) -> DataFrame:
        """Give the source's rows in our columns, those that `where` leaves out, too."""
        key = (keep_row, frozenset(self.broken))
        if key not in self.frames_made:
            self.frames_made[key] = self._mapped(keep_row=keep_row)
        return self.frames_made[key]

    def _mapped(self, *, keep_row: bool) -> DataFrame:
        rates = exchange_rates(self.run, self.source)
        mapped = [part.mapped(self.source, rates=rates, keep_row=keep_row) for part in self.parts()]
        if not mapped:
            raise DataError(f"source {self.source.description} is empty: it has no column")
        return reduce(DataFrame.unionByName, mapped)

    def name_broken_copies(self) -> None:
        """Name the copies of files that cannot be read: of each content one file alone is read."""
        why_of_content = {
            item.content: self.broken[item.item]
            for item in self.plan.items
            if item.content and item.item in self.broken
        }
        for item in self.plan.items:
            if item.content in why_of_content and item.item not in self.broken:
                self.broken[item.item] = why_of_content[item.content]
                log.warning("%s has the content of a file that cannot be read", item.item)


def exchange_rates(run: LakeRun, source: Source) -> DataFrame | None:
    """Give the rates that a source's amounts are converted by; they are loaded before it."""
    if source.currencies is None:
        return None
    return run.lake.read(EXCHANGE_RATES).select("currency", "rate_date", "rate")


def require_usable(delivery: Delivery) -> None:
    """Refuse a source without one usable row, before anything is written."""
    if delivery.mapped().where(is_usable()).isEmpty():
        raise none_usable(
            delivery.source, delivery.mapped(keep_row=True), delivery.frames(), delivery.broken
        )


def none_usable(
    source: Source, mapped: DataFrame, frames: Sequence[DataFrame], broken: BrokenFiles
) -> DataError:
    """Give the error of a source of which no mapped row is usable, with the reasons.

    `mapped` rows are kept as they came, too; `frames` are they as the source has them.
    """
    rejected = rejected_rows(mapped.where(IS_WANTED))
    reasons, hints = explained_rows(source, rejected, list(frames), n=10)
    faults = [f"{counted(one.n_rows, 'row')}: {one.text}" for one in reasons] + hints
    faults += [f"{file}: {why}" for file, why in broken.items()]
    if not faults:
        faults = ["where leaves out every row" if source.section.where else "it is empty"]
    start = f"sources.{source.name}: {source.description} holds no row that can be used"
    return DataError(listed(start, faults))


def usable_rows(run: LakeRun, mapped: DataFrame) -> DataFrame:
    """Give the mapped rows without a reason for rejection, stamped with the run."""
    return run.stamp(mapped.where(is_usable()))
