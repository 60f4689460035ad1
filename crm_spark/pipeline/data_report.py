"""What the numbers rest on, on the page and on the console: rows, prices, verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.pipeline.data_facts import DataFacts, RejectedReason, SourceCounts, UnusualPrice
from crm_spark.report.blocks import Block, Section, Text, TextTable, Tile
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject
from crm_spark.report.words import money
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.words import are, counted


def show_data(facts: DataFacts, style: ReportSection) -> Subject:
    """Lay out the rows read, accepted and rejected, with the reasons, and the verdicts."""
    blocks: list[Block] = [
        Text("Read = accepted + rejected + filtered + duplicate, for every table.")
    ]
    if facts.sources:
        blocks.append(_sources_table(facts.sources))
    blocks += _cleaned_table(facts.sources)
    if facts.rejected:
        blocks.append(_rejected_table(facts.rejected))
    elif facts.sources:
        blocks.append(Text("No row was rejected."))
    if facts.unusual_prices:
        blocks.append(_prices_table(facts.unusual_prices, style))
    if facts.checks or facts.ingest_checks:
        blocks.append(
            TextTable(
                "What the data lack, and what to do (ops.checks)",
                ["Job", "Level", "Verdict"],
                [
                    [row.job, row.level, row.message]
                    for row in (*facts.ingest_checks, *facts.checks)
                ],
            )
        )
    section = Section("data", "What the numbers rest on", blocks)
    alerts = tuple(row.message for row in facts.ingest_checks if row.level == "error")
    return Subject((section,), _tiles(facts.sources), _lines(facts), alerts)


def _tiles(sources: Sequence[SourceCounts]) -> tuple[Tile, ...]:
    rejected = sum(row.rows_rejected for row in sources)
    read = sum(row.rows_read for row in sources)
    return (Tile("Rows rejected", f"{rejected:,}", f"of {read:,} read"),) if read else ()


def _lines(facts: DataFacts) -> tuple[str, ...]:
    still_out = sum(row.n for row in facts.rejected if row.table == TRANSACTIONS.name)
    of_lines = [row for row in facts.sources if row.name == TRANSACTIONS.name]
    lost = [f"Attention: {row.message}" for row in facts.ingest_checks if row.level == "error"]
    read = [
        f"Data: the newest ingest read {counted(row.rows_read, 'order line')}; of all, "
        f"{still_out:,} {are(still_out)} rejected"
        for row in of_lines
    ]
    return (*lost, *read)


def _sources_table(sources: Sequence[SourceCounts]) -> TextTable:
    columns = ["Table", "Read", "Accepted", "Rejected", "Filtered", "Duplicate"]
    rows = [
        [
            row.name,
            *(
                f"{n:,}"
                for n in (
                    row.rows_read,
                    row.rows_written,
                    row.rows_rejected,
                    row.rows_filtered,
                    row.rows_duplicate,
                )
            ),
        ]
        for row in sources
    ]
    return TextTable("The newest ingest", columns, rows, numbers=columns[1:])


def _cleaned_table(sources: Sequence[SourceCounts]) -> list[Block]:
    rows = [[row.name, effect, f"{n:,}"] for row in sources for effect, n in row.cleaned.items()]
    caption = "Accepted rows that a cleaning rule changed or marked in it"
    return [TextTable(caption, ["Table", "What", "Rows"], rows, numbers=["Rows"])] if rows else []


def _rejected_table(rejected: Sequence[RejectedReason]) -> TextTable:
    return TextTable(
        "Rows that could not be used, by reason; a row may have several (ops.rejections; "
        "the rows are in core.*_rejected, and replay_rejected takes them in after a fix)",
        ["Table", "Reason", "Newest", "Still out", "Taken back"],
        [
            [row.table, row.reason, str(row.newest), f"{row.n:,}", f"{row.n_taken_back:,}"]
            for row in rejected
        ],
        numbers=["Still out", "Taken back"],
    )


def _prices_table(prices: Sequence[UnusualPrice], style: ReportSection) -> TextTable:
    columns = ["Product", "Usual from", "Usual to", "Lowest", "Highest", "Lines", "Money"]
    rows = [
        [
            row.name,
            *(
                money(style, price, cents=True)
                for price in (
                    row.usual_from_price,
                    row.usual_to_price,
                    row.lowest_price,
                    row.highest_price,
                )
            ),
            f"{row.n_unusual_lines:,}",
            money(style, row.unusual_amount),
        ]
        for row in prices
    ]
    return TextTable(
        "Products with most money at prices far from their usual one: mistakes, lines that are no "
        "purchases, or deep discounts (features.product_prices)",
        columns,
        rows,
        numbers=columns[1:],
    )
