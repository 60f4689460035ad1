"""Propensity on the page and on the console: whom to address for what, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crm_spark.models.candidate_report import (
    champion_on_console,
    figure_of,
    unseen,
    unseen_on_console,
    why_in_words,
)
from crm_spark.models.propensity.facts import Audience, PropensityFacts
from crm_spark.models.propensity.tables import REACHES
from crm_spark.models.propensity.targets import DEPARTMENT, LEVELS
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Block, Section, Text, TextTable, Tile
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words, decimal, figure, share
from crm_spark.words import counted

WORDS = {
    "usual_share": "rule: the usual share of customers",
    "own_activity": "rule: orders often, times what is usual",
    "own_rate": "rule: bought it before at that rate",
    "recent_rate": "rule: bought it of late at that rate",
    "decayed_counts": "rule: purchases, older ones counting less",
    "pooled_regression": "regression over all customers and targets",
}

GLOSSARY = (
    (
        "Average precision",
        "Mean over the buyers of the share of buyers among the customers at least as probable as "
        "each: 1 is the right order, the share of buyers a random one",
    ),
    (
        "Audience",
        "The most probable customers, as many as are expected to hold a share of the buyers",
    ),
    ("Buyers off", "By how many buyers departments and products were off, by all buyers"),
)

N_SHOWN = 10
_SHOWN_REACH = 70

Figures = Mapping[tuple[str, str], MetricRow]


def show_propensity(facts: PropensityFacts, horizon_days: int) -> Subject:
    """Lay out audiences by department and product, and how good they are."""
    figures = {(row.model_name, row.metric): row for row in facts.metrics}
    window = f"the next {counted(horizon_days, 'day')}"
    blocks: list[Block] = [Text(_lead(facts, window))]
    for level in LEVELS:
        blocks += _table(level, facts, horizon_days)
    blocks += _quality(facts, figures, horizon_days)
    section = Section("propensity", "Who will buy what", blocks)
    tile = Tile(
        f"To reach {_SHOWN_REACH}% of the buyers",
        share(_mean_size(facts.audiences, _SHOWN_REACH)),
        f"of customers, mean of {_targets_in_words(facts)}",
    )
    return Subject((section,), (tile,), _lines(facts, figures, window))


def _of_level(facts: PropensityFacts, level: str) -> list[Audience]:
    return [one for one in facts.audiences if one.level == level]


def _targets_in_words(facts: PropensityFacts) -> str:
    parts = [counted(len(of), level) for level in LEVELS if (of := _of_level(facts, level))]
    return " and ".join(parts)


def _thing(level: str) -> str:
    return "of a department" if level == DEPARTMENT else "a product"


def _mean_size(audiences: Sequence[Audience], reach: int) -> float:
    """Give the mean share of the customers that holds so many per cent of the buyers."""
    return sum(one.sizes[reach] / one.n_customers for one in audiences) / len(audiences)


def _lead(facts: PropensityFacts, window: str) -> str:
    sentences = []
    for level in LEVELS:
        of = _of_level(facts, level)
        if of:
            narrow = min(of, key=lambda one: one.sizes[_SHOWN_REACH])
            sentences.append(
                f"{share(_mean_size(of, _SHOWN_REACH))} of today's customers are expected to hold "
                f"{_SHOWN_REACH}% of those among them who will buy {_thing(level)} in {window}, "
                f"the mean of {counted(len(of), level)}; fewest are needed for {narrow.name}: "
                f"{counted(narrow.sizes[_SHOWN_REACH], 'customer')}."
            )
    return " ".join(sentences)


def _table(level: str, facts: PropensityFacts, horizon_days: int) -> list[Block]:
    rows = _of_level(facts, level)[:N_SHOWN]
    if not rows:
        return []
    has_test = any(one.average_precision is not None for one in rows)
    numbers = ["Buyers", f"Last {counted(horizon_days, 'day')}"]
    numbers += [f"For {reach}%" for reach in REACHES]
    numbers += ["Avg precision", "Rule's"] if has_test else []
    cells = [
        [
            one.name,
            decimal(one.expected_buyers),
            f"{one.recent_buyers:,}",
            *[f"{one.sizes[reach]:,}" for reach in REACHES],
            *([_or_empty(one.average_precision), _or_empty(one.of_rule)] if has_test else []),
        ]
        for one in rows
    ]
    n = len(_of_level(facts, level))
    first = f"{len(rows)} of {counted(n, level)}" if n > len(rows) else counted(n, level)
    caption = (
        f"Buyers to expect, and how many of {counted(rows[0].n_customers, 'customer')} to address "
        f"for 50, 70 and 90% of them: {first}; those of the last "
        f"{counted(horizon_days, 'day')} include newcomers, whom nobody can expect yet"
    )
    return [TextTable(caption, [level.capitalize(), *numbers], cells, numbers)]


def _or_empty(value: float | None) -> str:
    return "" if value is None else figure(value, 3)


def _names(figures: Figures) -> list[str]:
    return [name for name in WORDS if (name, "average_precision") in figures]


def _shown_level(figures: Figures) -> str:
    """Give the level that audiences are shown of: departments, where there are any."""
    known = {metric for _, metric in figures}
    return next((one for one in LEVELS if f"reached_{_SHOWN_REACH}_percent.{one}" in known), "")


def _columns(figures: Figures) -> list[tuple[str, str, bool]]:
    """Give metrics, their titles, and whether they are shares."""
    known = {metric for _, metric in figures}
    columns = [(f"average_precision.{level}", f"{level.capitalize()}s", False) for level in LEVELS]
    columns += [("buyers_off", "Buyers off", True)]
    level = _shown_level(figures)
    columns += [
        (f"audience_{_SHOWN_REACH}_percent.{level}", f"Held {_SHOWN_REACH}%", True),
        (f"reached_{_SHOWN_REACH}_percent.{level}", "Reached", True),
    ]
    return [column for column in columns if column[0] in known]


def _quality(facts: PropensityFacts, figures: Figures, horizon_days: int) -> list[Block]:
    """Show each candidate beside the rules on the cut-off that none had seen."""
    names = _names(figures)
    if not names:
        return []
    blocks: list[Block] = []
    if facts.decision:
        blocks.append(Text(why_in_words(facts.decision, WORDS), is_verdict=True))
    first, level = figures[names[0], "average_precision"], _shown_level(figures)
    caption = (
        f"{counted(horizon_days, 'day')} from {day_in_words(first.cutoff)} on, "
        f"{unseen(facts.decision)}: average precision by level; by how many buyers targets were "
        f"off; and, mean of {level}s, which share of customers held {_SHOWN_REACH}% of the buyers, "
        f"and which share of the buyers the audience had that was expected to hold {_SHOWN_REACH}%"
    )
    columns = _columns(figures)
    rows = [
        [
            WORDS[name],
            *[
                figure_of(figures.get((name, one)), is_share=is_share)
                for one, _, is_share in columns
            ],
        ]
        for name in names
    ]
    numbers = [title for _, title, _ in columns]
    return [*blocks, TextTable(caption, ["Model", *numbers], rows, numbers)]


def _lines(facts: PropensityFacts, figures: Figures, window: str) -> tuple[str, ...]:
    lines = ["Propensity (scores.customer_propensity, scores.propensity_audiences)"]
    for level in LEVELS:
        of = _of_level(facts, level)
        if of:
            lines.append(
                f"  {share(_mean_size(of, _SHOWN_REACH))} of customers hold {_SHOWN_REACH}% of the "
                f"expected buyers of a {level} in {window}"
            )
    names = _names(figures)
    if names:
        row = figures[names[0], "average_precision"]
        lines += [
            *unseen_on_console(f"How good propensity is: on {row.cutoff}", facts.decision),
            "  " + " " * 26 + f"{'avg precision':>14}{'log loss':>14}{'buyers off':>14}",
        ]
        for name in names:
            values = [
                figures.get((name, metric))
                for metric in ("average_precision", "log_loss", "buyers_off")
            ]
            shown = "".join(
                f"{one.value:>14.3f}" if one and one.value is not None else " " * 14
                for one in values
            )
            lines.append(f"  {name:<26}{shown}")
    return (*lines, *champion_on_console(facts.decision))
