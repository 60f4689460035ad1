"""Rows of a source in our columns: mapped, cleaned, in one currency, filled in and hashed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.attributes import with_gathered
from crm_spark.ingest.mapping.cleaning import cleaning_reasons
from crm_spark.ingest.mapping.columns import map_source
from crm_spark.ingest.mapping.complete import complete_versions
from crm_spark.ingest.mapping.currency import RATE, convert
from crm_spark.ingest.mapping.reasons import with_reasons
from crm_spark.ingest.settings import Source
from crm_spark.ingest.versions.resolve import add_content_hashes
from crm_spark.tables.history import VALID_FROM, is_history

_WRITTEN_AT = "_file_written_at"


@dataclass(frozen=True)
class Origin:
    """Where rows are from: the file or table, and when it was written; null: not known."""

    source_file: Column
    written_at: Column


def origin_of(source: Source) -> Origin:
    """Give the origin of a source's rows as they are read."""
    if source.is_files:
        return Origin(F.input_file_name(), F.col("_metadata.file_modification_time"))
    return Origin(F.lit(source.description), F.lit(None))


def map_rows(
    df: DataFrame,
    source: Source,
    origin: Origin,
    *,
    rates: DataFrame | None = None,
    misfit: Column | None = None,
    row_columns: Sequence[str] | None = None,
    keep: Mapping[str, Column] | None = None,
) -> DataFrame:
    """Give rows in our columns, with their reasons and hashes, and whether `where` keeps them.

    `rates` are core.exchange_rates, for a source whose amounts are converted; the columns in `keep`
    are carried along, with `row_columns` these of the row as it came, too. `misfit` is the reason
    of a line that does not fit its file.
    """
    table, section = source.table, source.section
    mapped = map_source(
        df,
        source.row_table,
        section.mapping,
        time_zone=source.time_zone,
        source_file=origin.source_file,
        where=section.where,
        misfit=misfit,
        row_columns=row_columns,
        keep={**(keep or {}), _WRITTEN_AT: origin.written_at.cast("timestamp")},
        missing=section.cleaning.missing,
    )
    for column, names in section.attributes.items():
        mapped = with_gathered(mapped, column, names)
    known_by = F.coalesce("arrived_at", _WRITTEN_AT) if table.event_time else F.col(_WRITTEN_AT)
    reasons = cleaning_reasons(table, section.cleaning, known_by=known_by)
    if source.currencies is not None:
        assert rates is not None
        mapped = convert(mapped, rates, source.currencies)
        reasons.append(_no_rate())
    mapped = with_reasons(mapped, reasons)
    if table.event_time:
        is_return = section.cleaning.negative_amounts == "return"
        mapped = complete_versions(mapped, table, negative_is_return=is_return)
    if is_history(table) and VALID_FROM not in section.columns:
        mapped = mapped.withColumn(VALID_FROM, F.col(_WRITTEN_AT))
    return add_content_hashes(mapped.drop(_WRITTEN_AT, RATE), table)


def _no_rate() -> Column:
    """Give the reason of a line whose currency is missing or has no rate on its day."""
    message = F.concat(
        F.lit("no exchange rate of "),
        F.col("currency"),
        F.lit(" for "),
        F.to_date("ordered_at").cast("string"),
    )
    is_kept = ~F.coalesce("is_deleted", F.lit(False))
    return F.when(is_kept & F.col("currency").isNull(), F.lit("currency is missing")).when(
        is_kept & F.col(RATE).isNull() & F.col("ordered_at").isNotNull(), message
    )
