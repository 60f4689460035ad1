"""What is there of a source now: its items, each with what tells its content from another."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.planning.found import Found
from crm_spark.ingest.planning.source_files import Item, LoadedItem
from crm_spark.ingest.reading.broken import (
    BrokenFiles,
    cannot_be_read,
    comparable,
    is_broken,
    reject_files,
)
from crm_spark.ingest.reading.delta_source import DeltaVersion
from crm_spark.ingest.reading.files import SourceFile, content_of
from crm_spark.ingest.reading.place import Place
from crm_spark.ingest.reading.rows import read_whole
from crm_spark.ingest.settings import Source


def items_of(spark: SparkSession, there: Found, loaded: Sequence[LoadedItem]) -> list[Item]:
    """Give what is there now. A file that has not changed since it was loaded is not opened.

    It is looked up once: files are hashed whole, and a watermark is a query of its own.
    """
    if not there.items:
        there.items.extend(_items_of(spark, there, loaded))
    return there.items


def _items_of(spark: SparkSession, there: Found, loaded: Sequence[LoadedItem]) -> list[Item]:
    source = there.source
    if source.is_files or source.inputs:
        known = {item.item: item for item in loaded}
        files = [
            _file_item(spark, file, known.get(comparable(file.uri)), there.broken)
            for file in there.listing.files
        ]
        return files + [_table_item(spark, one) for one in source.inputs if not one.is_files]
    if source.section.watermark is not None:
        return [Item(source.description, _highest_watermark(spark, source))]
    return [_table_item(spark, source)]


def _table_item(spark: SparkSession, place: Place) -> Item:
    """Give a table by its version, where it has one."""
    if place.section.format != "delta":
        return Item(place.description, None)
    now = [str(DeltaVersion.now(spark, path)) for path in place.section.paths]
    return Item(place.description, ",".join(now))


def _file_item(
    spark: SparkSession, file: SourceFile, before: LoadedItem | None, broken: BrokenFiles
) -> Item:
    """Give a file with its content; one that cannot be opened is like no other.

    What the names of its folders say is part of its content.
    """
    is_same = before is not None and (before.n_bytes, before.modified_at) == (
        file.n_bytes,
        file.modified_at,
    )
    content = before.content if before and is_same else None
    try:
        if content is None and not is_broken(file.uri, broken):
            content = "@".join([content_of(spark, file.uri), *file.folder_values])
    except Exception as error:
        if before is not None:  # to reject it now would take its rows out of core
            text = f"{file.uri} was loaded before and cannot be read any more: {first_line(error)}"
            raise DataError(text) from error
        reject_files(broken, {file.uri: cannot_be_read(first_line(error))})
    content = content or f"unreadable {comparable(file.uri)}"
    return Item(file.uri, content, file.n_bytes, file.modified_at)


def _highest_watermark(spark: SparkSession, source: Source) -> str | None:
    assert source.section.watermark is not None
    df = read_whole(spark, source.section)
    with lenient_analysis(spark, source.time_zone):
        mark = F.max(F.expr(source.section.watermark)).cast("string")
        highest = df.agg(mark).collect()[0][0]
    return None if highest is None else str(highest)
