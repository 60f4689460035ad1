"""Whether the sources are there and their expressions fit, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame, SparkSession

from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.ingest.planning.found import Found, look_at, look_into
from crm_spark.ingest.reading.broken import without_broken_files
from crm_spark.ingest.settings import Source

# Gives what there is of a source, and what of its mapping does not fit.
Look = Callable[[Source], tuple[Found, list[str]]]


def check_sources(sources: Sequence[Source], look: Look) -> list[Found]:
    """Look at each source once, and check every expression.

    Raises DataError or ConfigError that lists every fault of every source at once.
    """
    found: list[Found] = []
    unreadable: list[str] = []
    misfits: list[str] = []
    for source in sources:
        try:
            there, faults = look(source)
            found.append(there)
            misfits += [f"sources.{source.name}.{fault}" for fault in faults]
        except DataError as error:
            unreadable.append(f"sources.{source.name}: {error}")
    if unreadable:
        raise DataError(listed("the sources cannot be read", unreadable + misfits))
    if misfits:
        raise ConfigError(listed("the mapping does not fit the sources", misfits))
    return found


def require_files(spark: SparkSession, found: Found) -> None:
    """Read all that was looked into, where a file that cannot be used has to stop the run.

    Raises DataError that lists every such file.
    """
    if not found.source.is_files or found.source.section.cleaning.broken_files != "stop":
        return

    def read() -> None:
        for rows in _rows_of(spark, found):
            rows.write.format("noop").mode("overwrite").save()

    without_broken_files(found.broken, found.layouts, read)
    if found.broken:
        faults = [f"{file}: {why}" for file, why in found.broken.items()]
        raise DataError(listed("nothing is loaded (cleaning.broken_files: stop)", faults))


def _rows_of(spark: SparkSession, found: Found) -> list[DataFrame]:
    source = found.source
    parts = found.parts(spark, found.layouts) if source.is_files else found.whole(spark)
    return [part.rows for part in parts]


def look_at_all(spark: SparkSession, source: Source) -> tuple[Found, list[str]]:
    """Look into every file of a source, as if none had been loaded."""
    found = look_at(spark, source)
    faults = look_into(spark, found, [file.uri for file in found.listing.files])
    require_files(spark, found)
    return found, faults
