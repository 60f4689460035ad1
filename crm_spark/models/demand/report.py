"""Demand on the page and on the console: what will be sold, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crm_spark.models.candidate_report import (
    champion_on_console,
    figure_of,
    unseen,
    unseen_on_console,
    why_in_words,
)
from crm_spark.models.demand.facts import DemandFacts, Expected
from crm_spark.models.demand.series import DEPARTMENT, LEVELS, PRODUCT, TOTAL
from crm_spark.models.records import MetricRow
from crm_spark.report import charts
from crm_spark.report.blocks import Block, Picture, Section, Text, TextTable, Tile
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words, decimal, money, share
from crm_spark.words import counted

WORDS = {
    "seasonal_naive": "rule: what was sold a season before",
    "recent_mean": "rule: the mean of late",
    "exponential_smoothing": "exponential smoothing",
    "pooled_regression": "regression over all series",
    "mean_of_both": "mean of smoothing and regression",
}

GLOSSARY = (
    ("Expected sales", "What will be sold on average, returns not taken off"),
    (
        "Scaled error",
        "How far a forecast is off, by how far the value a season (or a period) before would be",
    ),
    ("Share missed", "All errors of a level together, by all that was sold of it"),
)

Figures = Mapping[tuple[str, str], MetricRow]


def show_demand(facts: DemandFacts, style: ReportSection) -> Subject:
    """Lay out what will be sold in all, by department and of which products."""
    figures = {(row.model_name, row.metric): row for row in facts.metrics}
    n = len(facts.periods)
    window = f"the next {_period(facts) if n == 1 else counted(n, _period(facts))}"
    blocks: list[Block] = [
        Text(_lead(facts, style, window)),
        *_periods(facts, style),
        *_table("Department", facts.departments, facts, style, window),
        *_table("Product", facts.products, facts, style, window),
        *_quality(facts, figures),
    ]
    tile = Tile("Expected sales", money(style, facts.amount), f"in {window}")
    section = Section("demand", "What will be sold", blocks)
    return Subject((section,), (tile,), _lines(facts, figures, style, window))


def _period(facts: DemandFacts) -> str:
    return "week" if facts.period_days == 7 else "day"


def _usual(facts: DemandFacts) -> str:
    return "the last 8 weeks" if facts.period_days == 7 else "the last 28 days"


def _change(amount: float, usual: float) -> str:
    """Write how much more or less than usual is expected."""
    if usual <= 0:
        return "not sold of late"
    change = 100 * (amount / usual - 1)
    return f"{'+' if round(change) > 0 else ''}{decimal(change)}%"


def _lead(facts: DemandFacts, style: ReportSection, window: str) -> str:
    words = f"{money(style, facts.amount)} will be sold in {window}"
    if facts.usual_amount > 0:
        change = facts.amount / facts.usual_amount - 1
        if abs(change) < 0.005:
            words += f", as much as in as many of {_usual(facts)}"
        else:
            more = "more" if change > 0 else "less"
            words += f", {share(abs(change))} {more} than in as many of {_usual(facts)}"
    first = facts.periods[0][1]
    if first.amount_low is not None and first.amount_high is not None:
        words += (
            f". The first {_period(facts)} brings {money(style, first.amount_low)} to "
            f"{money(style, first.amount_high)}, in eight of ten such {_period(facts)}s"
        )
    if facts.n_products:
        own = (
            "has a forecast of its own" if facts.n_products == 1 else "have forecasts of their own"
        )
        words += f". {counted(facts.n_products, 'product')} {own}"
        if facts.n_rests:
            words += "; those sold too little or too short a time are forecast together"
    return words + "."


def _periods(facts: DemandFacts, style: ReportSection) -> list[Block]:
    if len(facts.periods) < 2:
        return []
    places = list(range(1, len(facts.periods) + 1))
    of = [one for _, one in facts.periods]
    lines = [charts.Line("expected", places, [one.amount for one in of])]
    for side, name in _ENDS.items():
        values = [getattr(one, side) for one in of]
        if None not in values:
            lines.append(charts.Line(name, places, values))
    usual = [one.usual_amount for one in of]
    lines.append(charts.Line(f"mean of {_usual(facts)}", places, usual))
    words = (
        f"From {money(style, of[0].amount)} in the first {_period(facts)} to "
        f"{money(style, of[-1].amount)} in the last"
    )
    every = max(1, len(places) // 6)
    chart = charts.lines(
        "demand-periods",
        words,
        lines,
        x_label=f"{_period(facts)} that begins on",
        y_label="sales",
        from_zero=True,
        ticks={
            place: f"{day.day} {day:%b}"
            for place, (day, _) in zip(places, facts.periods, strict=True)
            if (place - 1) % every == 0
        },
    )
    return [Picture(chart, "What will be sold in all.")]


_ENDS = {"amount_low": "80 % interval, low", "amount_high": "80 % interval, high"}


def _table(
    noun: str, rows: Sequence[Expected], facts: DemandFacts, style: ReportSection, window: str
) -> list[Block]:
    if not rows:
        return []
    has_units = any(row.units is not None for row in rows)
    numbers = ["Expected sales", "Against usual"]
    numbers += ["Items in the first " + _period(facts), "80 % interval"] if has_units else []
    cells = [
        [
            row.name,
            money(style, row.amount),
            _change(row.amount, row.usual_amount),
            *(_units(row) if has_units else []),
        ]
        for row in rows
    ]
    caption = f"Of which {noun.lower()}s most will be sold in {window}"
    return [TextTable(caption, [noun, *numbers], cells, numbers)]


def _units(row: Expected) -> list[str]:
    if row.units is None:
        return ["", ""]
    interval = ""
    if row.units_low is not None and row.units_high is not None:
        interval = f"{decimal(row.units_low)} to {decimal(row.units_high)}"
    return [decimal(row.units), interval]


def _names(figures: Figures) -> list[str]:
    return [name for name in WORDS if (name, "mase.total") in figures]


def _level(figures: Figures) -> str:
    """Give the level that the figures are shown of: departments, where there are any."""
    known = {metric for _, metric in figures}
    order = (DEPARTMENT, PRODUCT, TOTAL)
    return next((level for level in order if f"mase.{level}" in known), LEVELS[0])


def _quality(facts: DemandFacts, figures: Figures) -> list[Block]:
    """Show each candidate beside the rules on the cut-off that none had seen."""
    names = _names(figures)
    if not names:
        return []
    blocks: list[Block] = []
    if facts.decision:
        blocks.append(Text(why_in_words(facts.decision, WORDS), is_verdict=True))
    first, of = figures[names[0], "mase.total"], _level(figures)
    caption = (
        f"{counted(len(facts.periods), _period(facts))} from {day_in_words(first.cutoff)} on, "
        f"{unseen(facts.decision)}: scaled errors, below 1 better than repeating the value before; "
        f"share missed and 80 % interval are of each {of}"
    )
    levels = [level for level in LEVELS if (names[0], f"mase.{level}") in figures]
    columns = [(f"mase.{level}", f"Error, {level}", False) for level in levels]
    columns += [
        (f"wape.{of}", "Share missed", True),
        (f"coverage_80_percent.{of}", "In the interval", True),
    ]
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


def _lines(
    facts: DemandFacts, figures: Figures, style: ReportSection, window: str
) -> tuple[str, ...]:
    lines = [
        "Demand (scores.demand_forecast)",
        f"  {money(style, facts.amount)} will be sold in {window}; as much of {_usual(facts)}: "
        f"{money(style, facts.usual_amount)}",
    ]
    names = _names(figures)
    if names:
        row = figures[names[0], "mase.total"]
        of = _level(figures)
        lines += [
            *unseen_on_console(f"How good demand is: {of} series on {row.cutoff}", facts.decision),
            "  " + " " * 26 + f"{'scaled error':>14}{'share missed':>14}{'in interval':>14}",
        ]
        for name in names:
            shown = ""
            for metric, form in (("mase", ".3f"), ("wape", ".1%"), ("coverage_80_percent", ".1%")):
                one = figures.get((name, f"{metric}.{of}"))
                known = one is not None and one.value is not None
                shown += f"{one.value:>14{form}}" if one and known else " " * 14
            lines.append(f"  {name:<26}{shown}")
    return (*lines, *champion_on_console(facts.decision))
