"""What leaving means, on the page: after how long a silence customers come back."""

from __future__ import annotations

from collections.abc import Sequence

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
            f"Share of silent customers who came back, by how long they had been silent. {text}",
            lines,
            x_label="days without an order",
            y_label=f"came back within {counted(facts.returns[0].within_days, 'day')}",
            ticks=_day_ticks([one.silent_days for one in facts.returns if one.rhythm == ALL]),
            are_shares=True,
        ),
        "Customers who came back, by how many days they had been silent, and by their usual gap "
        "between orders (Kaplan and Meier 1958).",
    )
    return Section("churn-meaning", "What leaving means here", [Text(text), picture])


def _day_ticks(days: Sequence[int]) -> dict[float, str]:
    """Give as many of the days as have room beside each other."""
    room, ticks = max(days) / 10, [days[0]]
    for day in days[1:]:
        if day - ticks[-1] >= room:
            ticks.append(day)
    return {float(day): f"{day}" for day in ticks}


def meaning_in_words(facts: ChurnFacts) -> str:
    """Say how many of those called lost come back, and after how long few do."""
    within = counted(facts.returns[0].within_days, "day")
    horizon, few_share = counted(facts.horizon_days, "day"), share(FEW_RETURN)
    known, few = share_after(facts.returns, facts.horizon_days), lost_after(facts.returns)
    said = (
        [f"What leaving is, was left to the data: {facts.chosen.in_words}."] if facts.chosen else []
    )
    if known is not None:
        silent = counted(known.silent_days, "day")
        said.append(
            f"Of customers silent for {silent}, {share(known.share)} came back within {within}."
        )
        if known.share > FEW_RETURN:
            part = "most" if known.share > 0.5 else "some"
            said.append(
                f"So {part} of those who are called lost, as they order nothing in {horizon}, are "
                "only late."
            )
    if few is None:
        last = counted(max(one.silent_days for one in facts.returns), "day")
        said.append(f"After silences of up to {last}, more than {few_share} came back.")
    elif few > facts.horizon_days:
        said.append(
            f"After {counted(few, 'day')} fewer than {few_share} come back (churn.horizon_days)."
        )
    else:
        said.append(f"After {counted(few, 'day')} already fewer than {few_share} came back.")
    return " ".join(said)
