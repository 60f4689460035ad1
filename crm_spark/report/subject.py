"""What a subject gives to the report and to the console, and what it is asked with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output
from crm_spark.report.blocks import Section, Tile
from crm_spark.report.section import ReportSection
from crm_spark.tables.mapped import Mapped


@dataclass(frozen=True)
class ReportRequest:
    """What a subject reads its facts with: the run, the date, what is mapped, and the style.

    `tables` are the score tables by name: a subject that shows another's scores finds them here,
    where there are any. `counting_runs` are, by registered model, the trainings that ended under
    the settings at hand; a model that is not named there has all of them.
    """

    run: LakeRun
    day: date
    mapped: Mapped
    style: ReportSection
    tables: Mapping[str, Table] = field(default_factory=dict)
    counting_runs: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def lake(self) -> Lake:
        """The lake."""
        return self.run.lake

    def of_date(self, table: Table | None) -> DataFrame | None:
        """Give a table's rows of the date, or None where it has none that are whole."""
        if table is None or not self.run.has_rows(Output(table.name, self.day)):
            return None
        return self.lake.read_date(table, self.day)


@dataclass(frozen=True)
class Subject:
    """What one subject shows of a date, all of it from the same facts.

    `sections` are parts of the page, `tiles` figures at its head, `lines` what the console says.
    `alerts` stand above all else: what makes the figures wrong until it is mended.
    """

    sections: tuple[Section, ...] = ()
    tiles: tuple[Tile, ...] = ()
    lines: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
