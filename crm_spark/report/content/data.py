"""What the numbers rest on, what they cost, and what the words mean."""

from __future__ import annotations

from crm_spark.report.blocks import (
    Block,
    Section,
    Text,
    TextTable,
)
from crm_spark.report.content.inputs import ReportInputs
from crm_spark.report.content.words import money


def data_section(held: ReportInputs) -> Section:
    """Give the rows read, accepted and rejected, with the reasons, and the verdicts on the data."""
    blocks: list[Block] = [
        Text("Read = accepted + rejected + filtered + duplicate, for every table.")
    ]
    columns = ["Table", "Read", "Accepted", "Rejected", "Filtered", "Duplicate"]
    keys = ["rows_read", "rows_written", "rows_rejected", "rows_filtered", "rows_duplicate"]
    if held.sources:
        blocks.append(
            TextTable(
                "The newest ingest",
                columns,
                [[row["name"], *(f"{row[key]:,}" for key in keys)] for row in held.sources],
                numbers=columns[1:],
            )
        )
    cleaned = [
        [row["name"], told["effect"], f"{told['n_rows']:,}"]
        for row in held.sources
        for told in row.get("cleaned") or []
    ]
    if cleaned:
        told = "Accepted rows that a cleaning rule changed or marked in it"
        blocks.append(TextTable(told, ["Table", "What", "Rows"], cleaned, numbers=["Rows"]))
    if held.rejected:
        blocks.append(
            TextTable(
                "Rows that could not be used, by reason; a row may have several (ops.rejections; "
                "the rows are in core.*_rejected, and replay_rejected takes them in after a fix)",
                ["Table", "Reason", "Newest", "Still out", "Taken back"],
                [
                    [
                        row["table"],
                        row["reason"],
                        str(row["newest"]),
                        f"{row['n']:,}",
                        f"{row['n_taken_back']:,}",
                    ]
                    for row in held.rejected
                ],
                numbers=["Still out", "Taken back"],
            )
        )
    elif held.sources:
        blocks.append(Text("No row was rejected."))
    if held.unusual_prices:
        blocks.append(_prices(held))
    if held.checks:
        blocks.append(
            TextTable(
                "What the data lack, and what to do (ops.checks)",
                ["Job", "Level", "Verdict"],
                [[row["job"], row["level"], row["message"]] for row in held.checks],
            )
        )
    return Section("data", "What the numbers rest on", blocks)


def _prices(held: ReportInputs) -> TextTable:
    columns = ["Product", "Usual from", "Usual to", "Lowest", "Highest", "Lines", "Money"]
    keys = ["usual_from_price", "usual_to_price", "lowest_price", "highest_price"]
    rows = [
        [
            row["name"],
            *(money(held, row[key], cents=True) for key in keys),
            f"{row['n_unusual_lines']:,}",
            money(held, row["unusual_amount"]),
        ]
        for row in held.unusual_prices
    ]
    return TextTable(
        "Products with most money at prices far from their usual one: mistakes, lines that are no "
        "purchases, or deep discounts (features.product_prices)",
        columns,
        rows,
        numbers=columns[1:],
    )


def cost_section(held: ReportInputs) -> Section | None:
    """Give what each job took."""
    if not held.runs:
        return None
    columns = ["Job", "Seconds", "Core seconds", "Peak memory", "Shuffled", "Spilled"]
    rows = [
        [
            row["job"],
            f"{row['seconds']:,.1f}",
            "" if row["core_seconds"] is None else f"{row['core_seconds']:,.1f}",
            _bytes(row["peak_memory_bytes"]),
            _bytes(row["shuffle_bytes"]),
            _bytes(row["spill_bytes"]),
        ]
        for row in held.runs
    ]
    total = sum(row["seconds"] for row in held.runs)
    return Section(
        "cost",
        "What it cost",
        [
            Text(f"{len(rows)} jobs, {total:,.0f} seconds."),
            TextTable(
                "The newest run of each job (ops.job_runs)", columns, rows, numbers=columns[1:]
            ),
        ],
    )


def _bytes(value: int | None) -> str:
    if value is None:
        return ""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value} B"


def glossary_section() -> Section:
    """Give the meaning of the figures."""
    words = [
        ("AUC", "Chance that a customer who leaves is ranked above one who stays; .5 is a coin"),
        ("Brier score", "Mean squared distance of probability and outcome; lower is better"),
        ("Calibration error", "How far probabilities lie from what comes true, on average"),
        ("Lift at 10 %", "How many times more leavers the riskiest tenth holds than any tenth"),
        ("nDCG at 10", "How many of ten offers were bought, the first counting most; at most 1"),
        ("Hit rate", "Share of customers who bought at least one of the ten"),
        ("Coverage", "Share of the products on sale that are offered to anyone"),
        (
            "Silhouette",
            "How much nearer customers are to their own segment than to the next; at most 1",
        ),
    ]
    return Section(
        "words",
        "Words",
        [TextTable("What the figures mean", ["Word", "Meaning"], [list(pair) for pair in words])],
    )
