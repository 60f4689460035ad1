"""Rows of files of one place, those of files that are read alike together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession

from crm_spark.ingest.reading.layout import Layout
from crm_spark.ingest.reading.misfit import reason_of_misfit
from crm_spark.ingest.reading.place import Place
from crm_spark.ingest.reading.rows import read_files


@dataclass(frozen=True)
class LayoutRows:
    """Rows of files of one layout; `misfit` is the reason of a line that does not fit its file."""

    layout: Layout
    uris: tuple[str, ...]
    rows: DataFrame
    misfit: Column | None


def read_by_layout(
    spark: SparkSession, place: Place, layouts: Mapping[str, Layout], uris: Iterable[str]
) -> list[LayoutRows]:
    """Give the rows of these files by layout, in the order of their names; not of empty files."""
    by_layout: dict[Layout, list[str]] = {}
    for uri in uris:
        if layouts[uri].ddl:
            by_layout.setdefault(layouts[uri], []).append(uri)
    return [
        LayoutRows(
            layout,
            tuple(of_layout),
            read_files(spark, place, layout, of_layout, [layouts[uri].head for uri in of_layout]),
            _misfit(place, layout),
        )
        for layout, of_layout in sorted(by_layout.items(), key=lambda pair: min(pair[1]))
    ]


def _misfit(place: Place, layout: Layout) -> Column | None:
    if place.section.format != "csv":
        return None
    return reason_of_misfit(place.section.options, len(layout.schema.fields))
