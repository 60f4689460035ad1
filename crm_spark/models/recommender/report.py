"""Recommendations on the page and on the console: what to offer, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping

from crm_spark.models.recommender.facts import ExampleCustomer, OffersFacts, RecommendationsFacts
from crm_spark.models.recommender.section import Policy
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Block, Card, Cards, Section, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words, money, with_interval
from crm_spark.words import counted

WORDS = {
    "popular": "rule: the most popular products",
    "buy_again": "rule: what the customer buys most",
    "als": "ALS matrix factorisation",
    "ladder": "what is recommended",
}


GLOSSARY = (
    ("nDCG at 10", "How many of ten offers were bought, the first counting most; at most 1"),
    ("Hit rate", "Share of customers who bought at least one of the ten"),
    ("Coverage", "Share of the products on sale that are offered to anyone"),
)


RANKING_METRICS = {
    "ndcg_at_10": "nDCG at 10",
    "hit_rate_at_10": "Hit rate at 10",
    "precision_at_10": "Precision at 10",
    "coverage_at_10": "Coverage at 10",
}


SOURCES = {
    "buy_again": "bought before",
    "als": "bought by customers like this one",
    "popular": "popular now",
}


ITSELF = "These purchases chose the order of the rungs, too, for want of earlier ones."


POLICIES_IN_WORDS: Mapping[Policy, str] = {
    "all": "whatever the customer is most likely to buy, bought before or not",
    "new_only": "only what the customer has never bought",
}


Figures = Mapping[tuple[str, str], MetricRow]


def show_recommendations(facts: RecommendationsFacts, style: ReportSection) -> Subject | None:
    """Lay out what is offered, how good it is, and some customers."""
    if facts.offers is None:
        return None
    value = {(row.model_name, row.metric): row for row in facts.metrics}
    blocks: list[Block] = [_lead(facts.offers)]
    if value:
        itself = " " + ITSELF if facts.decision and facts.decision.chose_itself else ""
        blocks.append(Text(_verdict(value) + itself, is_verdict=True))
    for policy, title in (
        ("all", "All products"),
        ("new_only", "Only products that the customer had not bought before"),
    ):
        blocks += _policy_table(value, policy, title)
    if facts.examples:
        blocks.append(Text("Some customers, each typical of a segment:"))
        blocks.append(Cards([_example(row, style) for row in facts.examples]))
    section = Section("recommendations", "What to offer", blocks)
    return Subject((section,), lines=_lines(facts))


def _lead(offers: OffersFacts) -> Text:
    parts = ", ".join(
        f"{n / offers.n_offers:.0%} {SOURCES.get(source, source)}"
        for source, n in sorted(offers.sources.items(), key=lambda one: -one[1])
    )
    return Text(
        f"{offers.n_customers:,} customers are offered {offers.n_offers:,} products: "
        f"{POLICIES_IN_WORDS[offers.policy]}. Of the offers {parts}."
    )


def _lines(facts: RecommendationsFacts) -> tuple[str, ...]:
    """Show what each way to recommend comes to, on purchases that none of them had seen."""
    value = {(row.model_name, row.metric): row for row in facts.metrics}
    if not value:
        return ()
    titles = {"all": "all products", "new_only": "new to the customer"}
    cutoff = next(iter(value.values())).cutoff
    lines = [
        "Recommendations (scores.product_recommendations): nDCG at 10 of what was bought from "
        f"{cutoff}",
        "  " + " " * 26 + "".join(f"{title:>22}" for title in titles.values()),
    ]
    for name in WORDS:
        rows = [value.get((name, f"ndcg_at_10.{policy}")) for policy in titles]
        cells = [row.value if row else None for row in rows]
        shown = "".join(" " * 22 if cell is None else f"{cell:>22.4f}" for cell in cells)
        lines.append(f"  {name:<26}{shown}".rstrip())
    if facts.decision and facts.decision.chose_itself:
        lines.append(f"  {ITSELF}")
    return tuple(lines)


def _policy_table(value: Figures, policy: str, title: str) -> list[Block]:
    names = [name for name in WORDS if (name, f"ndcg_at_10.{policy}") in value]
    if not names:
        return []
    first = value[names[0], f"ndcg_at_10.{policy}"]
    return [
        TextTable(
            f"{title}: what {counted(first.n, 'customer')} bought in the days from "
            f"{day_in_words(first.cutoff)}, beside ten offers made on what was known before",
            ["Offers", *RANKING_METRICS.values()],
            [
                [
                    WORDS[name],
                    *(
                        with_interval(
                            value.get((name, f"{metric}.{policy}")),
                            is_share=metric == "coverage_at_10",
                        )
                        for metric in RANKING_METRICS
                    ),
                ]
                for name in names
            ],
            numbers=list(RANKING_METRICS.values()),
        )
    ]


def _verdict(value: Figures) -> str:
    def ndcg(name: str, policy: str) -> float:
        row = value.get((name, f"ndcg_at_10.{policy}"))
        return row.value or 0.0 if row else 0.0

    als, again, popular = (ndcg(name, "all") for name in ("als", "buy_again", "popular"))
    if als > again:
        first = (
            f"ALS beats offering again what a customer buys most ({als:.3f} against {again:.3f})"
        )
    else:
        first = (
            "ALS does not beat offering again what a customer buys most "
            f"({als:.3f} against {again:.3f} nDCG at 10)"
        )
    new_als, new_popular = ndcg("als", "new_only"), ndcg("popular", "new_only")
    word = "beats" if new_als > new_popular else "does not beat"
    chance = ", which may be chance" if _overlap(value) and new_als > new_popular else ""
    return (
        f"{first}; popular products alone come to {popular:.3f}. For products new to the customer "
        f"ALS {word} the popular ones ({new_als:.3f} against {new_popular:.3f}{chance}): such "
        "purchases are hard to foresee for anyone."
    )


def _overlap(value: Figures) -> bool:
    """Whether the 95 % intervals of ALS and of the popular products overlap for new products."""
    als = value.get(("als", "ndcg_at_10.new_only"))
    popular = value.get(("popular", "ndcg_at_10.new_only"))
    if not als or not popular or als.low is None or popular.high is None:
        return False
    return als.low <= popular.high


def _example(row: ExampleCustomer, style: ReportSection) -> Card:
    subtitle = (
        f"{counted(row.n_orders, 'order')}, {money(style, row.spend_amount)} bought, last "
        f"{counted(row.days_since_last_order + 1, 'day')} ago"
    )
    title = f"Customer {row.customer_id}"
    if row.segment_name:
        title += f": {row.segment_name}"
    bought = [f"{one.name} ({one.n_orders}x)" for one in row.bought]
    offered = [f"{one.name} ({SOURCES.get(one.source, one.source)})" for one in row.offered]
    return Card(title, subtitle, [("Bought most", bought), ("Offered", offered)])
