"""What leaving means, on the page: after how long a silence customers come back."""

from __future__ import annotations

from crm_spark.models.churn.facts import ChurnFacts
from crm_spark.models.churn.return_curve import (
    ALL,
    FEW_RETURN,
    RARELY,
    RHYTHMS,
    lost_after,
    share_after,
)
from crm_spark.report import charts
from crm_spark.report.blocks import Picture, Section, Text
from crm_spark.report.words import share
from crm_spark.words import counted

_WORDS = {
    ALL: "all customers",
    "weekly": f"usually order within {counted(RHYTHMS['weekly'], 'day')}",
    "monthly": f"usually order within {counted(RHYTHMS['monthly'], 'day')}",
    RARELY: "order less often, or once",
}


def meaning_section(facts: ChurnFacts) -> Section | None:
    """Give the curve of returns, and what the horizon and others would mean."""
    lines = []
    for rhythm, title in _WORDS.items():
        of_rhythm = [one for one in facts.returns if one.rhythm == rhythm]
        if len(of_rhythm) > 1:
            x = [float(one.silent_days) for one in of_rhythm]
            lines.append(charts.Line(title, x, [one.share for one in of_rhythm]))
    if not lines:
        return None
    text = meaning_in_words(facts)
    picture = Picture(
        charts.lines(
            "returns",
            f"Share of silences that ended with an order, by how long they had lasted. {text}",
            lines,
            x_label="days without an order",
            y_label="came back later",
            are_shares=True,
        ),
        "Customers who came back later, by how many days they had been silent, and by their usual "
        "gap between orders (Kaplan and Meier 1958).",
    )
    return Section("churn-meaning", "What leaving means here", [Text(text), picture])


def meaning_in_words(facts: ChurnFacts) -> str:
    """Say how many of those called lost come back, and after how long few do."""
    known = share_after(facts.returns, facts.horizon_days)
    said = []
    if known is not None:
        silent = counted(known.silent_days, "day")
        said.append(f"Of silences of {silent}, {share(known.share)} ended with an order later.")
    few, last = lost_after(facts.returns), max(one.silent_days for one in facts.returns)
    few_in_words = f"fewer than {share(FEW_RETURN)} of them come back"
    if few is None:
        said.append(
            f"So far there is no silence after which {few_in_words}: {counted(last, 'day')} "
            "are seen."
        )
    elif few > facts.horizon_days:
        said.append(
            f"Who orders nothing in {counted(facts.horizon_days, 'day')} is called lost, and may "
            f"only be late; after {counted(few, 'day')} {few_in_words} (churn.horizon_days)."
        )
    else:
        said.append(f"After {counted(few, 'day')} already {few_in_words}.")
    return " ".join(said)
