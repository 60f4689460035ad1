"""Whether the sources are there and their expressions fit, before anything is read or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.ingest.mapping.expressions import mapping_faults
from crm_spark.ingest.reading.files import (
    BrokenFiles,
    SourceFile,
    list_files,
    readable_files,
    without_broken_files,
)
from crm_spark.ingest.reading.integrity import broken_among
from crm_spark.ingest.reading.rows import read_files, read_whole
from crm_spark.ingest.settings import Source


@dataclass(frozen=True)
class Checked:
    """A source that can be read: its files as they were listed, and those that are broken.

    `broken` grows while files turn out to be unreadable.
    """

    source: Source
    files: tuple[SourceFile, ...] = ()
    broken: BrokenFiles = field(default_factory=dict)


def check_sources(spark: SparkSession, sources: Sequence[Source]) -> list[Checked]:
    """List each source once, read its schema and check every expression; run nothing.

    Raises DataError or ConfigError that lists every fault of every source at once.
    """
    checked: list[Checked] = []
    unreadable: list[str] = []
    misfits: list[str] = []
    for source in sources:
        try:
            one = Checked(source, list_files(spark, source.section) if source.is_files else ())
            misfits += [f"sources.{source.name}.{fault}" for fault in _misfits(spark, one)]
            checked.append(one)
        except DataError as error:
            unreadable.append(f"sources.{source.name}: {error}")
    if unreadable:
        raise DataError(listed("the sources cannot be read", unreadable + misfits))
    if misfits:
        raise ConfigError(listed("the mapping does not fit the sources", misfits))
    return checked


def _misfits(spark: SparkSession, checked: Checked) -> list[str]:
    """Give what of the expressions does not fit a source."""
    faults: list[str] = []
    inspect = partial(
        broken_among,
        spark,
        [file.uri for file in checked.files],
        checked.source.section.format,
    )

    def check() -> None:
        faults[:] = expression_faults(checked.source, _readable(spark, checked))

    without_broken_files(checked.broken, check, inspect)
    return faults


def expression_faults(source: Source, rows: DataFrame) -> list[str]:
    """Give what of a source's expressions does not fit these rows of it."""
    section, zone = source.section, source.time_zone
    faults = mapping_faults(
        rows, section.columns, where=section.where, time_zone=zone, table=source.table
    )
    if section.watermark is not None:
        of_mark = mapping_faults(rows, {"_": section.watermark}, where=None, time_zone=zone)
        faults += [fault.replace("columns._", "watermark", 1) for fault in of_mark]
    return faults


def _readable(spark: SparkSession, checked: Checked) -> DataFrame:
    """Give the rows of all that a source has and that can be opened."""
    source = checked.source
    if not source.is_files:
        return read_whole(spark, source.section)
    uris = readable_files(source.section, [file.uri for file in checked.files], checked.broken)
    return read_files(spark, source, uris, is_all=len(uris) == len(checked.files))
