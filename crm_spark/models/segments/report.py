"""Segments on the page and on the console: who is alike."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.features.words import feature_in_words
from crm_spark.models.records import MetricRow
from crm_spark.models.segments.facts import ApartFeature, SegmentFacts, SegmentsFacts
from crm_spark.report import charts
from crm_spark.report.blocks import Block, Picture, Section, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.shares import why_no_shares
from crm_spark.report.subject import Subject
from crm_spark.report.words import money, number, share
from crm_spark.words import counted, noun

WORDS = {"kmeans": "k-means", "spend_groups": "rule: groups of equal size by spend"}


GLOSSARY = (
    (
        "Silhouette",
        "How much nearer customers are to their own segment than to the next; at most 1",
    ),
)


def show_segments(facts: SegmentsFacts, style: ReportSection) -> Subject | None:
    """Lay the segments out, with their shares and what sets each apart."""
    if not facts.segments:
        return None
    blocks: list[Block] = []
    if facts.decision:
        why = facts.decision.why
        blocks.append(Text(f"{why[:1].upper()}{why[1:]}."))
    blocks += [
        *([] if _has_shares(facts.segments) else [Text(_why_no_shares(facts.segments))]),
        _shares_picture(facts.segments),
        *_silhouette_picture(facts.metrics),
        _profiles_table(facts.segments, style),
        *_beside_the_rule(facts.metrics),
    ]
    return Subject((Section("segments", "Who is alike", blocks),), lines=_lines(facts.segments))


def _lines(segments: Sequence[SegmentFacts]) -> tuple[str, ...]:
    has_shares = _has_shares(segments)

    def bought(row: SegmentFacts) -> str:
        if has_shares:
            return f"{row.spend_share or 0.0:>6.1%} of spend"
        return f"{row.mean_spend_amount:>12,.2f} bought by each"

    return (
        "Segments of alike customers (scores.customer_segments)",
        *[
            f"  {row.segment_id:>2} {row.segment_name:<44}{row.n_customers:>9,} "
            f"{noun(row.n_customers, 'customer'):<9}{row.customer_share:>7.1%}   {bought(row)}"
            for row in segments
        ],
        *([] if has_shares else [f"  {_why_no_shares(segments)}"]),
    )


def _has_shares(segments: Sequence[SegmentFacts]) -> bool:
    return all(row.spend_share is not None for row in segments)


def _why_no_shares(segments: Sequence[SegmentFacts]) -> str:
    why = why_no_shares([row.mean_spend_amount for row in segments], "some segments")
    return why or "No shares of all that was bought are shown: they are not known."


def _shares_picture(segments: Sequence[SegmentFacts]) -> Picture:
    """Draw how many customers each segment has and, where there are such shares, what they buy."""
    labels = [f"{row.segment_id} {_wrapped(row.segment_name)}" for row in segments]
    of_customers = [row.customer_share for row in segments]
    whole, caption = "customers", "How many customers each segment has"
    drawn, ranked = {"of customers": of_customers}, of_customers
    if _has_shares(segments):
        ranked = [row.spend_share or 0.0 for row in segments]
        drawn["of all bought"] = ranked
        whole += " and of all bought"
        caption += ", and how much of all that was bought is theirs"
    largest = segments[ranked.index(max(ranked))]
    words = (
        f"Share of {whole} of {counted(len(labels), 'segment')}; segment {largest.segment_id} has "
        f"{share(largest.customer_share)} of the customers"
    )
    if _has_shares(segments):
        words += f" and {share(largest.spend_share)} of what was bought"
    chart = charts.pairs_of_bars("segment-shares", words, labels, drawn, x_label="share")
    return Picture(chart, f"{caption}.")


def _silhouette_picture(metrics: Sequence[MetricRow]) -> list[Block]:
    rows = [row for row in metrics if row.metric.startswith("silhouette.k")]
    curve = sorted(
        (int(row.metric.removeprefix("silhouette.k")), row.value)
        for row in rows
        if row.value is not None
    )
    if len(curve) < 2:
        return []
    n = rows[0].n
    best = max(curve, key=lambda point: point[1])
    return [
        Picture(
            charts.lines(
                "silhouette",
                f"Silhouette for {curve[0][0]} to {counted(curve[-1][0], 'segment')}, highest "
                f"{best[1]:.3f} at {best[0]}",
                [charts.Line("k-means", [float(k) for k, _ in curve], [v for _, v in curve])],
                x_label="number of segments",
                y_label="silhouette",
                ticks={float(k): str(k) for k, _ in curve},
            ),
            "How clearly the segments are set apart, by their number: of the "
            f"{counted(n, 'customer')} that the number was chosen on.",
        )
    ]


def _profiles_table(segments: Sequence[SegmentFacts], style: ReportSection) -> TextTable:
    numbers = ["Customers", "Orders", "Days since the last", "Bought", "An order"]
    return TextTable(
        "Who is in each segment (scores.segment_profiles): means, beside the mean of all",
        ["Segment", *numbers, "What sets it apart"],
        [
            [
                f"{row.segment_id} {row.segment_name}",
                f"{row.n_customers:,}",
                f"{row.mean_n_orders:,.1f}",
                f"{row.mean_days_since_last_order:,.0f}",
                money(style, row.mean_spend_amount),
                money(style, row.mean_spend_per_order),
                _apart(row.apart),
            ]
            for row in segments
        ],
        numbers=numbers,
    )


def _beside_the_rule(metrics: Sequence[MetricRow]) -> list[Block]:
    figures = {(row.model_name, row.metric): row.value for row in metrics}
    rule = figures.get(("spend_groups", "silhouette"))
    ours = figures.get(("kmeans", "silhouette"))
    explained = [figures.get((kind, "explained_share")) or 0.0 for kind in WORDS]
    if rule is None or ours is None:
        return []
    n = next(row.n for row in metrics if row.metric == "explained_share")
    return [
        Text(
            f"Beside the rule that cuts customers into groups of equal size by spend: "
            f"silhouette {ours:.3f} against {rule:.3f}, variance explained "
            f"{explained[0]:.0%} against {explained[1]:.0%}. Measured on {counted(n, 'customer')}, "
            "with centres found on others; features are standardised on all. k-means is fitted to "
            "these figures and the rule is not: it is ahead even where customers form no groups."
        )
    ]


def _wrapped(name: str) -> str:
    """Break a long name over lines of a chart."""
    words = name.split(", ")
    lines = [""]
    for place, word in enumerate(words):
        text = word + ("," if place < len(words) - 1 else "")
        if lines[-1] and len(lines[-1]) + len(text) > 24:
            lines.append(text)
        else:
            lines[-1] = f"{lines[-1]} {text}".strip()
    return "\n".join(lines)


def _apart(apart: Sequence[ApartFeature]) -> str:
    return "; ".join(
        f"{feature_in_words(row.feature)} {number(row.mean)} (all: {number(row.base_mean)})"
        for row in apart[:3]
    )
