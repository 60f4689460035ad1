"""A sample of each source as it would stand in core: what an ingest makes of its first rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import ConfigError, CrmSparkError
from crm_spark.ingest.loading.delivery import none_usable
from crm_spark.ingest.mapping.columns import IS_WANTED, is_usable
from crm_spark.ingest.mapping.reasons import REASONS
from crm_spark.ingest.mapping.trial import explained
from crm_spark.ingest.planning.found import Found, Part
from crm_spark.ingest.reading.broken import is_broken
from crm_spark.tables.core import EXCHANGE_RATES

# So many files are looked into, of one layout and in all.
MOST_FILES, MOST_FILES_IN_ALL = 10, 40
# So many usable rows, and reasons, are shown.
N_SHOWN, N_REASONS = 5, 10


@dataclass(frozen=True)
class Sample:
    """What an ingest would make of the first rows of each file: counts, reasons, and usable rows.

    `is_whole` says that these are all rows of the source; `columns` are those that are mapped.
    """

    found: Found
    n_files: int
    is_whole: bool
    n_read: int
    n_wanted: int
    n_usable: int
    reasons: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def take_samples(spark: SparkSession, found: Sequence[Found], n_rows: int) -> list[Sample]:
    """Map the first `n_rows` rows of each file or table as an ingest would.

    Raises ConfigError where an expression fails on a row, DataError where all rows of a source were
    seen and none of them can be used.
    """
    by_name = {one.source.name: one for one in found}
    rates = by_name.get("exchange_rates")
    return [_sample(spark, one, rates, n_rows) for one in found]


def _sample(spark: SparkSession, found: Found, rates: Found | None, n_rows: int) -> Sample:
    source, parts = found.source, _parts(spark, found)
    of_rates = None
    if source.currencies is not None and rates is not None:
        of_rates = _mapped(spark, rates, _parts(spark, rates), None, None).where(is_usable())
        of_rates = of_rates.select(*EXCHANGE_RATES.key, "rate")
    sampled = _mapped(spark, found, parts, of_rates, n_rows).persist()
    try:
        return _judged(found, parts, sampled, n_rows)
    except CrmSparkError:
        raise
    except Exception as error:
        frames = [part.rows.limit(n_rows) for part in parts]
        if reason := explained(error, source, lambda: frames):
            raise reason from error
        raise
    finally:
        sampled.unpersist()


def _parts(spark: SparkSession, found: Found) -> list[Part]:
    """Give files, each by itself, some of every layout; a table as a whole."""
    if not found.source.is_files:
        return found.whole(spark)
    by_layout: dict[object, list[str]] = {}
    for uri, layout in found.layouts.items():
        by_layout.setdefault(layout, []).append(uri)
    uris = [uri for of_layout in by_layout.values() for uri in sorted(of_layout)[:MOST_FILES]]
    parts = [part for uri in uris for part in found.parts(spark, [uri])]
    return parts[:MOST_FILES_IN_ALL]


def _mapped(
    spark: SparkSession,
    found: Found,
    parts: Sequence[Part],
    rates: DataFrame | None,
    n_rows: int | None,
) -> DataFrame:
    source = found.source
    frames = []
    for number, part in enumerate(parts):
        mapped = part.mapped(source, rates=rates, keep_row=True)
        limited = mapped if n_rows is None else mapped.limit(n_rows)
        frames.append(limited.withColumn(_PART, F.lit(number)))
    if not frames:
        raise ConfigError(f"sources.{source.name}: {source.description}: none of its files is left")
    return reduce(DataFrame.unionByName, frames)


_PART = "_part"


def _judged(found: Found, parts: Sequence[Part], sampled: DataFrame, n_rows: int) -> Sample:
    source = found.source
    by_reason = _by_reason(sampled)
    n_read = dict.fromkeys(range(len(parts)), 0)
    for row in by_reason:
        n_read[row[_PART]] += row["n_read"]
    n_seen = len({uri for part in parts for uri in part.uris})
    n_files = sum(
        1
        for uri, layout in found.layouts.items()
        if layout.ddl and not is_broken(uri, found.broken)
    )
    has_all_files = not source.is_files or n_seen == n_files
    is_whole = has_all_files and all(n < n_rows for n in n_read.values())
    n_wanted, n_usable = (sum(row[name] for row in by_reason) for name in ("n_wanted", "n_usable"))
    if is_whole and not n_usable:
        raise none_usable(source, sampled, [part.rows for part in parts], found.broken)
    reasons: Counter[str] = Counter()
    for row in by_reason:
        if row["reason"] is not None and row["n_with_reason"]:
            reasons[row["reason"]] += row["n_with_reason"]
    commonest = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))[:N_REASONS]
    given = {**source.section.columns, **source.section.attributes}
    columns = tuple(column.name for column in source.table.columns if column.name in given)
    usable = sampled.where(is_usable()).select(*columns).limit(N_SHOWN)
    return Sample(
        found,
        n_seen,
        is_whole,
        sum(n_read.values()),
        n_wanted,
        n_usable,
        tuple(commonest),
        columns,
        tuple(usable.collect()),
    )


def _by_reason(sampled: DataFrame) -> list[Row]:
    """Count the rows of each part by their reasons; those without one have null.

    A row with several reasons is read, and wanted, with its first one alone.
    """
    one = sampled.select(_PART, IS_WANTED, F.posexplode_outer(REASONS).alias("_place", "reason"))
    is_first = F.coalesce(F.col("_place"), F.lit(0)) == 0
    counts = one.groupBy(_PART, "reason").agg(
        F.count_if(is_first).alias("n_read"),
        F.count_if(is_first & F.col(IS_WANTED)).alias("n_wanted"),
        F.count_if(F.col("reason").isNull() & F.col(IS_WANTED)).alias("n_usable"),
        F.count_if(IS_WANTED).alias("n_with_reason"),
    )
    return counts.collect()  # at most a row for each row of the sample and reason
