"""ingest_sources: from the user's tables to core, every row accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import partial

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config
from crm_spark.contracts import Table
from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.io.sources import SourceData, SourceSection, broken_file, read_source
from crm_spark.jobs.lifecycle import Run, job_run
from crm_spark.progress import log, stage
from crm_spark.run import RunSummary
from crm_spark.tables.core import SOURCE_TABLES, TRANSACTIONS, rejected
from crm_spark.transforms.mapping import (
    CUT_DECIMALS,
    REASONS,
    SOURCE_FILE,
    SOURCE_ROW,
    add_line_ids,
    complete_transactions,
    keep_where,
    map_source,
    mapping_faults,
    mark_repeated_keys,
    refuse_cut_decimals,
)
from crm_spark.transforms.orders import midnight

DESCRIPTION = "Read the configured sources into the core tables; bad rows go to *_rejected."
NEEDS_AS_OF = False

_CUT_DECIMALS_TOLD = re.compile(re.escape(CUT_DECIMALS) + r" (.+?)(?: SQLSTATE.*)?$", re.MULTILINE)

# Files that broke while being read, with the reason.
BrokenFiles = dict[str, str]


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Load every configured source; nothing is written before all mappings are known to fit.

    With `as_of` (the pipeline's first date) sources without an order before it are refused, too.
    """
    with job_run(spark, config, "ingest_sources", None) as job:
        broken = check_sources(spark, config)
        for name, source in config.sources.given().items():
            _without_broken_files(broken[name], partial(_require_usable, job, name, source))
        if as_of is not None:
            action = partial(_require_order_before, job, config.sources.transactions, as_of)
            _without_broken_files(broken["transactions"], action)
        for name, source in config.sources.given().items():
            _without_broken_files(broken[name], partial(_load, job, name, source))
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
        action = partial(_check_source, spark, config, name, source, faults)
        try:
            _without_broken_files(broken[name], action)
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
    faults: list[str],
    broken: BrokenFiles,
) -> None:
    """Add to `faults` what does not fit one source."""
    time_zone = source.time_zone or config.time_zone
    df = read_source(spark, source, time_zone=time_zone, without=broken).df
    table = SOURCE_TABLES[name]
    faults += mapping_faults(
        df, source.columns, where=source.where, time_zone=time_zone, table=table
    )


def _without_broken_files(broken: BrokenFiles, action: Callable[[BrokenFiles], None]) -> None:
    """Do `action`, leaving out whole, and naming, each file that turns out to be unreadable."""
    while True:
        try:
            action(broken)
            return
        except Exception as error:
            if told := _CUT_DECIMALS_TOLD.search(str(error)):
                raise DataError(f"the mapping does not fit the data: {told[1]}") from error
            found = broken_file(error)
            if found is None or found[0] in broken:
                raise
            broken[found[0]] = found[1]
            log.warning("%s cannot be read and is rejected whole: %s", *found)


def _mapped_source(job: Run, name: str, source: SourceSection, broken: BrokenFiles) -> DataFrame:
    time_zone = source.time_zone or job.config.time_zone
    data = read_source(job.spark, source, time_zone=time_zone, without=broken)
    return _map(data.df, SOURCE_TABLES[name], source, data, time_zone, keep_row=False)


def _require_order_before(
    job: Run, source: SourceSection, as_of: date, broken: BrokenFiles
) -> None:
    """Refuse an as-of date before any data; ends with the first row that is early enough."""
    mapped = _mapped_source(job, "transactions", source, broken).where(F.size(REASONS) == 0)
    if mapped.where(F.col("ordered_at") < midnight(F.lit(as_of))).isEmpty():
        first = mapped.agg(F.to_date(F.min("ordered_at"))).collect()[0][0]
        raise DataError(f"as_of {as_of} is before any data: the first order is of {first}")


def _require_usable(job: Run, name: str, source: SourceSection, broken: BrokenFiles) -> None:
    """Refuse a source without one usable row, before anything is written."""
    mapped = _mapped_source(job, name, source, broken)
    if not mapped.where(F.size(REASONS) == 0).isEmpty():
        return
    reasons = (
        mapped.select(F.explode(REASONS).alias("reason"))
        .groupBy("reason")
        .count()
        .orderBy(F.desc("count"), "reason")
        .limit(10)
        .collect()
    )
    told = [f"{row['count']:,} rows: {row['reason']}" for row in reasons]
    told += [f"{file}: {why}" for file, why in broken.items()]
    if not told:
        told = ["where leaves out every row" if source.where else "it is empty"]
    raise DataError(
        listed(f"sources.{name}: {source.description} holds no row that can be used", told)
    )


def _load(job: Run, name: str, source: SourceSection, broken: BrokenFiles) -> None:
    if broken:
        _require_usable(job, name, source, broken)  # what is left may be nothing
    table = SOURCE_TABLES[name]
    time_zone = source.time_zone or job.config.time_zone
    data = read_source(job.spark, source, time_zone=time_zone, without=broken)
    counts = job.summary.table(table.name)
    seen, usable = Observation(), Observation()
    rows = data.df.observe(seen, F.count(F.lit(1)).alias("n"))
    classified = _classify(rows, table, source, data, time_zone, keep_row=False)
    classified = classified.observe(
        usable,
        F.count(F.lit(1)).alias("n"),
        F.count_if(F.size(REASONS) > 0).alias("rejected"),
        F.count_if("_is_duplicate").alias("duplicate"),
    )
    accepted = classified.where((F.size(REASONS) == 0) & ~F.col("_is_duplicate"))
    with stage(job.spark, f"read {name}"):
        written = job.lake.overwrite(table, job.stamp(_finish(accepted, table, source)))
    job.note(table, written)
    of_copies = _rows_of_copies(job, source, data, time_zone)
    counts.rows_rejected = usable.get["rejected"] + len(broken)
    counts.rows_duplicate = usable.get["duplicate"] + of_copies
    counts.rows_filtered = seen.get["n"] - usable.get["n"]
    counts.rows_read = seen.get["n"] + of_copies + len(broken)
    _write_rejected(job, name, source, data, broken, expected=usable.get["rejected"])
    log.info(
        "%s: %s read = %s accepted + %s rejected + %s filtered + %s duplicate",
        table.name,
        *(
            f"{n:,}"
            for n in (
                counts.rows_read,
                counts.rows_written,
                counts.rows_rejected,
                counts.rows_filtered,
                counts.rows_duplicate,
            )
        ),
    )


def _map(
    df: DataFrame,
    table: Table,
    source: SourceSection,
    data: SourceData,
    time_zone: str,
    *,
    keep_row: bool,
) -> DataFrame:
    expressions = [*source.columns.values(), *([source.where] if source.where else [])]
    df = refuse_cut_decimals(df, expressions, time_zone=time_zone)
    if source.where:
        df = keep_where(df, source.where, time_zone=time_zone)
    return map_source(
        df,
        table,
        source.columns,
        time_zone=time_zone,
        source_file=data.source_file,
        keep_row=keep_row,
    )


def _classify(
    df: DataFrame,
    table: Table,
    source: SourceSection,
    data: SourceData,
    time_zone: str,
    *,
    keep_row: bool,
) -> DataFrame:
    """Map the rows and tell which are rejected and which repeat another."""
    mapped = _map(df, table, source, data, time_zone, keep_row=keep_row)
    if table is TRANSACTIONS and "line_id" not in source.columns:
        return mapped.withColumn("_is_duplicate", F.lit(False))
    return mark_repeated_keys(mapped, table)


def _finish(accepted: DataFrame, table: Table, source: SourceSection) -> DataFrame:
    """Add what we compute to the rows that are accepted."""
    if table is not TRANSACTIONS:
        return accepted
    named = accepted if "line_id" in source.columns else add_line_ids(accepted)
    return complete_transactions(named)


def _rows_of_copies(job: Run, source: SourceSection, data: SourceData, time_zone: str) -> int:
    """Count the rows of files whose content had been given before."""
    total = 0
    for file, times in data.copies.items():
        single = source.model_copy(update={"path": file})
        df = read_source(job.spark, single, time_zone=time_zone).df
        total += (times - 1) * df.count()
    return total


def _write_rejected(
    job: Run,
    name: str,
    source: SourceSection,
    data: SourceData,
    broken: BrokenFiles,
    *,
    expected: int,
) -> None:
    """Keep the rejected rows as they came, with all reasons; none is written twice or lost."""
    table = SOURCE_TABLES[name]
    kept = rejected(table)
    time_zone = source.time_zone or job.config.time_zone
    files = job.spark.createDataFrame(
        [(None, [f"the file cannot be read: {why}"], file) for file, why in broken.items()],
        "row string, reasons array<string>, source_file string",
    )
    rows = files
    if expected:
        classified = _classify(data.df, table, source, data, time_zone, keep_row=True)
        rows = files.unionByName(
            classified.where(F.size(REASONS) > 0).select(
                F.col(SOURCE_ROW).alias("row"), F.col(REASONS).alias("reasons"), SOURCE_FILE
            )
        )
    with stage(job.spark, f"keep rejected {name}"):
        written = job.note(kept, job.lake.overwrite(kept, job.stamp(rows)))
    if written.rows != expected + len(broken):
        raise DataError(
            f"source {source.description} changed while it was read: {expected + len(broken)} rows "
            f"were rejected at first, {written.rows} at the second reading; run again"
        )
