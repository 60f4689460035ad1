"""draft_config: write a configuration from the files or the table that it is for."""

from __future__ import annotations

import argparse
from datetime import date
from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession

from crm_spark.config import Config, load_config
from crm_spark.errors import ConfigError, CrmSparkError, DataError, listed
from crm_spark.ingest.check import check_sources, look_at_all, require_runs
from crm_spark.ingest.drafting.draft import Draft, draft_of
from crm_spark.ingest.drafting.find import find_tables
from crm_spark.ingest.drafting.rejects import Rejects, count_rejects
from crm_spark.pipeline.settings import ingest_settings
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
    _check(spark, draft, output)
    return summary.finish("succeeded")


def _write(output: str, text: str) -> None:
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from error


def _check(spark: SparkSession, draft: Draft, output: str) -> None:
    """Check the draft as check_config does, and tell how many rows it would reject.

    Raises what the check raises, and DataError where no row could be used.
    """
    try:
        sources = ingest_settings(load_config(draft.text, name=output)).given()
        checked = check_sources(sources, partial(look_at_all, spark))
        require_runs(spark, checked)
    except CrmSparkError as error:
        raise type(error)(f"{output} is written, but does not pass its check: {error}") from error
    rejects = count_rejects(spark, checked[0])
    if rejects.n_rows and rejects.n_rejected == rejects.n_rows:
        raise DataError(f"{output} is written, but all rows would be rejected: {rejects}")
    _tell(rejects)
    log.info("%s is written; questions in it, to be answered: %s", output, draft.n_questions)


def _tell(rejects: Rejects) -> None:
    if rejects.n_rejected:
        log.warning("%s", rejects)
    else:
        log.info("%s", rejects)
