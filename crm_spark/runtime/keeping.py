"""Rows that are read several times, kept between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import StorageLevel
from pyspark.sql import DataFrame


@contextmanager
def kept_on_disk(rows: DataFrame) -> Iterator[DataFrame]:
    """Keep rows that are read several times."""
    rows.persist(StorageLevel.DISK_ONLY)
    try:
        yield rows
    finally:
        rows.unpersist()
