"""draft_config: write a configuration from the files or the table that it is for."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from crm_spark.config import Config, load_config
from crm_spark.errors import ConfigError, CrmSparkError, DataError, listed
from crm_spark.ingest.drafting.draft import Draft, draft_of
from crm_spark.ingest.drafting.find import find_tables
from crm_spark.jobs import check_config
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Draft a configuration from files or a table, with what is doubtful as questions."
NEEDS_AS_OF = False
NEEDS_CONFIG = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is drafted from, and where the draft goes."""
    parser.add_argument(
        "path",
        metavar="PATH",
        help="a file, a folder, a glob, a Delta table's folder, or the name of a table",
    )
    parser.add_argument(
        "--output",
        default="draft.yml",
        metavar="FILE",
        help="a local file that is not there yet (default: draft.yml)",
    )


def run(
    spark: SparkSession,
    config: Config | None,
    as_of: date | None,
    *,
    path: str,
    output: str = "draft.yml",
) -> RunSummary:
    """Write a draft, and check it as check_config does.

    Raises ConfigError where the output is there already, DataError where something that is needed
    is missing in what was found; the draft is written all the same.
    """
    summary = RunSummary("draft_config")
    if Path(output).exists():
        raise ConfigError(f"{output} is there already: name another file by --output")
    draft = draft_of(find_tables(spark, path), path)
    for text in draft.found:
        log.info("%s", text)
    _write(output, draft.text)
    if draft.missing:
        raise DataError(listed(f"{output} is written, but is not complete", draft.missing))
    summary.tables = _checked(spark, draft, output).tables
    log.info("%s is written; questions in it, to be answered: %s", output, draft.n_questions)
    return summary.finish("succeeded")


def _write(output: str, text: str) -> None:
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from error


def _checked(spark: SparkSession, draft: Draft, output: str) -> RunSummary:
    """Check the draft by the job that checks configurations. Raises what that raises."""
    try:
        return check_config.run(spark, load_config(draft.text, name=output), None)
    except CrmSparkError as error:
        raise type(error)(f"{output} is written, but does not pass its check: {error}") from error
