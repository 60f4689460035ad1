"""The customer base, and its RFM grid."""

from __future__ import annotations

from crm_spark.report import charts
from crm_spark.report.blocks import (
    Block,
    Cell,
    HeatMap,
    Picture,
    Section,
    Text,
    TextTable,
    Tile,
)
from crm_spark.report.content.inputs import ReportInputs
from crm_spark.report.content.words import (
    day_in_words,
    money,
    plain,
    share,
)


def tiles(held: ReportInputs) -> list[Tile]:
    """Give the figures of the head of the page."""
    base = held.base
    tiles = [
        Tile("Customers", f"{base['n_customers']:,}", "with an order before this day"),
        Tile("Active", f"{base['n_active']:,}", f"ordered in the last {base['active_days']} days"),
        Tile(
            "Orders",
            f"{base['n_orders']:,}",
            f"{base['n_orders'] / base['n_customers']:,.1f} a customer",
        ),
        Tile(
            "Bought",
            money(held, base["spend"]),
            f"{money(held, base['spend'] / base['n_orders'], cents=True)} an order",
        ),
    ]
    if held.churn:
        tiles.append(
            Tile(
                "Expected to leave",
                f"{held.churn['expected']:,.0f}",
                f"of {held.churn['n']:,} active customers, in {held.churn['horizon_days']} days",
            )
        )
    rejected = sum(row["rows_rejected"] for row in held.sources)
    read = sum(row["rows_read"] for row in held.sources)
    if read:
        tiles.append(Tile("Rows rejected", f"{rejected:,}", f"of {read:,} read"))
    return tiles


def base_section(held: ReportInputs) -> Section:
    """Give the customer base at a glance, and its months."""
    base = held.base
    blocks: list[Block] = [
        Text(
            f"{base['n_customers']:,} customers placed {base['n_orders']:,} orders from "
            f"{day_in_words(base['first_day'])} to {day_in_words(base['last_day'])} and bought for "
            f"{money(held, base['spend'])}"
            + (f"; {money(held, base['returned'])} came back." if base["returned"] else ".")
        )
    ]
    months = held.months
    if len(months) > 1:
        labels = [row["month"] for row in months]
        best = max(months, key=lambda row: row["spend"])
        note = "The first and the last month may be incomplete."
        blocks += [
            Picture(
                charts.bars(
                    "months-spend",
                    f"Amount bought a month, {labels[0]} to {labels[-1]}; most in {best['month']} "
                    f"with {money(held, best['spend'])}",
                    labels,
                    [row["spend"] for row in months],
                    y_label="bought",
                ),
                f"Bought, by month. {note}",
            ),
            Picture(
                charts.bars(
                    "months-customers",
                    f"Customers with an order in each month, {labels[0]} to {labels[-1]}: from "
                    f"{months[0]['n_customers']:,} to {months[-1]['n_customers']:,}",
                    labels,
                    [row["n_customers"] for row in months],
                    y_label="customers",
                ),
                f"Customers with an order, by month. {note}",
            ),
        ]
    return Section("base", "The customer base", blocks)


def rfm_section(held: ReportInputs) -> Section | None:
    """Give the RFM grid and the named segments."""
    if not held.rfm_segments:
        return None
    customers = sum(row["n"] for row in held.rfm_segments)
    spend = sum(row["spend"] for row in held.rfm_segments) or 1.0
    cells = {(row["recency_score"], row["frequency_score"]): row for row in held.rfm_cells}
    most = max((row["n"] for row in held.rfm_cells), default=1)
    scores = (5, 4, 3, 2, 1)

    def cell(recency: int, frequency: int) -> Cell:
        row = cells.get((recency, frequency))
        if row is None:
            return Cell("0", "", 0.0)
        return Cell(f"{row['n']:,}", f"{row['spend'] / spend:.1%}", row["n"] / most)

    ends = {"latest": "longest ago", "most often": "least often"}
    titles = {
        (best, score): f"{score} {({5: best, 1: worst}).get(score, '')}".strip()
        for best, worst in ends.items()
        for score in scores
    }
    grid = HeatMap(
        "Customers by recency and frequency score (5 is best), with their share of all that was "
        "bought",
        "Recency",
        "Frequency",
        [
            (titles["latest", score], [cell(score, other) for other in reversed(scores)])
            for score in scores
        ],
        [titles["most often", score] for score in reversed(scores)],
    )
    rows = [
        [
            plain(row["rfm_segment"]),
            f"{row['n']:,}",
            share(row["n"] / customers, 1),
            share(row["spend"] / spend, 1),
            money(held, row["spend"] / row["n"]),
        ]
        for row in held.rfm_segments
    ]
    table = TextTable(
        "Named segments, by what they bought (scores.customer_rfm)",
        ["Segment", "Customers", "Of customers", "Of all bought", "A customer"],
        rows,
        numbers=["Customers", "Of customers", "Of all bought", "A customer"],
    )
    lead = (
        "Each customer gets a score of 1 to 5 for how recently and how often they ordered and for "
        "how much they bought. Equal customers have equal scores."
    )
    return Section("rfm", "Recency, frequency, monetary value", [Text(lead), grid, table])
