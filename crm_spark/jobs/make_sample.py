"""make_sample: write purchases of any number of customers, with the truth of each and a config."""

from __future__ import annotations

import argparse
from datetime import date
from typing import get_args

from pyspark.sql import SparkSession

from crm_spark.config import Config, parse_date
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary
from crm_spark.sample.configuration import Format, sample_config
from crm_spark.sample.customers import truth
from crm_spark.sample.expected import expected_lines
from crm_spark.sample.products import products as products_of
from crm_spark.sample.settings import SampleSettings
from crm_spark.sample.transactions import transactions
from crm_spark.sample.write import free_folder, partitions_for, write_files
from crm_spark.words import counted

DESCRIPTION = "Make purchases of any size to try things on, with known truth and a configuration."
NEEDS_AS_OF = False
NEEDS_CONFIG = False

_DEFAULTS = SampleSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the sample goes, and what it is made of."""
    parser.add_argument("path", metavar="PATH", help="a folder that is empty or not there yet")
    for name, value, what in (
        ("customers", _DEFAULTS.n_customers, "customers"),
        ("days", _DEFAULTS.n_days, "days from the first to the last"),
        ("seed", _DEFAULTS.seed, "another number makes another sample"),
        ("products", _DEFAULTS.n_products, "products"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=value, metavar="N", help=f"{what} (default: {value})"
        )
    parser.add_argument(
        "--start",
        type=parse_date,
        default=_DEFAULTS.start,
        metavar="DATE",
        help=f"YYYY-MM-DD: the first day (default: {_DEFAULTS.start})",
    )
    parser.add_argument(
        "--format", choices=get_args(Format), default="parquet", help="default: parquet"
    )


def run(
    spark: SparkSession,
    config: Config | None,
    as_of: date | None,
    *,
    path: str,
    customers: int = _DEFAULTS.n_customers,
    days: int = _DEFAULTS.n_days,
    seed: int = _DEFAULTS.seed,
    products: int = _DEFAULTS.n_products,
    start: date = _DEFAULTS.start,
    format: Format = "parquet",
) -> RunSummary:
    """Write transactions, products and truth below a folder, and last a configuration for them.

    Raises ConfigError where the folder is not empty, or where a size is out of its bounds.
    """
    summary = RunSummary("make_sample")
    settings = SampleSettings(customers, days, seed, start, products)
    folder = free_folder(spark, path)
    log.info(
        "making about %s of %s over %s",
        counted(expected_lines(settings), "line"),
        counted(customers, "customer"),
        counted(days, "day"),
    )
    _write_tables(spark, settings, folder, format, summary)
    # Last, so that a sample with a configuration is whole.
    written = HadoopFile(spark, f"{folder}/sample.yml")
    written.write_text(sample_config(settings, folder, format))
    log.info("next: crm-spark run_pipeline --config %s/sample.yml", folder)
    return summary.finish("succeeded")


def _write_tables(
    spark: SparkSession, settings: SampleSettings, folder: str, files: Format, summary: RunSummary
) -> None:
    n = partitions_for(settings)
    tables = {
        "products": products_of(spark, settings, partitions=1),
        "truth": truth(spark, settings, partitions=max(1, n // 8)),
        "transactions": transactions(spark, settings, partitions=n),
    }
    for name, df in tables.items():
        with stage(spark, f"writing {name}"):
            rows = write_files(df, f"{folder}/{name}", files)
        summary.table(name).rows_written = rows
        log.info("%s: %s", name, counted(rows, "row"))
