"""Value on the page and on the console: who is worth what, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crm_spark.models.candidate_report import (
    champion_on_console,
    unseen,
    unseen_on_console,
    why_in_words,
)
from crm_spark.models.records import MetricRow
from crm_spark.models.value.facts import N_STEPS, ValueFacts, Worth
from crm_spark.models.value.score import PARTS
from crm_spark.report import charts
from crm_spark.report.blocks import Block, Picture, Section, Text, TextTable, Tile
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words, decimal, money, number, share
from crm_spark.words import are, counted

WORDS = {
    "carried_forward": "rule: what was spent in as many days before",
    "own_rate": "rule: the customer's own rate so far",
    "rfm_cell": "rule: the mean of customers alike by RFM",
    "bg_nbd": "BG/NBD and Gamma-Gamma",
    "mbg_nbd": "MBG/NBD and Gamma-Gamma",
    "mbg_cnbd_k": "MBG/CNBD-k and Gamma-Gamma",
    "three_part_trees": "boosted trees in three parts",
    "three_part_forest": "forests in three parts",
    "direct_trees": "boosted trees of spend",
    "direct_forest": "forest of spend",
    "average_of_two": "mean of MBG/CNBD-k and what was spent in as many days before",
    "average_with_forest": "mean of MBG/CNBD-k, forests and what was spent before",
}

# How the words for a trivial rule begin.
RULE = "rule:"
# Of the best tenth, by how much more than the best rule is worth an A.
MORE_FOR_A = 0.05

GLOSSARY = (
    ("Expected spend", "What a customer spends in the days ahead on average, less what comes back"),
    ("Mean error", "How far what was expected lies from what was spent, on average, a customer"),
    ("Best tenth found", "Of the tenth who then spent most, the share that had been expected to"),
    (
        "Grade of value",
        "A: at least 5 % more of the best tenth found than by any rule; B: more; C: no more",
    ),
    ("80 % interval", "Eight of ten customers of whom as much was expected spent within it"),
)

_TIERS_IN_WORDS = {
    "top_1_percent": "first 1 %",
    "top_5_percent": "next 4 %",
    "top_10_percent": "next 5 %",
    "top_25_percent": "next 15 %",
    "top_50_percent": "next 25 %",
    "rest": "the other half",
}

_PARTS_IN_WORDS = {
    "purchase": "expected spend",
    "recommend": "spend on what is offered",
    "maintain": "spend at risk",
}

Figures = Mapping[tuple[str, str], MetricRow]


def show_value(facts: ValueFacts, style: ReportSection) -> Subject:
    """Lay out who is worth what, by tiers, and how good that is."""
    figures = {(row.model_name, row.metric): row for row in facts.metrics}
    window = f"the next {counted(facts.horizon_days, 'day')}"
    blocks: list[Block] = [
        Text(_lead(facts, style, window)),
        *_concentration(facts),
        _tiers_table(facts, style, window),
        _first_table(facts.first, style, window),
        *_at_risk(facts, figures, style, window),
        *_scores(facts),
        *_quality(facts, figures, style),
    ]
    tile = Tile("Expected spend", money(style, facts.expected), f"in {window}")
    section = Section("value", "Who is worth what", blocks)
    return Subject((section,), (tile,), _lines(facts, figures, style, window))


def _top_share(facts: ValueFacts) -> float | None:
    """Give the share of what is expected that the first tenth of customers has."""
    top = sum(facts.concentration[: N_STEPS // 10])
    return top / facts.expected if facts.expected > 0 else None


def _lead(facts: ValueFacts, style: ReportSection, window: str) -> str:
    top = _top_share(facts)
    words = (
        f"{counted(facts.n, 'customer')} {are(facts.n)} expected to spend "
        f"{money(style, facts.expected)} in {window}"
    )
    if top is not None:
        words += f", {share(top)} of it the tenth of whom most is expected"
    others = [
        f"{money(style, amount)} in {counted(days, 'day')}"
        for days, amount in facts.by_horizon
        if days != facts.horizon_days
    ]
    if others:
        words += f". Beyond what could be tested: {', '.join(others)}"
    return words + "."


def _concentration(facts: ValueFacts) -> list[Block]:
    if facts.expected <= 0:
        return []
    shares, reached = [0.0], 0.0
    for amount in facts.concentration:
        reached += amount
        shares.append(reached / facts.expected)
    line = charts.Line("expected spend", [place / N_STEPS for place in range(N_STEPS + 1)], shares)
    words = (
        f"The first tenth of the customers has {share(shares[N_STEPS // 10])} of the expected "
        f"spend, the first half {share(shares[N_STEPS // 2])}"
    )
    chart = charts.lines(
        "value-concentration",
        words,
        [line],
        x_label="share of customers, the best first",
        y_label="share of expected spend",
        diagonal="all customers alike",
        are_shares=True,
    )
    return [Picture(chart, "How much of what is expected comes from how many customers.")]


def _tiers_table(facts: ValueFacts, style: ReportSection, window: str) -> TextTable:
    rows = [
        [
            _TIERS_IN_WORDS[tier.name],
            f"{tier.n:,}",
            money(style, tier.expected),
            share(tier.expected / facts.expected) if facts.expected > 0 else "",
            money(style, tier.least, cents=True),
        ]
        for tier in facts.tiers
    ]
    numbers = ["Customers", "Expected spend", "Share", "From"]
    return TextTable(
        f"What is expected of each tier in {window}", ["Tier", *numbers], rows, numbers
    )


def _first_table(first: Sequence[Worth], style: ReportSection, window: str) -> TextTable:
    has_orders = any(row.order_days is not None for row in first)
    has_alive = any(row.alive_probability is not None for row in first)
    names = ["Expected spend", "80 % interval"]
    names += ["Days with an order"] if has_orders else []
    names += ["Still a customer"] if has_alive else []
    rows = [
        [
            row.customer_id,
            money(style, row.expected),
            "" if row.low is None else f"{money(style, row.low)} to {money(style, row.high)}",
            *([number(row.order_days)] if has_orders else []),
            *([share(row.alive_probability)] if has_alive else []),
        ]
        for row in first
    ]
    return TextTable(f"Of whom most is expected in {window}", ["Customer", *names], rows, names)


def _at_risk(facts: ValueFacts, figures: Figures, style: ReportSection, window: str) -> list[Block]:
    """Say what is at risk in all, and whose leaving would cost most."""
    if facts.at_risk is None or not facts.first_at_risk:
        return []
    words = (
        f"{money(style, facts.at_risk)} of what is expected is at risk: each customer's, times the "
        "probability of leaving. Do not take it off: what is expected allows for those who order "
        "nothing already. It says where a word to a customer has most to save"
    )
    low, high = _sum_at_risk(facts, figures)
    if low is not None and high is not None:
        words += (
            f". As far as sums were off when it was tested, {money(style, low)} to "
            f"{money(style, high)}"
        )
    numbers = ["Expected spend", "Probability of leaving", "At risk"]
    rows = [
        [
            row.customer_id,
            money(style, row.expected),
            share(row.at_risk / row.expected),
            money(style, row.at_risk),
        ]
        for row in facts.first_at_risk
    ]
    caption = f"Of whom most is expected in {window} and likely to be lost: look after them first"
    return [Text(words + "."), TextTable(caption, ["Customer", *numbers], rows, numbers)]


def _scores(facts: ValueFacts) -> list[Block]:
    """Show who comes first by the value score, and how much the weights have to do with it."""
    if not facts.first_by_score:
        return []
    known = [part for part in PARTS if facts.first_by_score[0].parts[part] is not None]
    if len(known) < 2:
        return []
    weights = [f"{getattr(facts.weights, part):g} for {_PARTS_IN_WORDS[part]}" for part in known]
    words = (
        "The value score is one figure of what counts for a customer, each part in standard "
        f"deviations: weights are {', '.join(weights)} (value.score_weights)."
    )
    same = [
        f"{share(facts.same_top_tenth[part])} by {_PARTS_IN_WORDS[part]}"
        for part in known
        if part in facts.same_top_tenth
    ]
    words += f" Of the tenth with the highest score one part alone would have {', '.join(same)}."
    numbers = ["Score", *[_PARTS_IN_WORDS[part].capitalize() for part in known]]
    rows = [
        [
            one.customer_id,
            decimal(one.score, 1),
            *["" if (value := one.parts[part]) is None else decimal(value, 1) for part in known],
        ]
        for one in facts.first_by_score
    ]
    caption = "The highest value scores, with their parts, in standard deviations"
    return [Text(words), TextTable(caption, ["Customer", *numbers], rows, numbers)]


def _sum_at_risk(facts: ValueFacts, figures: Figures) -> tuple[float | None, float | None]:
    """Give what the sum at risk would be if sums were as far off as the champion's on the test."""
    kind = facts.decision.kind if facts.decision else ""
    ratio = figures.get((kind, "total_ratio"))
    if facts.at_risk is None or ratio is None or not ratio.low or not ratio.high:
        return None, None
    return facts.at_risk / ratio.high, facts.at_risk / ratio.low


def _quality(facts: ValueFacts, figures: Figures, style: ReportSection) -> list[Block]:
    """Show each candidate beside the rules on the rows that none had seen, and by tenths."""
    names = [name for name in WORDS if (name, "mean_absolute_error") in figures]
    if not names:
        return []
    first = figures[names[0], "mean_absolute_error"]
    blocks: list[Block] = []
    if facts.decision:
        verdict = why_in_words(facts.decision, WORDS)
        if grade := _grade_in_words(facts.decision.kind, figures):
            verdict += f" {grade}."
        blocks.append(Text(verdict, is_verdict=True))
    caption = (
        f"{counted(first.n, 'customer')} from {day_in_words(first.cutoff)} on, "
        f"{unseen(facts.decision)}; in brackets the 95 % interval"
    )
    rows = [
        [
            WORDS[name],
            _amount_with_interval(figures.get((name, "mean_absolute_error")), style),
            _share_with_interval(figures.get((name, "top_tenth_found"))),
            _share_with_interval(figures.get((name, "total_ratio"))),
            _share_with_interval(figures.get((name, "coverage_80_percent"))),
        ]
        for name in names
    ]
    numbers = ["Mean error", "Best tenth found", "Expected of what came", "In the 80 % interval"]
    blocks.append(TextTable(caption, ["Model", *numbers], rows, numbers))
    kind = facts.decision.kind if facts.decision else names[-1]
    return [*blocks, *_by_tenths(kind, figures)]


def grade(found: float, of_best_rule: float) -> str:
    """Give the grade of the share of the best tenth that is found, beside the best rule's.

    A: at least 5 % more of them; B: more; C: no more, as where the rule itself scores.
    """
    if found <= of_best_rule:
        return "C"
    return "A" if found >= (1 + MORE_FOR_A) * of_best_rule else "B"


def _grade_in_words(kind: str, figures: Figures) -> str | None:
    """Say how many more of the best tenth the champion finds than the best rule; None: unknown."""
    found = {
        name: row.value
        for name in WORDS
        if (row := figures.get((name, "top_tenth_found"))) and row.value is not None
    }
    rules = [value for name, value in found.items() if WORDS[name].startswith(RULE)]
    if kind not in found or not rules or max(rules) <= 0:
        return None
    best = max(rules)
    letter = grade(found[kind], best)
    if WORDS[kind].startswith(RULE):
        return f"Grade {letter}: a rule scores"
    change = found[kind] / best - 1
    more = "more" if change >= 0 else "fewer"
    return f"Grade {letter}: it finds {share(abs(change))} {more} of the best tenth than any rule"


def _by_tenths(kind: str, figures: Figures) -> list[Block]:
    tenths = [place for place in range(1, 11) if (kind, f"bin.{place:02d}.observed") in figures]
    if len(tenths) < 2:
        return []

    def values(name: str) -> list[float]:
        return [figures[kind, f"bin.{place:02d}.{name}"].value or 0.0 for place in tenths]

    expected, came = values("predicted"), values("observed")
    words = (
        f"Of the first tenth {decimal(expected[0])} a customer was expected and "
        f"{decimal(came[0])} came; of the last {decimal(expected[-1])} and {decimal(came[-1])}"
    )
    chart = charts.lines(
        "value-tenths",
        words,
        [charts.Line("expected", tenths, expected), charts.Line("came", tenths, came)],
        x_label="tenth of the customers, 1 the most expected",
        y_label="spend a customer",
        ticks={place: str(place) for place in tenths},
    )
    return [Picture(chart, "What was expected of each tenth of the customers, and what came.")]


def _amount_with_interval(row: MetricRow | None, style: ReportSection) -> str:
    if row is None or row.value is None:
        return ""
    text = money(style, row.value, cents=True)
    if row.low is None:
        return text
    return f"{text} ({decimal(row.low, 2)} to {decimal(row.high or 0.0, 2)})"


def _share_with_interval(row: MetricRow | None) -> str:
    if row is None or row.value is None:
        return ""
    if row.low is None or row.high is None:
        return share(row.value)
    return f"{share(row.value)} ({share(row.low)} to {share(row.high)})"


def _lines(
    facts: ValueFacts, figures: Figures, style: ReportSection, window: str
) -> tuple[str, ...]:
    lines = [
        "Value (scores.customer_value)",
        f"  {counted(facts.n, 'customer')} {are(facts.n)} expected to spend "
        f"{money(style, facts.expected)} in {window}",
    ]
    top = _top_share(facts)
    if top is not None:
        lines.append(f"  the tenth of whom most is expected: {top:.0%} of it")
    if facts.at_risk is not None:
        lines.append(
            f"  {money(style, facts.at_risk)} of it at risk: each times the probability of leaving"
        )
    names = [name for name in WORDS if (name, "mean_absolute_error") in figures]
    if names:
        row = figures[names[0], "mean_absolute_error"]
        lines += [
            *unseen_on_console(
                f"How good value is: {counted(row.n, 'customer')} on {row.cutoff}", facts.decision
            ),
            "  " + " " * 26 + f"{'mean error':>14}{'best tenth':>14}{'of what came':>14}",
        ]
        for name in names:
            error, found, ratio = (
                figures[name, metric].value if (name, metric) in figures else None
                for metric in ("mean_absolute_error", "top_tenth_found", "total_ratio")
            )
            shown = f"{error:>14,.2f}" if error is not None else " " * 14
            shown += "".join(" " * 14 if one is None else f"{one:>14.1%}" for one in (found, ratio))
            lines.append(f"  {name:<26}{shown}")
    return (*lines, *champion_on_console(facts.decision))
