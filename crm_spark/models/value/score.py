"""The value score: expected spend, what is reached by offers, and what leaving would cost, as one.

value = alpha x purchase + beta x recommend + gamma x maintain, the weights by
`value.score_weights`. Each part is an amount divided by its standard deviation over the date's
customers, so that with equal weights each has as much to say in their order, unless hardly anybody
has any of it. Spend at risk is expected spend times the chance of leaving: the two go together.
"""

from __future__ import annotations

import math

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.models.value.section import ScoreWeights

# Each part, with the amount that it is of.
PARTS = {
    "purchase": "expected_amount",
    "recommend": "recommended_amount",
    "maintain": "value_at_risk_amount",
}
# Sums of whole parts of a hundredth are the same in whatever order they are taken.
_FRACTIONS = 10_000


def part_score(part: str) -> str:
    """Give the column of a part."""
    return f"{part}_score"


def with_recommended_amount(
    scored: DataFrame, offers: DataFrame | None, prices: DataFrame | None
) -> DataFrame:
    """Add recommended_amount: of products that are offered, hit_probability times a line's mean.

    Reads scores.product_recommendations and features.product_prices of the date. Null of whom
    nothing is offered that was measured. At most expected_amount, of which it is a part.
    """
    if offers is None or prices is None:
        return scored.withColumn("recommended_amount", F.lit(None).cast("double"))
    a_line = F.col("sold_amount") / F.col("n_lines")
    priced = offers.where("hit_probability IS NOT NULL").join(
        prices.select("product_id", a_line.alias("line_amount")), "product_id"
    )
    # Rounded, so that the order in which they are added up makes no difference.
    amount = F.round(F.col("hit_probability") * F.col("line_amount") * _FRACTIONS).cast("long")
    by_customer = priced.groupBy("customer_id").agg((F.sum(amount) / _FRACTIONS).alias("_reached"))
    reached = F.when(F.col("_reached").isNotNull(), F.least("_reached", "expected_amount"))
    joined = scored.join(by_customer, "customer_id", "left")
    return joined.withColumn("recommended_amount", reached).drop("_reached")


def with_value_score(scored: DataFrame, weights: ScoreWeights) -> DataFrame:
    """Add purchase_score, recommend_score, maintain_score and value_score.

    Reads the amounts of PARTS; an amount that is null counts as 0. A part that is the same for all
    is null, and the weights of the others stand for all. The score is null where no part with a
    weight is left.
    """
    deviations = _standard_deviations(scored)
    weighted: list[Column] = []
    weight_of_all = 0.0
    for part, amount in PARTS.items():
        deviation = deviations[part]
        if deviation is None:
            scored = scored.withColumn(part_score(part), F.lit(None).cast("double"))
            continue
        value = F.round(F.coalesce(F.col(amount), F.lit(0.0)) / F.lit(deviation), 6)
        scored = scored.withColumn(part_score(part), value)
        weight = float(getattr(weights, part))
        weighted.append(F.lit(weight) * F.col(part_score(part)))
        weight_of_all += weight
    if not weight_of_all:
        return scored.withColumn("value_score", F.lit(None).cast("double"))
    score = sum(weighted[1:], weighted[0]) / weight_of_all
    return scored.withColumn("value_score", F.round(score, 6))


def _standard_deviations(scored: DataFrame) -> dict[str, float | None]:
    """Give those of the parts' amounts; None where all are the same. Of exact sums."""
    sums = [F.count(F.lit(1)).alias("n")]
    for part, amount in PARTS.items():
        whole = F.round(F.coalesce(F.col(amount), F.lit(0.0)) * _FRACTIONS).cast("decimal(18, 0)")
        sums += [F.sum(whole).alias(part), F.sum(whole * whole).alias(f"{part}_squared")]
    row = scored.agg(*sums).collect()[0]
    found: dict[str, float | None] = {}
    for part in PARTS:
        if not row["n"]:
            found[part] = None
            continue
        total, squared = int(row[part]), int(row[f"{part}_squared"])
        # n times the sum of squares less the square of the sum: a whole number, exact.
        spread = row["n"] * squared - total**2
        found[part] = math.sqrt(spread) / row["n"] / _FRACTIONS if spread > 0 else None
    return found
