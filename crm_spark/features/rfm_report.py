"""RFM scores and segments, on the page and on the console."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.report.blocks import Cell, HeatMap, Section, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import ReportRequest, Subject
from crm_spark.report.words import money, plain, share
from crm_spark.words import noun

SCORES = (5, 4, 3, 2, 1)
LEAD = (
    "Each customer gets a score of 1 to 5 for how recently and how often they ordered and for "
    "how much they bought. Equal customers have equal scores."
)


@dataclass(frozen=True)
class RfmCell:
    """The customers of one recency and one frequency score, and what they bought."""

    recency_score: int
    frequency_score: int
    n: int
    spend: float


@dataclass(frozen=True)
class RfmSegmentFacts:
    """The customers of one named segment, and what they bought."""

    name: str
    n: int
    spend: float


@dataclass(frozen=True)
class RfmFacts:
    """The cells of the grid that hold anybody, and the segments by falling spend."""

    cells: tuple[RfmCell, ...]
    segments: tuple[RfmSegmentFacts, ...]


def rfm_subject(request: ReportRequest) -> Subject | None:
    """Give the RFM scores of the date, if there are any."""
    facts = read_rfm(request)
    return show_rfm(facts, request.style) if facts else None


def read_rfm(request: ReportRequest) -> RfmFacts | None:
    """Count customers by score and by segment."""
    rows = request.of_date(CUSTOMER_RFM)
    if rows is None:
        return None
    cells = _counted(rows, "recency_score", "frequency_score").collect()  # at most 25
    segments = _counted(rows, "rfm_segment").orderBy(F.desc("spend"), "rfm_segment").collect()
    return RfmFacts(
        tuple(RfmCell(**row.asDict()) for row in cells),
        tuple(RfmSegmentFacts(row["rfm_segment"], row["n"], row["spend"]) for row in segments),
    )


def _counted(rows: DataFrame, *by: str) -> DataFrame:
    return rows.groupBy(*by).agg(F.count(F.lit(1)).alias("n"), F.sum("spend_amount").alias("spend"))


def show_rfm(facts: RfmFacts, style: ReportSection) -> Subject | None:
    """Lay the grid and the segments out; None without a segment."""
    if not facts.segments:
        return None
    section = Section(
        "rfm",
        "Recency, frequency, monetary value",
        [Text(LEAD), _grid(facts), _table(facts, style)],
    )
    return Subject((section,), lines=_lines(facts))


def _spend(facts: RfmFacts) -> float:
    return sum(row.spend for row in facts.segments) or 1.0


def _lines(facts: RfmFacts) -> tuple[str, ...]:
    customers, spend = sum(row.n for row in facts.segments), _spend(facts)
    return (
        "RFM segments (scores.customer_rfm)",
        *[
            f"  {row.name:<22}{row.n:>9,} {noun(row.n, 'customer'):<9} {row.n / customers:>6.1%}"
            f"   {row.spend / spend:>6.1%} of spend"
            for row in facts.segments
        ],
    )


def _grid(facts: RfmFacts) -> HeatMap:
    cells = {(row.recency_score, row.frequency_score): row for row in facts.cells}
    most = max((row.n for row in facts.cells), default=1)
    spend = _spend(facts)

    def cell(recency: int, frequency: int) -> Cell:
        row = cells.get((recency, frequency))
        if row is None:
            return Cell("0", "", 0.0)
        return Cell(f"{row.n:,}", f"{row.spend / spend:.1%}", row.n / most)

    def title(score: int, best: str, worst: str) -> str:
        return f"{score} {({5: best, 1: worst}).get(score, '')}".strip()

    return HeatMap(
        "Customers by recency and frequency score (5 is best), with their share of all that was "
        "bought",
        "Recency",
        "Frequency",
        [
            (
                title(score, "latest", "longest ago"),
                [cell(score, other) for other in reversed(SCORES)],
            )
            for score in SCORES
        ],
        [title(score, "most often", "least often") for score in reversed(SCORES)],
    )


def _table(facts: RfmFacts, style: ReportSection) -> TextTable:
    customers, spend = sum(row.n for row in facts.segments), _spend(facts)
    columns = ["Segment", "Customers", "Of customers", "Of all bought", "A customer"]
    return TextTable(
        "Named segments, by what they bought (scores.customer_rfm)",
        columns,
        [
            [
                plain(row.name),
                f"{row.n:,}",
                share(row.n / customers, 1),
                share(row.spend / spend, 1),
                money(style, row.spend / row.n),
            ]
            for row in facts.segments
        ],
        numbers=columns[1:],
    )
