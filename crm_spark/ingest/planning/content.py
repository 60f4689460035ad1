"""What is there of a source now: its items, each with what tells its content from another."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.expressions import lenient_analysis
from crm_spark.ingest.planning.check import Checked
from crm_spark.ingest.planning.source_files import Item, LoadedItem
from crm_spark.ingest.reading.delta_source import DeltaVersion
from crm_spark.ingest.reading.files import SourceFile, comparable, content_of
from crm_spark.ingest.reading.rows import read_whole
from crm_spark.ingest.settings import Source


def items_of(spark: SparkSession, checked: Checked, loaded: Sequence[LoadedItem]) -> list[Item]:
    """Give what is there now. A file that has not changed since it was loaded is not opened."""
    source = checked.source
    if source.is_files:
        known = {item.item: item for item in loaded}
        return [_file_item(spark, file, known.get(comparable(file.uri))) for file in checked.files]
    if source.section.watermark is not None:
        return [Item(source.description, _highest_watermark(spark, source))]
    if source.section.format == "delta":
        now = [str(DeltaVersion.now(spark, path)) for path in source.section.paths]
        return [Item(source.description, ",".join(now))]
    return [Item(source.description, None)]


def _file_item(spark: SparkSession, file: SourceFile, before: LoadedItem | None) -> Item:
    is_same = before is not None and (before.n_bytes, before.modified_at) == (
        file.n_bytes,
        file.modified_at,
    )
    content = before.content if before and is_same else content_of(spark, file.uri)
    return Item(file.uri, content, file.n_bytes, file.modified_at)


def _highest_watermark(spark: SparkSession, source: Source) -> str | None:
    assert source.section.watermark is not None
    df = read_whole(spark, source.section)
    with lenient_analysis(spark, source.time_zone):
        mark = F.max(F.expr(source.section.watermark)).cast("string")
        highest = df.agg(mark).collect()[0][0]
    return None if highest is None else str(highest)
