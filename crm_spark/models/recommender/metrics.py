"""How good recommendation lists are, against what customers bought afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.recommender.section import Policy

AT = 10
# Of fewer offers of a rung at a rank the share that was bought says little: the rung's is given.
FEWEST_OFFERS = 100

# Of each rung the share of offers at rank 1, 2, ... that was bought.
HitShares = dict[str, list[float]]


@dataclass(frozen=True)
class RankingMetric:
    """A metric of one list, with its 95 % interval where it is a mean over customers."""

    list: str
    name: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None


def ranking_metrics(
    recommended: DataFrame, relevant: DataFrame, *, lists: Mapping[str, Policy], n_products: int
) -> list[RankingMetric]:
    """Give hit rate, precision, nDCG at 10 and coverage of each list.

    Reads `recommended` (list, customer_id, rank, product_id) and `relevant` (customer_id,
    product_id: what was bought, is_new: not bought before). Under new_only only new products are
    relevant. The means go over the customers with a relevant product; one to whom a list offers
    nothing counts as a miss. nDCG: Jarvelin and Kekalainen (2002), gain 1 for a product that was
    bought, its ideal the best order of min(10, bought) products. Precision divides by 10 however
    short the list. Coverage: distinct products in the first ten over `n_products`.
    """
    only_new = [name for name, policy in lists.items() if policy == "new_only"]
    top = recommended.where((F.col("rank") <= AT) & F.col("list").isin(list(lists)))
    hits = (
        top.join(relevant, ["customer_id", "product_id"])
        .where(F.col("is_new") | ~F.col("list").isin(only_new))
        .groupBy("list", "customer_id")
        .agg(
            F.sum(1 / F.log2(F.col("rank") + 1)).alias("dcg"),
            F.count(F.lit(1)).alias("n_hits"),
        )
    )
    ideals = [sum(1 / math.log2(rank + 1) for rank in range(1, k + 1)) for k in range(1, AT + 1)]
    n_relevant = F.when(F.col("list").isin(only_new), F.col("n_new")).otherwise(F.col("n_bought"))
    place = F.least(F.col("n_relevant"), F.lit(AT)).cast("int")
    wanted = (
        relevant.groupBy("customer_id")
        .agg(F.count(F.lit(1)).alias("n_bought"), F.count_if("is_new").alias("n_new"))
        .withColumn("list", F.explode(F.array(*[F.lit(name) for name in lists])))
        .withColumn("n_relevant", n_relevant)
        .where(F.col("n_relevant") > 0)
        .withColumn("ideal", F.element_at(F.array(*map(F.lit, ideals)), place))
    )
    each = wanted.join(hits, ["list", "customer_id"], "left").select(
        "list",
        (F.coalesce("dcg", F.lit(0.0)) / F.col("ideal")).alias(f"ndcg_at_{AT}"),
        F.when(F.col("n_hits") > 0, 1.0).otherwise(0.0).alias(f"hit_rate_at_{AT}"),
        (F.coalesce("n_hits", F.lit(0)) / float(AT)).alias(f"precision_at_{AT}"),
    )
    means = [name for name in each.columns if name != "list"]
    rows = (
        each.groupBy("list")
        .agg(
            F.count(F.lit(1)).alias("n"),
            *[F.avg(name).alias(name) for name in means],
            *[F.stddev_samp(name).alias(f"std_{name}") for name in means],
        )
        .collect()  # a row a list
    )
    covered = {
        row["list"]: row["n"]
        for row in top.groupBy("list").agg(F.countDistinct("product_id").alias("n")).collect()
    }
    found: list[RankingMetric] = []
    for row in sorted(rows, key=lambda row: list(lists).index(row["list"])):
        for name in means:
            half = 1.96 * (row[f"std_{name}"] or 0.0) / math.sqrt(row["n"])
            # All three lie between 0 and 1, and so do their ends.
            low, high = max(0.0, row[name] - half), min(1.0, row[name] + half)
            found.append(RankingMetric(row["list"], name, row[name], row["n"], low, high))
        coverage = covered.get(row["list"], 0) / max(n_products, 1)
        found.append(RankingMetric(row["list"], f"coverage_at_{AT}", coverage, row["n"]))
    return found


def hit_shares(recommended: DataFrame, relevant: DataFrame, name: str) -> HitShares:
    """Give the share of a list's offers, by rung and rank, whose product the customer then bought.

    Reads `recommended` and `relevant` as ranking_metrics() does. Over all customers who are offered
    something, whether or not they bought anything; to six decimals. Of a rung with fewer than
    FEWEST_OFFERS in all nothing is said.
    """
    offers = recommended.where((F.col("list") == name) & (F.col("rank") <= AT))
    bought = relevant.select("customer_id", "product_id", F.lit(1).alias("hit"))
    rows = (
        offers.join(bought, ["customer_id", "product_id"], "left")
        .groupBy("source", "rank")
        .agg(F.count(F.lit(1)).alias("n"), F.count("hit").alias("n_hits"))
        .collect()  # ten ranks a rung
    )
    found: HitShares = {}
    for source in sorted({row["source"] for row in rows}):
        of_rung = {row["rank"]: row for row in rows if row["source"] == source}
        n = sum(row["n"] for row in of_rung.values())
        if n < FEWEST_OFFERS:
            continue
        usual = sum(row["n_hits"] for row in of_rung.values()) / n
        found[source] = [
            round(of_rung[rank]["n_hits"] / of_rung[rank]["n"], 6)
            if rank in of_rung and of_rung[rank]["n"] >= FEWEST_OFFERS
            else round(usual, 6)
            for rank in range(1, AT + 1)
        ]
    return found
