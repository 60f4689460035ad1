"""RFM scores and segments, on the page and on the console."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.report.blocks import Cell, HeatMap, Section, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.shares import why_no_shares
from crm_spark.report.subject import ReportRequest, Subject
from crm_spark.report.words import money, plain, share
from crm_spark.words import counted, noun

SCORES = (5, 4, 3, 2, 1)
LEAD = (
    "Each customer gets a score of 1 to 5 for how recently and how often they ordered and for "
    "how much they bought. Equal customers have equal scores: where many have one order, its score "
    "for how often is in the middle. Segments go by scores and, where it matters, by the number of "
    "orders."
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

    @property
    def n_customers(self) -> int:
        """All customers with scores."""
        return sum(row.n for row in self.segments)

    @property
    def spend(self) -> float:
        """What all of them bought."""
        return sum(row.spend for row in self.segments)

    @property
    def why_no_shares(self) -> str | None:
        """Why segments and cells are not shown as parts of all that was bought, if so."""
        of_segments, of_cells = (
            [row.spend for row in rows] for rows in (self.segments, self.cells)
        )
        return why_no_shares([*of_segments, *of_cells], "some of these customers")


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
        [*_leads(facts), _grid(facts, style), _table(facts, style)],
    )
    return Subject((section,), lines=_lines(facts))


def _leads(facts: RfmFacts) -> list[Text]:
    leads = [LEAD]
    if facts.n_customers == 1:
        leads.append("There is one customer, and nobody to compare with: the scores say nothing.")
    elif len(facts.segments) == len(facts.cells) == 1:
        leads.append(
            f"All {counted(facts.n_customers, 'customer')} have the same scores for how recently "
            "and how often they ordered: RFM does not tell them apart."
        )
    if why := facts.why_no_shares:
        leads.append(why)
    return [Text(lead) for lead in leads]


def _lines(facts: RfmFacts) -> tuple[str, ...]:
    why = facts.why_no_shares

    def bought(row: RfmSegmentFacts) -> str:
        if why:
            return f"{row.spend:>14,.2f} bought"
        return f"{row.spend / facts.spend:>6.1%} of spend"

    return (
        "RFM segments (scores.customer_rfm)",
        *[
            f"  {row.name:<22}{row.n:>9,} {noun(row.n, 'customer'):<9} "
            f"{row.n / facts.n_customers:>6.1%}   {bought(row)}"
            for row in facts.segments
        ],
        *([f"  {why}"] if why else []),
    )


def _grid(facts: RfmFacts, style: ReportSection) -> HeatMap:
    cells = {(row.recency_score, row.frequency_score): row for row in facts.cells}
    most = max((row.n for row in facts.cells), default=1)
    has_shares = facts.why_no_shares is None
    shown = "their share of all that was bought" if has_shares else "what each bought"

    def cell(recency: int, frequency: int) -> Cell:
        row = cells.get((recency, frequency))
        if row is None:
            return Cell("0", "", 0.0)
        each = money(style, row.spend / row.n)
        note = share(row.spend / facts.spend, 1) if has_shares else each
        return Cell(f"{row.n:,}", note, row.n / most)

    def title(score: int, best: str, worst: str) -> str:
        return f"{score} {({5: best, 1: worst}).get(score, '')}".strip()

    return HeatMap(
        f"Customers by recency and frequency score (5 is best), with {shown}",
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
    has_shares = facts.why_no_shares is None
    bought = "Of all bought" if has_shares else "Bought"
    columns = ["Segment", "Customers", "Of customers", bought, "A customer"]
    return TextTable(
        "Named segments, by what they bought (scores.customer_rfm)",
        columns,
        [
            [
                plain(row.name),
                f"{row.n:,}",
                share(row.n / facts.n_customers, 1),
                share(row.spend / facts.spend, 1) if has_shares else money(style, row.spend),
                money(style, row.spend / row.n),
            ]
            for row in facts.segments
        ],
        numbers=columns[1:],
    )
