"""ingest_sources: what is new in the user's tables goes to core, every row accounted for."""

from __future__ import annotations

import argparse
from datetime import date
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config
from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.features.orders import midnight
from crm_spark.ingest.load import Load, without_broken_files
from crm_spark.ingest.mapping import REASONS, mapping_faults
from crm_spark.ingest.plan import BrokenFiles, plan_source, readable_files
from crm_spark.ingest.rejections import write_rejections
from crm_spark.ingest.sources import (
    FILE_FORMATS,
    SourceSection,
    list_files,
    read_files,
    read_whole,
)
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import SOURCE_TABLES, TRANSACTIONS

DESCRIPTION = "Load what is new in the configured sources into core; bad rows go to *_rejected."
NEEDS_AS_OF = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flag that only the ingest has."""
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="load the sources anew, as they are now; rows of what is there no more go",
    )


def run(
    spark: SparkSession, config: Config, as_of: date | None, *, rebuild: bool = False
) -> RunSummary:
    """Load every configured source; nothing is written before all mappings are known to fit.

    With `as_of` (the pipeline's first date) sources without an order before it are refused, too.
    """
    with job_run(spark, config, "ingest_sources", None) as job:
        broken = check_sources(spark, config)
        loads = [
            Load(job, name, source, plan_source(job, name, source, rebuild=rebuild), broken[name])
            for name, source in config.sources.given().items()
        ]
        for load in loads:
            if load.plan.mode == "rebuild":
                without_broken_files(load.broken, load.require_usable)
        if as_of is not None:
            without_broken_files(loads[0].broken, partial(_require_order_before, loads[0], as_of))
        for load in loads:
            without_broken_files(load.broken, load.run)
        if any(load.changed_rejected for load in loads):
            write_rejections(job)
        return job.summary


def check_sources(spark: SparkSession, config: Config) -> dict[str, BrokenFiles]:
    """Read the sources' schemas and check every expression; run nothing.

    Gives the files of each source that cannot even be opened. Raises DataError or ConfigError that
    lists every fault of every source at once.
    """
    data_faults: list[str] = []
    mapping: list[str] = []
    broken: dict[str, BrokenFiles] = {name: {} for name in config.sources.given()}
    for name, source in config.sources.given().items():
        faults: list[str] = []
        action = partial(_check_source, spark, config, name, source, broken[name], faults)
        try:
            without_broken_files(broken[name], action)
        except DataError as error:
            data_faults.append(f"sources.{name}: {error}")
            continue
        mapping += [f"sources.{name}.{fault}" for fault in faults]
    if data_faults:
        raise DataError(listed("the sources cannot be read", data_faults + mapping))
    if mapping:
        raise ConfigError(listed("the mapping does not fit the sources", mapping))
    return broken


def _check_source(
    spark: SparkSession,
    config: Config,
    name: str,
    source: SourceSection,
    broken: BrokenFiles,
    faults: list[str],
) -> None:
    """Add to `faults` what does not fit one source."""
    time_zone = source.time_zone or config.time_zone
    df = _readable(spark, source, broken, time_zone)
    table = SOURCE_TABLES[name]
    faults += mapping_faults(
        df, source.columns, where=source.where, time_zone=time_zone, table=table
    )
    if source.watermark is not None:
        told = mapping_faults(df, {"_": source.watermark}, where=None, time_zone=time_zone)
        faults += [fault.replace("columns._", "watermark", 1) for fault in told]


def _readable(
    spark: SparkSession, source: SourceSection, broken: BrokenFiles, time_zone: str
) -> DataFrame:
    """Give the rows of all that a source holds and that can be opened."""
    if source.format not in FILE_FORMATS:
        return read_whole(spark, source)
    uris = [file.uri for file in list_files(spark, source)]
    files = readable_files(source, uris, broken)
    return read_files(spark, source, files, time_zone=time_zone)


def _require_order_before(load: Load, as_of: date) -> None:
    """Refuse an as-of date before any data; ends with the first row that is early enough."""
    cut = midnight(F.lit(as_of))
    job: Run = load.job
    if job.lake.exists(TRANSACTIONS):
        held = job.lake.read(TRANSACTIONS)
        if load.plan.mode != "rebuild" and not held.where(F.col("ordered_at") < cut).isEmpty():
            return
    if load.plan.mode == "unchanged":
        rows = job.lake.read(TRANSACTIONS)
    else:
        rows = load.mapped().where(F.size(REASONS) == 0)
    if rows.where(F.col("ordered_at") < cut).isEmpty():
        first = rows.agg(F.to_date(F.min("ordered_at"))).collect()[0][0]
        raise DataError(f"as_of {as_of} is before any data: the first order is of {first}")
