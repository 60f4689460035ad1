"""show: print a readable excerpt of a table."""

from __future__ import annotations

import argparse
import logging
from datetime import date

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, positive
from crm_spark.errors import ConfigError, nearest
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.pipeline.settings import feature_settings
from crm_spark.pipeline.tables import tables_with
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.text_table import text_table

DESCRIPTION = "Print a readable excerpt of a table, one line a row."
NEEDS_AS_OF = True
AS_OF_HELP = "YYYY-MM-DD: of a table by date the rows of this one (default: its newest)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the table's name and the number of rows."""
    parser.add_argument("table", metavar="TABLE", help="for example scores.customer_churn")
    parser.add_argument("--rows", type=positive, default=20, help="rows to print (default: 20)")
    parser.add_argument("--columns", metavar="A,B", help="columns to print (default: all that fit)")


def run(
    spark: SparkSession,
    config: Config,
    as_of: date | None,
    *,
    table: str,
    rows: int = 20,
    columns: str | None = None,
) -> RunSummary:
    """Log the first rows by key, of the given date or of the newest one."""
    summary = RunSummary("show", as_of=as_of)
    known = {
        declared.name: declared
        for declared in tables_with(config.known_models, feature_settings(config).features)
    }
    if table not in known:
        hint = nearest(table, known) or f", known: {', '.join(sorted(known))}"
        raise ConfigError(f"unknown table {table!r}{hint}")
    lake = Lake(spark, config.storage, summary.run_id)
    _show(lake, known[table], as_of, rows, columns)
    return summary.finish("succeeded")


def _show(lake: Lake, table: Table, as_of: date | None, n: int, columns: str | None) -> None:
    df = lake.read(table)
    if "as_of_date" in df.columns:
        day = as_of or df.agg(F.max("as_of_date")).collect()[0][0]
        df = df.where(F.col("as_of_date") == F.lit(day))
        log.info("%s as of %s: %s", table.name, day, table.comment)
    else:
        log.info("%s: %s", table.name, table.comment)
    own = [column.name for column in table.columns if not column.provenance]
    names = columns.split(",") if columns else own
    unknown = [name for name in names if name not in df.columns]
    if unknown:
        raise ConfigError(f"{table.name} has no column {', '.join(unknown)}")
    order = [name for name in table.key if name != "as_of_date"]
    found = df.orderBy(*order).select(*names).limit(n).collect()
    for line in text_table(names, found, more=" (name them with --columns)"):
        logging.getLogger("crm_spark").info("%s", line)
