"""Which share of offers is bought: by rung, rank, and how long the customer has been silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from crm_spark.models.recommender.metrics import AT

# Of fewer offers the share that was bought says little: that of more of them is given.
FEWEST_OFFERS = 100
# A silence of up to so many horizons, of up to so many more, and of longer ones.
SILENCES = (1, 3)
SILENCE = "silence"


@dataclass(frozen=True)
class HitShare:
    """What is bought of a rung: the share of offers at rank 1, 2, ..., and how silences change it.

    `by_silence`: how many times as much customers of each silence buy as all together.
    """

    by_rank: tuple[float, ...]
    by_silence: tuple[float, ...]

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> HitShare:
        """Give the share of a spec."""
        return cls(tuple(spec["by_rank"]), tuple(spec["by_silence"]))

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


# By rung.
HitShares = dict[str, HitShare]


def customer_silences(interactions: DataFrame, horizon_days: int) -> DataFrame:
    """Give for how long customers bought nothing: under a horizon (0), under three (1), longer (2).

    Grain: customer_id, of those with a purchase. Reads a date of features.product_interactions;
    adds silence.
    """
    days = F.min("days_since_last_order")
    band: Column = F.lit(0)
    for horizons in SILENCES:
        band = band + (days >= horizons * horizon_days).cast("int")
    return interactions.groupBy("customer_id").agg(band.alias(SILENCE))


def hit_shares(
    recommended: DataFrame, relevant: DataFrame, silences: DataFrame
) -> dict[str, HitShares]:
    """Give of each list the share of offers, by rung, rank and silence, that was then bought.

    Reads `recommended` and `relevant` as ranking_metrics() does, with the source of each offer, and
    customer_silences(). Over all customers who are offered something, whether or not they bought
    anything; to six decimals. Of a rung with fewer than FEWEST_OFFERS in all nothing is said; of a
    rank or a silence with fewer what all of the rung come to.
    """
    bought = relevant.select("customer_id", "product_id", F.lit(1).alias("hit"))
    rows = (
        recommended.where(F.col("rank") <= AT)
        .join(bought, ["customer_id", "product_id"], "left")
        .join(silences, "customer_id")
        .groupBy("list", "source", "rank", SILENCE)
        .agg(F.count(F.lit(1)).alias("n"), F.count("hit").alias("n_hits"))
        .collect()  # ten ranks a rung of a list, by three silences
    )
    return {
        name: _shares_by_rung([row for row in rows if row["list"] == name])
        for name in sorted({row["list"] for row in rows})
    }


def _shares_by_rung(rows: Sequence[Row]) -> HitShares:
    found: HitShares = {}
    for source in sorted({row["source"] for row in rows}):
        of_rung = [row for row in rows if row["source"] == source]
        n, n_hits = _sums(of_rung)
        if n < FEWEST_OFFERS:
            continue
        by_rank = []
        for rank in range(1, AT + 1):
            n_at, hits_at = _sums([row for row in of_rung if row["rank"] == rank])
            by_rank.append(hits_at / n_at if n_at >= FEWEST_OFFERS else n_hits / n)
        by_silence = []
        for silence in range(len(SILENCES) + 1):
            of_silence = [row for row in of_rung if row[SILENCE] == silence]
            n_of, hits_of = _sums(of_silence)
            # What they would have bought had they bought at each rank as all did.
            usual = sum(by_rank[row["rank"] - 1] * row["n"] for row in of_silence)
            is_told = n_of >= FEWEST_OFFERS and usual > 0
            by_silence.append(hits_of / usual if is_told else 1.0)
        found[source] = HitShare(
            tuple(round(share, 6) for share in by_rank),
            tuple(round(times, 6) for times in by_silence),
        )
    return found


def _sums(rows: Sequence[Row]) -> tuple[int, int]:
    return sum(row["n"] for row in rows), sum(row["n_hits"] for row in rows)


def with_hit_probability(
    offers: DataFrame, silences: DataFrame, shares: Mapping[str, HitShare]
) -> DataFrame:
    """Add hit_probability: the share of such offers to such customers that was bought in the test.

    Reads source and rank, and customer_silences(). Null beyond the ranks that are measured, of a
    rung that nobody was offered anything of, and of customers without a purchase.
    """
    known = offers.join(silences, "customer_id", "left")
    found = F.lit(None).cast("double")
    for source, share in shares.items():
        at_rank = F.get(F.array(*map(F.lit, share.by_rank)), F.col("rank") - 1)
        times = F.get(F.array(*map(F.lit, share.by_silence)), F.col(SILENCE))
        # least() passes over nulls.
        product = at_rank * times
        bounded = F.when(product.isNotNull(), F.least(product, F.lit(1.0)))
        found = F.when(F.col("source") == source, F.round(bounded, 6)).otherwise(found)
    return known.withColumn("hit_probability", found).drop(SILENCE)
