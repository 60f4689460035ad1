"""Recommendations on the page and on the console: what to offer, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping

from crm_spark.models.recommender.facts import ExampleCustomer, OffersFacts, RecommendationsFacts
from crm_spark.models.recommender.section import Policy
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Block, Card, Cards, Section, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words, money, share, with_interval
from crm_spark.words import are, counted, verb

WORDS = {
    "popular": "rule: the most popular products",
    "buy_again": "rule: what the customer buys most",
    "als": "ALS matrix factorisation",
    "ladder": "what is recommended",
}


GLOSSARY = (
    (
        "nDCG at 10",
        "How many of the first ten offers were bought, the first counting most; at most 1",
    ),
    ("Hit rate", "Share of customers who bought at least one of the first ten"),
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


ONE_PRODUCT = (
    "With one product on sale there is nothing else to recommend: every way to recommend offers it."
)
NOTHING_NEW = (
    "Nobody bought a product new to them in these days, so that nothing is known of offering such."
)


Figures = Mapping[tuple[str, str], MetricRow]


def show_recommendations(facts: RecommendationsFacts, style: ReportSection) -> Subject | None:
    """Lay out what is offered, how good it is, and some customers."""
    if facts.offers is None:
        return None
    value = {(row.model_name, row.metric): row for row in facts.metrics}
    blocks: list[Block] = [Text(sentence) for sentence in _leads(facts.offers)]
    if facts.offers.n_on_sale == 1:
        blocks.append(Text(ONE_PRODUCT, is_verdict=True))
    elif value:
        blocks += _quality(facts, value)
    if facts.examples:
        typical = all(row.segment_name for row in facts.examples)
        blocks.append(Text(f"Some customers{', each typical of a segment' if typical else ''}:"))
        blocks.append(Cards([_example(row, style) for row in facts.examples]))
    section = Section("recommendations", "What to offer", blocks)
    return Subject((section,), lines=_lines(facts))


def _quality(facts: RecommendationsFacts, value: Figures) -> list[Block]:
    itself = " " + ITSELF if facts.decision and facts.decision.chose_itself else ""
    return [
        Text(_verdict(value) + itself, is_verdict=True),
        *_policy_table(value, "all", "All products"),
        *_policy_table(value, "new_only", "Only products that the customer had not bought before"),
    ]


def _leads(offers: OffersFacts) -> list[str]:
    """Say what is offered to how many, and where there is less to offer than was asked for."""
    n, has = offers.n_without, verb(offers.n_without, "has", "have")
    again = "with recommendations.policy: all it is offered again."
    if not offers.n_customers and offers.policy == "all":
        return ["There is nothing to offer: no product is on sale."]
    if not offers.n_customers:
        return [
            f"There is nothing new to offer: {counted(n, 'customer')} {has} bought all that is on "
            f"sale; {again}"
        ]
    sources = ", ".join(
        f"{share(n_offers / offers.n_offers)} {SOURCES.get(source, source)}"
        for source, n_offers in sorted(offers.sources.items(), key=lambda one: -one[1])
    )
    leads = [f"{_offered(offers)}. Of the offers {sources}."]
    if n and offers.policy == "new_only":
        leads.append(
            f"{counted(n, 'other customer')} {has} bought all that is on sale, and {are(n)} "
            f"offered nothing; {again}"
        )
    return leads


def _offered(offers: OffersFacts) -> str:
    """Say in numbers what is offered, and under which policy."""
    n = offers.n_customers
    each = counted(offers.most, "product")
    if offers.fewest < offers.most:
        each = f"{offers.fewest:,} to {each}"
    who = f"{counted(n, 'customer')} {are(n)} offered {each}{'' if n == 1 else ' each'}"
    policy = POLICIES_IN_WORDS[offers.policy]
    if offers.n_on_sale == 1:
        return f"{who}, the only one on sale"
    if offers.n_on_sale:
        return f"{who}, all that are on sale ({offers.n_asked:,} were asked for): {policy}"
    different = "" if n == 1 else f", {offers.n_products:,} different in all"
    return f"{who}{different}: {policy}"


def _lines(facts: RecommendationsFacts) -> tuple[str, ...]:
    """Show what each way to recommend comes to, on purchases that none of them had seen."""
    value = {(row.model_name, row.metric): row for row in facts.metrics}
    if not value:
        return ()
    if facts.offers and facts.offers.n_on_sale == 1:
        return ("Recommendations (scores.product_recommendations)", f"  {ONE_PRODUCT}")
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
            f"{day_in_words(first.cutoff)}, beside up to ten offers made on what was known before",
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
    first += f"; popular products alone come to {popular:.3f}."
    if not any(metric.endswith(".new_only") for _, metric in value):
        return f"{first} {NOTHING_NEW}"
    new_als, new_popular = ndcg("als", "new_only"), ndcg("popular", "new_only")
    word = "beats" if new_als > new_popular else "does not beat"
    chance = ", which may be chance" if _overlap(value) and new_als > new_popular else ""
    return (
        f"{first} For products new to the customer ALS {word} the popular ones ({new_als:.3f} "
        f"against {new_popular:.3f}{chance}): such purchases are hard to foresee for anyone."
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
    offered = offered or ["nothing: all that is on sale was bought before"]
    return Card(title, subtitle, [("Bought most", bought), ("Offered", offered)])
