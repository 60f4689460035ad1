"""What a model's training and scores are made of, and which training scores a date."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from pydantic import BaseModel

from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.lake.contract import Table
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output, OutputRow, State, Target
from crm_spark.models.contract import AnyModel, Read
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.tables.mapped import Mapped

# A fact of a training: the local day of the newest event that was known when it was made.
NEWEST_EVENT = "newest_event_date"
# What the verdicts on the data are judged from, besides what a model learns from.
_JUDGED = (Output(CUSTOMER_ORDERS.name), Output(TRANSACTIONS.name))


def first_order_of(model: AnyModel, run: LakeRun) -> date:
    """Give the day of the first order; for a model that reads none, the first of all days."""
    return run.order_dates()[0] if model.needs_orders else date.min


def training_target(
    model: AnyModel, section: Any, day: date, first_order: date, mapped: Mapped
) -> Target:
    """Give the target of a model's training as of a day."""
    plan = model.plan(section, day, first_order)
    judged = _JUDGED if model.needs_orders else ()
    reads = [*judged, *outputs_read(model.learns_from(section, plan, day), first_order, day)]
    reads += [Output(table.name) for table in mapped_tables(model.learns_from_sources, mapped)]
    settings = _settings(section, model.not_learnt)
    output = Output(training_name(model, section), day)
    return Target(output, tuple(dict.fromkeys(reads)), settings, model.generation)


def score_targets(
    model: AnyModel,
    section: Any,
    day: date,
    first_order: date,
    state: State,
    mapped: Mapped,
    training_day: date,
) -> list[Target]:
    """Give the targets of a model's score tables of a day.

    They read the training that scores the day, or that of its training day where there is none yet.
    """
    row = champion_row(state, training_name(model, section), day, model.generation)
    training = row.output if row else Output(training_name(model, section), training_day)
    reads = [*outputs_read(model.scores_from(section, day), first_order, day), training]
    reads += [Output(table.name) for table in mapped_tables(model.scores_from_sources, mapped)]
    settings = _settings(section, model.not_scored)
    beside = tuple(Output(name, day) for name in model.scores_beside)
    return [
        Target(
            Output(table.name, day),
            tuple(dict.fromkeys(reads)),
            settings,
            model.generation,
            optional=beside,
        )
        for table in model.tables
    ]


def mapped_tables(tables: Iterable[Table], mapped: Mapped) -> list[Table]:
    """Give those tables of core whose source is mapped."""
    return [table for table in tables if mapped.has(table.name.split(".")[1])]


def training_name(model: AnyModel, section: BaseModel) -> str:
    """Give what a model's trainings under these settings are called: others stand beside them."""
    probe = Target(Output(model.name), settings=_settings(section, model.not_learnt))
    return f"models.{model.name}/{probe.fingerprint[:8]}"


def champion_row(state: State, name: str, day: date, generation: int) -> OutputRow | None:
    """Give the training whose champion scores a day: the newest as of a date not later.

    One of another generation of the code, which scores nothing, is given only where there is no
    such. Before any there is the first later one.
    """
    rows = [row for output in state.outputs(name) if (row := state.newest(output))]
    trained = [row for row in rows if row.status == "written" and row.output.as_of_date]
    earlier = [row for row in trained if _as_of(row) <= day]
    of_generation = [row for row in earlier if row.generation == generation]
    if earlier:
        return max(of_generation or earlier, key=_as_of)
    return min(trained, key=_as_of, default=None)


def _as_of(row: OutputRow) -> date:
    assert row.output.as_of_date is not None
    return row.output.as_of_date


def _settings(section: BaseModel, left_out: frozenset[str]) -> dict[str, Any]:
    """Give what the user set of a section, but for what nothing made here depends on."""
    return section.model_dump(mode="json", exclude_defaults=True, exclude=set(left_out))


def outputs_read(reads: Iterable[Read], first_order: date, day: date) -> tuple[Output, ...]:
    """Give the outputs that are read; dates before any order hold nothing."""
    found: list[Output] = []
    for read in reads:
        if read.dates is None:
            found.append(Output(read.table.name))
        else:
            dates = [one for one in read.dates if first_order < one <= day]
            found += [Output(read.table.name, one) for one in dates]
    return tuple(found)
