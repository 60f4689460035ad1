"""Who is alike."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.report import charts
from crm_spark.report.blocks import (
    Block,
    Picture,
    Section,
    Text,
    TextTable,
)
from crm_spark.report.content.inputs import ReportInputs, Values
from crm_spark.report.content.words import (
    feature_in_words,
    money,
    number,
    share,
)


def segments_section(held: ReportInputs) -> Section | None:
    """Give the segments, their shares and what sets each apart."""
    if not held.segments:
        return None
    champion = held.champions.get("crm_spark_segments")
    blocks: list[Block] = []
    if champion:
        blocks.append(Text(f"{champion['why'][:1].upper()}{champion['why'][1:]}."))
    labels = [f"{row['segment_id']} {_wrapped(row['segment_name'])}" for row in held.segments]
    largest = max(held.segments, key=lambda row: row["spend_share"] or 0.0)
    blocks.append(
        Picture(
            charts.pairs_of_bars(
                "segment-shares",
                f"Share of customers and of all bought of {len(labels)} segments; segment "
                f"{largest['segment_id']} has {share(largest['customer_share'])} of the customers "
                f"and {share(largest['spend_share'])} of what was bought",
                labels,
                {
                    "of customers": [row["customer_share"] for row in held.segments],
                    "of all bought": [row["spend_share"] or 0.0 for row in held.segments],
                },
                x_label="share",
            ),
            "How many customers each segment has, and how much of all that was bought is theirs.",
        )
    )
    figures = {(row["model_name"], row["metric"]): row["value"] for row in held.segment_metrics}
    curve = sorted(
        (int(metric.removeprefix("silhouette.k")), value)
        for (_, metric), value in figures.items()
        if metric.startswith("silhouette.k")
    )
    if len(curve) > 1:
        best = max(curve, key=lambda point: point[1])
        blocks.append(
            Picture(
                charts.lines(
                    "silhouette",
                    f"Silhouette for {curve[0][0]} to {curve[-1][0]} segments, highest "
                    f"{best[1]:.3f} at {best[0]}",
                    [charts.Line("k-means", [float(k) for k, _ in curve], [v for _, v in curve])],
                    x_label="number of segments",
                    y_label="silhouette",
                    ticks={float(k): str(k) for k, _ in curve},
                ),
                "How clearly the segments are set apart, by their number.",
            )
        )
    blocks.append(
        TextTable(
            "Who is in each segment (scores.segment_profiles): means, beside the mean of all",
            [
                "Segment",
                "Customers",
                "Orders",
                "Days since the last",
                "Bought",
                "An order",
                "What sets it apart",
            ],
            [
                [
                    f"{row['segment_id']} {row['segment_name']}",
                    f"{row['n_customers']:,}",
                    f"{row['mean_n_orders']:,.1f}",
                    f"{row['mean_days_since_last_order']:,.0f}",
                    money(held, row["mean_spend_amount"]),
                    money(held, row["mean_spend_per_order"]),
                    _apart(row["apart"]),
                ]
                for row in held.segments
            ],
            numbers=["Customers", "Orders", "Days since the last", "Bought", "An order"],
        )
    )
    rule = figures.get(("spend_groups", "silhouette"))
    ours = figures.get(("kmeans", "silhouette"))
    if rule is not None and ours is not None:
        blocks.append(
            Text(
                f"Beside the rule that cuts customers into groups of equal size by spend: "
                f"silhouette {ours:.3f} against {rule:.3f}, variance explained "
                f"{figures['kmeans', 'explained_share']:.0%} against "
                f"{figures['spend_groups', 'explained_share']:.0%}."
            )
        )
    return Section("segments", "Who is alike", blocks)


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


def _apart(apart: Sequence[Values]) -> str:
    return "; ".join(
        f"{feature_in_words(row['feature'])} {number(row['mean'])} "
        f"(all: {number(row['base_mean'])})"
        for row in apart[:3]
    )
