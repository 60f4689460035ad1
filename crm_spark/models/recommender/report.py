"""Recommendations on the page and on the console: what to offer, and how good it is."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from crm_spark.models.candidate_report import figure_of
from crm_spark.models.recommender.facts import ExampleCustomer, OffersFacts, RecommendationsFacts
from crm_spark.models.recommender.metrics import (
    COVERAGE,
    HIT_RATE,
    NDCG,
    NDCG_GAIN,
    OFFERED_HIT_RATE,
    PRECISION,
)
from crm_spark.models.recommender.section import POLICIES, Policy
from crm_spark.models.recommender.train import LADDER, RULES
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Block, Card, Cards, Section, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words, money, share, with_interval
from crm_spark.words import are, counted, verb

# What each ladder offers, in the order in which it does.
OFFERED_IN_WORDS = {
    "popular": "the most popular products",
    "buy_again": "what the customer bought before, then popular products",
    "als": "what ALS predicts, then popular products",
    "buy_again_als": "what the customer bought before, then what ALS predicts",
    "als_buy_again": "what ALS predicts, then what the customer bought before",
}
WORDS = {
    **{
        name: f"rule: {words}" if name in RULES else words
        for name, words in OFFERED_IN_WORDS.items()
    },
    LADDER: "what is recommended",
}


GLOSSARY = (
    (
        "nDCG at 10",
        "How many of the first ten offers were bought, the first counting most; at most 1",
    ),
    (
        "Gain over the best rule",
        "By how much nDCG is higher than the best rule's, by differences of the same customers; it "
        "may be chance where its interval reaches 0 or is not known",
    ),
    (
        "Hit rate",
        "Of the customers who bought anything in these days (anything new to them, where only that "
        "counts) the share who bought at least one of the first ten",
    ),
    (
        "Hit rate of all offered",
        "The same customers as a share of all who were offered something, buyers or not",
    ),
    ("Coverage", "Share of the products on sale that are offered to anyone"),
)


RANKING_METRICS = {
    NDCG: "nDCG at 10",
    NDCG_GAIN: "Gain over the best rule",
    HIT_RATE: "Hit rate at 10",
    OFFERED_HIT_RATE: "Hit rate of all offered",
    PRECISION: "Precision at 10",
    COVERAGE: "Coverage at 10",
}


SOURCES = {
    "buy_again": "bought before",
    "als": "bought by customers like this one",
    "popular": "popular now",
}


ITSELF = "These purchases chose the ladders, too, for want of enough earlier ones."


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


TITLES: Mapping[Policy, str] = {
    "all": "All products",
    "new_only": "Only products that the customer had not bought before",
}


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
        Text(" ".join(_verdicts(value)) + itself, is_verdict=True),
        *[block for policy in POLICIES for block in _policy_table(value, policy)],
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
        rows = [value.get((name, f"{NDCG}.{policy}")) for policy in titles]
        cells = [row.value if row else None for row in rows]
        if all(cell is None for cell in cells):
            continue
        shown = "".join(" " * 22 if cell is None else f"{cell:>22.4f}" for cell in cells)
        lines.append(f"  {name:<26}{shown}".rstrip())
    for sentence in _verdicts(value):
        lines += textwrap.wrap(f"  {sentence}", 98, subsequent_indent="    ")
    if facts.decision and facts.decision.chose_itself:
        lines.append(f"  {ITSELF}")
    return tuple(lines)


def _policy_table(value: Figures, policy: Policy) -> list[Block]:
    names = [name for name in WORDS if (name, f"{NDCG}.{policy}") in value]
    if not names:
        return []
    first = value[names[0], f"{NDCG}.{policy}"]
    offered = value.get((names[0], f"{OFFERED_HIT_RATE}.{policy}"))
    of_offered = f", of the {offered.n:,} offered something," if offered else ""
    return [
        TextTable(
            f"{TITLES[policy]}: what {counted(first.n, 'customer')}{of_offered} bought in the days "
            f"from {day_in_words(first.cutoff)}, beside up to ten offers made on what was known "
            "before",
            ["Offers", *RANKING_METRICS.values()],
            [
                [
                    WORDS[name],
                    *(
                        _cell(value.get((name, f"{metric}.{policy}")), metric)
                        for metric in RANKING_METRICS
                    ),
                ]
                for name in names
            ],
            numbers=list(RANKING_METRICS.values()),
        )
    ]


def _cell(row: MetricRow | None, metric: str) -> str:
    """Write a figure, with its interval where that decides: no page is wide enough for all."""
    if metric in (NDCG, NDCG_GAIN):
        return with_interval(row, is_share=False)
    return figure_of(row, is_share=metric == COVERAGE)


def _verdicts(value: Figures) -> list[str]:
    """Say of each policy who recommends, and how that compares with the best rule."""
    said = [_policy_verdict(value, policy) for policy in POLICIES]
    if not any(metric.endswith(".new_only") for _, metric in value):
        said.append(NOTHING_NEW)
    return [sentence for sentence in said if sentence]


def _policy_verdict(value: Figures, policy: Policy) -> str:
    rows = [(name, value.get((name, f"{NDCG}.{policy}"))) for name in WORDS]
    ndcg = {name: row.value for name, row in rows if row and row.value is not None}
    rules = [name for name in RULES if name in ndcg]
    if LADDER not in ndcg or not rules:
        return ""
    best = max(rules, key=lambda name: ndcg[name])
    gain = value.get((LADDER, f"{NDCG_GAIN}.{policy}"))
    if gain is None:
        return _rule_recommends(value, policy, ndcg, best)
    name = next((n for n in OFFERED_IN_WORDS if n not in RULES and _same(ndcg, n)), "als")
    beats = "beats" if (gain.value or 0) > 0 else "does not beat"
    return (
        f"{TITLES[policy]}: {OFFERED_IN_WORDS[name]}, {beats} the best rule, "
        f"{OFFERED_IN_WORDS[best]} ({ndcg[LADDER]:.3f} against {ndcg[best]:.3f} nDCG at 10; "
        f"{_gain_in_words(gain)})."
    )


def _rule_recommends(value: Figures, policy: Policy, ndcg: Mapping[str, float], best: str) -> str:
    name = next((name for name in RULES if _same(ndcg, name)), best)
    said = (
        f"{TITLES[policy]}: a rule recommends, {OFFERED_IN_WORDS[name]} ({ndcg[LADDER]:.3f} nDCG "
        "at 10)"
    )
    if name != best:
        said += f"; here {OFFERED_IN_WORDS[best]} comes to {ndcg[best]:.3f}"
    learnt = [name for name in OFFERED_IN_WORDS if name in ndcg and name not in RULES]
    if not learnt:
        return f"{said}."
    other = max(learnt, key=lambda name: ndcg[name])
    gain = value.get((other, f"{NDCG_GAIN}.{policy}"))
    of_gain = f" ({_gain_in_words(gain)})" if gain else ""
    return (
        f"{said}. With ALS nothing was better for sure where that was chosen; here the best with "
        f"ALS, {OFFERED_IN_WORDS[other]}, comes to {ndcg[other]:.3f}{of_gain}."
    )


def _same(ndcg: Mapping[str, float], name: str) -> bool:
    """Whether a candidate has the figure of what recommends."""
    return ndcg.get(name) == ndcg[LADDER]


def _gain_in_words(gain: MetricRow) -> str:
    """Write a gain; whatever is not above 0 for sure may be chance."""
    said = f"gain {gain.value or 0:+.4f}"
    if gain.low is None or gain.high is None:
        return f"{said}, which may be chance"
    said += f", 95 % interval {gain.low:+.4f} to {gain.high:+.4f}"
    return f"{said}, which may be chance" if gain.low <= 0 <= gain.high else said


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
