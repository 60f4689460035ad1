"""What became of earlier churn scores, on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from crm_spark.models.calibration_gate import CALIBRATION_ERROR, CALIBRATION_LIMIT
from crm_spark.models.churn.outcome_checks import JOB, N_DATES
from crm_spark.models.churn.past_scores import (
    ACTUAL,
    AUC,
    CUSTOMERS,
    EXPECTED,
    LIFT,
    versioned,
)
from crm_spark.report.blocks import Section, Text, TextTable
from crm_spark.report.subject import ReportRequest
from crm_spark.report.words import day_in_words, figure
from crm_spark.tables.ops import METRICS
from crm_spark.words import counted, verb

_CAME_TRUE = "The probabilities came true: plan with the numbers of leavers they give."
_NEARLY = (
    "The difference is more than chance explains, and small beside the number of customers: add "
    "it to the numbers of leavers that the probabilities give."
)
_AS_MANY = "In all that is as expected, but not among those most or least at risk:"
_NOT_AS_MANY = "The difference is more than chance explains:"
_OFF = (
    "call customers in the order of their risk, do not plan with the numbers, "
    "and train churn again."
)


@dataclass(frozen=True)
class PastScores:
    """What became of the scores of a date; `low` and `high` are those of the expected leavers."""

    day: date
    version: str
    n: int
    expected: float
    low: float
    high: float
    actual: int
    calibration_error: float
    calibration_limit: float
    auc: float | None
    lift: float | None

    @property
    def came_true(self) -> bool:
        """Whether the probabilities may be taken at their word."""
        return self.calibration_error <= self.calibration_limit


def read_outcomes(request: ReportRequest, model_name: str) -> tuple[PastScores, ...]:
    """Give what was known on the day of earlier scores of a model, the newest dates first."""
    rows = request.lake.rows(
        METRICS, (pc.field("job") == JOB) & (pc.field("as_of_date") <= request.day)
    )
    prefix = versioned(model_name, "")
    found: dict[tuple[date, str], dict[str, Mapping[str, float]]] = {}
    for row in rows:
        if row["model_name"].startswith(prefix):
            version = row["model_name"].removeprefix(prefix)
            found.setdefault((row["cutoff_date"], version), {})[row["metric"]] = row
    newest = sorted(found, key=lambda one: (one[0], int(one[1])), reverse=True)[:N_DATES]
    return tuple(_past_scores(day, version, found[day, version]) for day, version in newest)


def _past_scores(day: date, version: str, rows: Mapping[str, Mapping[str, float]]) -> PastScores:
    return PastScores(
        day,
        version,
        int(rows[CUSTOMERS]["value"]),
        rows[EXPECTED]["value"],
        rows[EXPECTED]["low"],
        rows[EXPECTED]["high"],
        int(rows[ACTUAL]["value"]),
        rows[CALIBRATION_ERROR]["value"],
        rows[CALIBRATION_LIMIT]["value"],
        rows[AUC]["value"],
        rows[LIFT]["value"],
    )


def outcomes_section(found: Sequence[PastScores]) -> Section | None:
    """Lay out what was expected of earlier scores beside what came; None where nothing is known."""
    if not found:
        return None
    newest = found[0]
    columns = [
        "Scored on",
        "Customers",
        "Expected to leave",
        "Left",
        "Calibration error",
        "AUC",
        "Lift at 10 %",
        "Version",
    ]
    table = TextTable(
        "Earlier scores whose days have passed; in brackets what was to be expected by chance, and "
        "how large the calibration error may be (ops.metrics, ops.checks)",
        columns,
        [_row(one) for one in found],
        numbers=columns[1:],
    )
    return Section(
        "churn-outcomes",
        "What became of earlier scores",
        [Text(in_a_sentence(newest), is_verdict=not newest.came_true), table],
    )


def _row(one: PastScores) -> list[str]:
    return [
        str(one.day),
        f"{one.n:,}",
        f"{one.expected:,.0f} ({one.low:,.0f} to {one.high:,.0f})",
        f"{one.actual:,}",
        f"{figure(one.calibration_error, 3)} ({figure(one.calibration_limit, 3)})",
        figure(one.auc, 3),
        figure(one.lift, 2),
        one.version,
    ]


def in_a_sentence(one: PastScores) -> str:
    """Say what was expected, what came, and what to do."""
    expected = round(one.expected)
    came = (
        f"Of {counted(one.n, 'customer')} scored on {day_in_words(one.day)}, {expected:,} "
        f"{verb(expected, 'was', 'were')} expected to leave, and {one.actual:,} did."
    )
    is_as_many = one.low <= one.actual <= one.high
    if one.came_true:
        return f"{came} {_CAME_TRUE if is_as_many else _NEARLY}"
    return " ".join([came, _AS_MANY if is_as_many else _NOT_AS_MANY, _OFF])
