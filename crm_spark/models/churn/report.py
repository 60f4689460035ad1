"""Churn on the page and on the console: who is about to leave."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import date

from crm_spark.features.words import feature_in_words
from crm_spark.models.candidate_report import unseen_on_console
from crm_spark.models.churn.alerts_report import alert_lines, alerts_section
from crm_spark.models.churn.facts import MODEL, ChurnFacts, FirstToCall, Reason
from crm_spark.models.churn.meaning_report import meaning_section
from crm_spark.models.churn.outcomes_report import outcomes_section
from crm_spark.models.churn.quality_report import caveat, grade_of, quality_section
from crm_spark.models.churn.season import shift_in_words
from crm_spark.models.classifiers.report import (
    FIGURES,
    candidates_on_console,
    glossary,
    reasons_in_words,
)
from crm_spark.report import charts
from crm_spark.report.blocks import Block, Picture, Section, Text, TextTable, Tile
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words, money, number, share
from crm_spark.words import are, counted

GLOSSARY = glossary("churn")


def show_churn(facts: ChurnFacts, day: date, style: ReportSection) -> Subject:
    """Lay out who is about to leave, and how far to trust it."""
    sections = [
        _scores_section(facts, day, style),
        alerts_section(facts.alerts, day, style),
        meaning_section(facts),
        outcomes_section(facts.outcomes),
        quality_section(facts),
    ]
    return Subject(
        tuple(section for section in sections if section is not None),
        _tiles(facts),
        (*_score_lines(facts), *alert_lines(facts.alerts), *_quality_lines(facts)),
    )


def _tiles(facts: ChurnFacts) -> tuple[Tile, ...]:
    if facts.scores is None:
        return ()
    scores = facts.scores
    active, days = counted(scores.n, "active customer"), counted(scores.horizon_days, "day")
    note = "; ".join(filter(None, [f"of {active}, in {days}", caveat(facts)]))
    return (Tile("Expected to leave", f"{scores.expected:,.0f}", note),)


def _score_lines(facts: ChurnFacts) -> tuple[str, ...]:
    if facts.scores is None:
        return ()
    scores = facts.scores
    return (
        "Churn (scores.customer_churn)",
        f"  of {counted(scores.n, 'active customer')} {scores.expected:,.0f} "
        f"{are(round(scores.expected))} expected to place no order in the next "
        f"{counted(scores.horizon_days, 'day')}",
        f"  the tenth most at risk: {scores.top:.0%} on average   "
        f"(model {MODEL} version {scores.version})",
        *([f"  {told}"] if (told := caveat(facts)) else []),
        *_season_lines(facts),
    )


def _season_lines(facts: ChurnFacts) -> tuple[str, ...]:
    if facts.shift is None:
        return ()
    told = shift_in_words(facts.shift)
    return tuple(textwrap.wrap(told, 96, initial_indent="  ", subsequent_indent="    "))


def _quality_lines(facts: ChurnFacts) -> tuple[str, ...]:
    """Show each model beside its trivial rules, on the rows none of them learnt from."""
    rows = [row for row in facts.metrics if row.metric in FIGURES]
    if not rows:
        return ()
    head = unseen_on_console(
        f"How good churn is: {counted(rows[0].n, 'customer')} on {rows[0].cutoff}", facts.decision
    )
    models = sorted({row.model_name for row in rows})
    return candidates_on_console(head, rows, models, facts.decision, grade_of(facts))


def _scores_section(facts: ChurnFacts, day: date, style: ReportSection) -> Section | None:
    """Give the distribution of the churn probabilities, and whom to call first."""
    churn = facts.scores
    if churn is None:
        return None
    labels = [f"{low} %" for low in range(0, 100, 10)]
    above_half = sum(churn.histogram[5:])
    blocks: list[Block] = [
        Text(
            f"Of {counted(churn.n, 'active customer')}, {churn.expected:,.0f} "
            f"{are(round(churn.expected))} expected to place no order in the "
            f"{counted(churn.horizon_days, 'day')} from {day_in_words(day)}. The tenth most at "
            f"risk ({counted(churn.n_top, 'customer')}) leaves with a probability of "
            f"{churn.top:.0%} on average."
        ),
        *([Text(f"{told[:1].upper()}{told[1:]}.")] if (told := caveat(facts)) else []),
        *([Text(shift_in_words(facts.shift))] if facts.shift else []),
        Picture(
            charts.bars(
                "churn-distribution",
                f"How many active customers have which churn probability: {churn.histogram[0]:,}"
                f" below 10 %, {above_half:,} of 50 % or more",
                labels,
                churn.histogram,
                y_label="customers",
                x_label="probability to leave, from",
                format_value=lambda value: f"{value:,.0f}",
                are_counts=True,
            ),
            "Active customers by their probability of placing no order in the horizon.",
        ),
    ]
    if facts.first:
        blocks.append(_first_table(facts.first, style))
    return Section("churn", "Who is about to leave", blocks)


def _first_table(first: Sequence[FirstToCall], style: ReportSection) -> TextTable:
    return TextTable(
        "Whom to call first: probability times what was bought in the last 84 days",
        ["Customer", "Probability", "Bought, 84 days", "At risk", "What raises it"],
        [
            [
                row.customer_id,
                share(row.churn_probability),
                money(style, row.spend),
                money(style, row.churn_probability * row.spend),
                _reasons(row),
            ]
            for row in first
        ],
        numbers=["Probability", "Bought, 84 days", "At risk"],
    )


def _reasons(row: FirstToCall) -> str:
    reasons = [(_in_words(reason), reason.effect) for reason in row.reasons]
    return reasons_in_words(reasons, is_explained=row.is_explained)


def _in_words(reason: Reason) -> str:
    """Give the sentence; scores of before there were sentences have the feature."""
    return reason.text or f"{feature_in_words(reason.feature)}: {number(reason.value)}"
