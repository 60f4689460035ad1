"""status: where each output of a date stands, and which job would renew it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import date

from pyspark.sql import SparkSession

from crm_spark.config import Config
from crm_spark.jobs.catalogue import jobs_of_a_day, targets_of
from crm_spark.lake.run import LINES
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.graph import Standing, standings
from crm_spark.pipeline.lifecycle import Run
from crm_spark.pipeline.sources import source_standings
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import RunSummary
from crm_spark.words import are, counted

DESCRIPTION = "Show each output, whether it is whole and current, and else which job renews it."
NEEDS_AS_OF = True

_COLUMNS = (("output", 31), ("date", 10), ("state", 9), ("renewed by", 20))
_WIDTH = 100


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Log a table of the outputs of a date, by default the day after the newest order.

    Reads the state and the listing of the sources, and no other table.
    """
    summary = RunSummary("status", as_of=as_of)
    for line in status_table(standings_of(spark, config, as_of)):
        log.info("%s", line)
    return summary.finish("succeeded")


def standings_of(spark: SparkSession, config: Config, as_of: date | None) -> list[Standing]:
    """Give where each output of a date stands, the sources first."""
    run = Run(spark, config, RunSummary("status", as_of=as_of), reads_only=True)
    sources = source_standings(run)
    if any(not one.is_whole for one in sources if one.target.output == LINES):
        return sources  # there is no day yet to say more of
    targets = targets_of(jobs_of_a_day(config), DayPlan.of(run))
    return standings(run.state, targets, sources)


def status_table(found: Sequence[Standing]) -> list[str]:
    """Lay out a line an output; the reason, where it is not current, wraps below it."""
    lines = ["  ".join(name.ljust(width) for name, width in _COLUMNS) + "  why"]
    for one in found:
        output = one.target.output
        cells = (
            output.name,
            str(output.as_of_date or "-"),
            _state(one),
            "-" if one.reason is None else one.job,
        )
        row = "  ".join(
            cell[:width].ljust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True)
        )
        lines += _wrapped(row.rstrip() if one.reason is None else row, one.reason or "")
    n_current = sum(one.reason is None for one in found)
    lines.append(f"{n_current} of {counted(len(found), 'output')} {are(n_current)} current")
    return lines


def _state(one: Standing) -> str:
    if one.reason is None:
        return "current"
    return "behind" if one.is_whole else "not there"


def _wrapped(row: str, reason: str) -> list[str]:
    """Put the reason behind the row where it fits in the page's width, else below it."""
    text = " ".join(reason.split())
    if not text:
        return [row]
    if len(row) + 2 + len(text) <= _WIDTH:
        return [f"{row}  {text}"]
    indent = " " * 4
    below = textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    return [row.rstrip(), *below]
