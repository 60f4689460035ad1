"""What to offer."""

from __future__ import annotations

from collections.abc import Mapping

from crm_spark.report.blocks import (
    Block,
    Card,
    Cards,
    Section,
    Text,
    TextTable,
)
from crm_spark.report.content.inputs import ReportInputs, Values
from crm_spark.report.content.words import (
    MODELS,
    counted,
    day_in_words,
    money,
    with_interval,
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


def recommendations_section(held: ReportInputs) -> Section | None:
    """Give what is offered, how good it is, and some customers."""
    found = held.recommendations
    if found is None:
        return None
    parts = ", ".join(
        f"{n / found['n_offers']:.0%} {SOURCES.get(source, source)}"
        for source, n in sorted(found["sources"].items(), key=lambda one: -one[1])
    )
    policy = {
        "all": "whatever the customer is most likely to buy, bought before or not",
        "new_only": "only what the customer has never bought",
    }[found["policy"]]
    blocks: list[Block] = [
        Text(
            f"{found['n_customers']:,} customers are offered {found['n_offers']:,} products: "
            f"{policy}. Of the offers {parts}."
        )
    ]
    value = {(row["model_name"], row["metric"]): row for row in held.recommendation_metrics}
    if value:
        blocks.append(Text(_recommendation_verdict(value), is_verdict=True))
    for policy_name, title in (
        ("all", "All products"),
        ("new_only", "Only products that the customer had not bought before"),
    ):
        models = [
            name
            for name in ("popular", "buy_again", "als", "ladder")
            if (name, f"ndcg_at_10.{policy_name}") in value
        ]
        if not models:
            continue
        any_row = value[models[0], f"ndcg_at_10.{policy_name}"]
        blocks.append(
            TextTable(
                f"{title}: what {any_row['n']:,} customers bought in the days from "
                f"{day_in_words(any_row['cutoff_date'])}, beside ten offers made on what was known "
                "before",
                ["Offers", *RANKING_METRICS.values()],
                [
                    [
                        MODELS[model],
                        *(
                            with_interval(
                                value.get((model, f"{name}.{policy_name}")),
                                is_share=name == "coverage_at_10",
                            )
                            for name in RANKING_METRICS
                        ),
                    ]
                    for model in models
                ],
                numbers=list(RANKING_METRICS.values()),
            )
        )
    if held.examples:
        blocks.append(Text("Some customers, each typical of a segment:"))
        blocks.append(Cards([_example(held, row) for row in held.examples]))
    return Section("recommendations", "What to offer", blocks)


def _recommendation_verdict(value: Mapping[tuple[str, str], Values]) -> str:
    def ndcg(model: str, policy: str) -> float:
        row = value.get((model, f"ndcg_at_10.{policy}"))
        return row["value"] or 0.0 if row else 0.0

    als, again, popular = (ndcg(name, "all") for name in ("als", "buy_again", "popular"))
    if als > again:
        told = f"ALS beats offering again what a customer buys most ({als:.3f} against {again:.3f})"
    else:
        told = (
            "ALS does not beat offering again what a customer buys most "
            f"({als:.3f} against {again:.3f} nDCG at 10)"
        )
    new_als, new_popular = ndcg("als", "new_only"), ndcg("popular", "new_only")
    word = "beats" if new_als > new_popular else "does not beat"
    chance = ", which may be chance" if _overlap(value) and new_als > new_popular else ""
    return (
        f"{told}; popular products alone come to {popular:.3f}. For products new to the customer "
        f"ALS {word} the popular ones ({new_als:.3f} against {new_popular:.3f}{chance}): such "
        "purchases are hard to foresee for anyone."
    )


def _overlap(value: Mapping[tuple[str, str], Values]) -> bool:
    """Whether the 95 % intervals of ALS and of the popular products overlap for new products."""
    als = value.get(("als", "ndcg_at_10.new_only"))
    popular = value.get(("popular", "ndcg_at_10.new_only"))
    if not als or not popular or als["low"] is None or popular["high"] is None:
        return False
    return bool(als["low"] <= popular["high"])


def _example(held: ReportInputs, row: Values) -> Card:
    subtitle = (
        f"{counted(row['n_orders'], 'order')}, {money(held, row['spend_amount'])} bought, last "
        f"{counted(row['days_since_last_order'] + 1, 'day')} ago"
    )
    lists = [("Bought most", [f"{name} ({n}x)" for name, n in row["bought"]])]
    offered = [f"{name} ({SOURCES.get(source, source)})" for name, source in row["offered"]]
    title = f"Customer {row['customer_id']}"
    if row.get("segment_name"):
        title += f": {row['segment_name']}"
    return Card(title, subtitle, [*lists, ("Offered", offered)])
