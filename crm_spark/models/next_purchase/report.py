"""Next purchase on the page and on the console: who orders when, and how far to trust it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from crm_spark.models.candidate_report import (
    champion_on_console,
    figure_of,
    unseen,
    unseen_on_console,
    why_in_words,
)
from crm_spark.models.next_purchase.facts import (
    FEWEST_ORDER_DAYS,
    OVERDUE_GAPS,
    NextPurchaseFacts,
)
from crm_spark.models.next_purchase.metrics import (
    AUC,
    COVERAGE,
    CRPS,
    DAYS_OFF,
    EXPECTED_COVERAGE,
    GAP_DAYS_OFF,
    LOG_LOSS,
    due_after,
    due_within,
    of_horizon,
)
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Block, Section, Text, TextTable, Tile
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words, decimal, figure, share
from crm_spark.words import are, counted

WORDS = {
    "usual_share": "rule: the usual share of customers",
    "own_rate": "rule: the customer's own rate so far",
    "own_gap": "rule: the own gap, and how much of it passed",
    "recency_frequency": "rule: recency, frequency and tenure",
    "decayed_counts": "rule: order days, older ones counting less",
    "mbg_cnbd_k": "MBG/CNBD-k",
    "hazard_regression": "regression by steps of days",
}

GLOSSARY = (
    ("Due", "The day by which a customer has ordered with a chance of a half"),
    (
        "Days off",
        "Mean days between the day an order was due on and its day; who did not order in the time "
        "looked at stands at its end",
    ),
    ("CRPS", "Like days off, of all days with their chances instead of the one: lower is better"),
)

Figures = Mapping[tuple[str, str], MetricRow]


def show_next_purchase(facts: NextPurchaseFacts) -> Subject:
    """Lay out when orders are due, who is overdue, and how good that is."""
    # Of longer horizons there are figures of the cut-off that chose, too: the newest are quoted.
    rows = sorted(facts.metrics, key=lambda row: row.cutoff)
    figures = {(row.model_name, row.metric): row for row in rows}
    window = f"the next {counted(facts.horizon_days, 'day')}"
    section = Section(
        "next-purchase",
        "Who orders when",
        [
            Text(_lead(facts, window)),
            _due_table(facts, figures),
            *_overdue(facts, window),
            *_quality(facts, figures),
        ],
    )
    tile = Tile("Customers to order", decimal(_expected(facts)), f"in {window}")
    return Subject((section,), (tile,), _lines(facts, figures))


def _expected(facts: NextPurchaseFacts) -> float:
    """Give how many customers are expected to order in the first horizon."""
    found = dict(facts.by_horizon)[facts.horizon_days]
    assert found is not None, "the first horizon is always learnt"
    return found


def _lead(facts: NextPurchaseFacts, window: str) -> str:
    expected = _expected(facts)
    words = (
        f"{decimal(expected)} of {counted(facts.n, 'customer')} {are(facts.n)} expected to order "
        f"in {window} ({share(expected / facts.n)})"
    )
    others = [
        f"{decimal(n)} in {counted(days, 'day')}"
        for days, n in facts.by_horizon
        if n is not None and days != facts.horizon_days
    ]
    if others:
        words += f"; {', '.join(others)}"
    return words + "."


def _due_table(facts: NextPurchaseFacts, figures: Figures) -> TextTable:
    champion = facts.decision.kind if facts.decision else ""
    tested = _of_day(figures, champion, DAYS_OFF)
    numbers = ["Customers", f"To order in {counted(facts.horizon_days, 'day')}"]
    numbers += ["Due so then", "Right then"] if tested else []
    learnt = sorted(days for days, n in facts.by_horizon if n is not None)
    rows = []
    for one in facts.due:
        before = max((days for days in learnt if days < (one.within_days or 10**6)), default=0)
        name = _due_in_words(one.within_days, before)
        row = [name, f"{one.n:,}", decimal(one.n_expected)]
        if tested:
            metric = due_within(one.within_days) if one.within_days else due_after(before)
            then = _of_day(figures, champion, metric)
            row += [share(then.n / tested.n), figure_of(then, is_share=True)] if then else ["", ""]
        rows.append(row)
    caption = "When the next order is due"
    if tested:
        caption += (
            f"; and of {counted(tested.n, 'customer')} looked at on {day_in_words(tested.cutoff)} "
            "the share that was due so, and the share of those who had ordered by then, or not by "
            "then of those due later"
        )
    return TextTable(caption, ["Due", *numbers], rows, numbers)


def _due_in_words(within_days: int | None, before: int) -> str:
    if within_days is None:
        return f"later than {counted(before, 'day')}"
    return f"after {before} to {_days(within_days)}" if before else f"within {_days(within_days)}"


def _days(n: int) -> str:
    return counted(n, "day")


def _overdue(facts: NextPurchaseFacts, window: str) -> list[Block]:
    """Name who has been silent for longer than usual, those with most orders first."""
    if not facts.n_overdue:
        return []
    words = (
        f"{counted(facts.n_overdue, 'customer')} {are(facts.n_overdue)} overdue: with at least "
        f"{counted(FEWEST_ORDER_DAYS, 'order day')}, and silent for more than {OVERDUE_GAPS} of "
        f"their own mean gaps. {decimal(facts.n_overdue_expected)} of them are expected to order "
        f"in {window} all the same."
    )
    numbers = ["Order days", "Mean gap, days", "Silent for", "Chance to order"]
    rows = [
        [
            one.customer_id,
            f"{one.n_order_days:,}",
            decimal(one.mean_gap_days, 1),
            _days(one.days_since_order),
            share(one.order_probability),
        ]
        for one in facts.overdue
    ]
    caption = (
        "About to be lost: who ordered most often of those overdue whose chance to order in "
        f"{window} is below a half"
    )
    table = [TextTable(caption, ["Customer", *numbers], rows, numbers)] if rows else []
    return [Text(words), *table]


def _of_day(figures: Figures, name: str, metric: str) -> MetricRow | None:
    """Give a figure of the day, whichever horizon was the longest that could be tested."""
    found = {
        int(of.removeprefix(f"{metric}.").removesuffix("d")): row
        for (model, of), row in figures.items()
        if model == name and of.startswith(f"{metric}.")
    }
    return found[max(found)] if found else None


def _names(figures: Figures) -> list[str]:
    return [name for name in WORDS if (name, LOG_LOSS) in figures]


def _quality(facts: NextPurchaseFacts, figures: Figures) -> list[Block]:
    """Show each candidate beside the rules on the cut-offs that none had seen."""
    names = _names(figures)
    if not names:
        return []
    blocks: list[Block] = []
    if facts.decision:
        blocks.append(Text(why_in_words(facts.decision, WORDS), is_verdict=True))
    blocks.append(_chances_table(facts, figures, names))
    off = _of_day(figures, names[0], DAYS_OFF)
    if off is not None:
        blocks.append(_days_table(figures, names, off))
    return blocks


def _chances_table(facts: NextPurchaseFacts, figures: Figures, names: Sequence[str]) -> TextTable:
    def auc(name: str, days: int) -> MetricRow | None:
        metric = AUC if days == facts.horizon_days else of_horizon(AUC, days)
        return figures.get((name, metric))

    first = figures[names[0], LOG_LOSS]
    tested = {days: row for days, _ in facts.by_horizon if (row := auc(names[0], days))}
    caption = (
        f"{_days(facts.horizon_days)} from {day_in_words(first.cutoff)} on, "
        f"{unseen(facts.decision)}: log loss, how far chances in ten groups were off, and the "
        "share of pairs of a customer who ordered and one who did not that stood in the right "
        "order (AUC)"
    )
    longer = [
        f"{_days(days)} from {day_in_words(row.cutoff)} on"
        for days, row in tested.items()
        if days > facts.horizon_days
    ]
    if longer:
        caption += f"; {' and '.join(longer)}, by what had been learnt before that"
    numbers = ["Log loss", "Chances off", *[f"AUC {_days(days)}" for days in tested]]
    rows = [
        [
            WORDS[name],
            figure_of(figures.get((name, LOG_LOSS)), is_share=False),
            figure_of(figures.get((name, "calibration_error")), is_share=False),
            *[figure_of(auc(name, days), is_share=False) for days in tested],
        ]
        for name in names
    ]
    return TextTable(caption, ["Model", *numbers], rows, numbers)


def _days_table(figures: Figures, names: Sequence[str], off: MetricRow) -> TextTable:
    longest = int(off.metric.rpartition(".")[2].removesuffix("d"))
    plain = _of_day(figures, names[0], GAP_DAYS_OFF)
    caption = (
        f"The day of the next order, told on {day_in_words(off.cutoff)} for {_days(longest)}: how "
        "many days it was off, and the share of customers whose day lay in the interval, beside "
        "the chance that was given for that"
    )
    if plain is not None and plain.value is not None:
        caption += (
            ". With the last order plus the customer's own mean gap, days off are "
            f"{decimal(plain.value, 1)}"
        )
    numbers = ["Days off", "CRPS", "In the interval", "Said"]
    rows = []
    for name in names:
        days_off, crps, inside, said = (
            _of_day(figures, name, metric)
            for metric in (DAYS_OFF, CRPS, COVERAGE, EXPECTED_COVERAGE)
        )
        cells = [figure(one.value if one else None, 1) for one in (days_off, crps)]
        cells += [figure_of(one, is_share=True) for one in (inside, said)]
        rows.append([WORDS[name], *cells])
    return TextTable(caption, ["Model", *numbers], rows, numbers)


def _lines(facts: NextPurchaseFacts, figures: Figures) -> tuple[str, ...]:
    by_horizon = [f"{decimal(n)} in {_days(days)}" for days, n in facts.by_horizon if n is not None]
    expected = f"of {counted(facts.n, 'customer')} expected to order: {', '.join(by_horizon)}"
    lines = ["Next purchase (scores.customer_next_purchase)"]
    lines += textwrap.wrap(expected, 98, initial_indent="  ", subsequent_indent="    ")
    names = _names(figures)
    if names:
        row = figures[names[0], LOG_LOSS]
        lines += [
            *unseen_on_console(f"How good next purchase is: on {row.cutoff}", facts.decision),
            "  " + " " * 26 + f"{'log loss':>14}{'AUC':>14}{'days off':>14}",
        ]
        for name in names:
            found = [
                figures.get((name, LOG_LOSS)),
                figures.get((name, AUC)),
                _of_day(figures, name, DAYS_OFF),
            ]
            shown = "".join(f"{figure_of(one, is_share=False):>14}" for one in found)
            lines.append(f"  {name:<26}{shown}".rstrip())
    return (*lines, *champion_on_console(facts.decision))
