"""check_config: read the sources' columns, check every expression and run it on first rows."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from datetime import date
from functools import partial

from pyspark.sql import SparkSession

from crm_spark.config import Config, positive
from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.features.family_checks import family_faults
from crm_spark.features.own_families import KEY
from crm_spark.ingest.check import check_sources, look_at_all
from crm_spark.ingest.planning.differences import layout_differences
from crm_spark.ingest.planning.found import Found
from crm_spark.ingest.sample import Sample, take_samples
from crm_spark.ingest.verdicts import file_verdicts, log_verdicts, name_files
from crm_spark.pipeline.settings import feature_settings, ingest_settings
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.text_table import text_table
from crm_spark.words import counted, verb

DESCRIPTION = "Check a configuration on the first rows of its sources, and show them as in core."
NEEDS_AS_OF = False
N_ROWS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many rows are looked at."""
    parser.add_argument(
        "--sample",
        type=positive,
        default=N_ROWS,
        metavar="ROWS",
        help=f"first rows of each file to map (default: {N_ROWS:,})",
    )


def run(
    spark: SparkSession, config: Config, as_of: date | None, *, sample: int = N_ROWS
) -> RunSummary:
    """Raise ConfigError or DataError with every fault; touch nothing.

    The summary counts the rows of the sample by the table that they would go to.
    """
    summary = RunSummary("check_config")
    checked = _checked(spark, config)
    for one in take_samples(spark, checked, sample):
        counts = summary.table(one.found.source.table.name)
        counts.rows_read = one.n_read
        counts.rows_rejected = one.n_wanted - one.n_usable + len(one.found.broken)
        counts.rows_filtered = one.n_read - one.n_wanted
        name_files(counts, one.found)
        _tell(one, sample)
    return summary.finish("succeeded")


def _checked(spark: SparkSession, config: Config) -> list[Found]:
    """Look at the sources, and at the families of features of the user."""
    of_families = family_faults(spark, feature_settings(config))
    try:
        checked = check_sources(ingest_settings(config).given(), partial(look_at_all, spark))
    except (ConfigError, DataError) as error:
        if not of_families:
            raise
        faults = [str(error), listed(KEY, of_families)]
        raise type(error)(listed("the configuration cannot be used", faults)) from error
    if of_families:
        raise ConfigError(listed(KEY, of_families))
    return checked


def _tell(sample: Sample, n_rows: int) -> None:
    for line in _lines(sample, n_rows):
        logging.getLogger("crm_spark").info("%s", line)
    log_verdicts(file_verdicts(sample.found))
    if sample.n_usable == 0:
        log.warning("sources.%s: none of these rows can be used", sample.found.source.name)


def _lines(sample: Sample, n_rows: int) -> Iterator[str]:
    """Say what was seen of a source: counts, reasons, what differs, and rows as in core."""
    source = sample.found.source
    if sample.is_whole:
        seen = f"all {counted(sample.n_read, 'row')}"
    else:
        files = f" of each of {counted(sample.n_files, 'file')}" if sample.n_files > 1 else ""
        seen = f"the first {counted(n_rows, 'row')}{files}"
    columns = counted(len(sample.columns), "column")
    fit = verb(len(sample.columns), "fits", "fit")
    yield f"sources.{source.name}: {columns} {fit} {seen} of {source.description}"
    n_rejected = sample.n_wanted - sample.n_usable
    share = f" ({100 * n_rejected / sample.n_read:.0f} %)" if n_rejected else ""
    n_filtered = sample.n_read - sample.n_wanted
    yield (
        f"  {sample.n_read:,} read = {sample.n_usable:,} usable + {n_rejected:,} rejected{share} + "
        f"{n_filtered:,} filtered"
    )
    yield from (f"  rejected: {counted(n, 'row')}: {reason}" for reason, n in sample.reasons)
    yield from (f"  {difference}" for difference in layout_differences(sample.found))
    if sample.rows:
        yield f"  as in {source.table.name}:"
        yield from (f"  {line}" for line in text_table(sample.columns, sample.rows, width=96))
