"""How good recommendation lists are, against what customers bought afterwards."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import wilson_interval
from crm_spark.models.recommender.section import Policy

AT = 10
NDCG = f"ndcg_at_{AT}"
HIT_RATE = f"hit_rate_at_{AT}"
PRECISION = f"precision_at_{AT}"
COVERAGE = f"coverage_at_{AT}"
# The share of all who are offered something, whether or not they bought anything.
OFFERED_HIT_RATE = f"offered_hit_rate_at_{AT}"
# By how much nDCG is higher than that of the best rule, by customer.
NDCG_GAIN = f"ndcg_gain_at_{AT}"
MEANS = (NDCG, HIT_RATE, PRECISION)


@dataclass(frozen=True)
class RankingMetric:
    """A metric of one list, with its 95 % interval where it has one."""

    list: str
    name: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None


def ranking_metrics(
    recommended: DataFrame,
    relevant: DataFrame,
    *,
    lists: Mapping[str, Policy],
    n_products: int,
    rules: Collection[str] = (),
) -> list[RankingMetric]:
    """Give hit rates, precision, nDCG at 10 and coverage of each list, and gains over the rules.

    Reads `recommended` (list, customer_id, rank, product_id) and `relevant` (customer_id,
    product_id: what was bought, is_new: not bought before). Under new_only only new products are
    relevant. The means go over the customers with a relevant product; one to whom a list offers
    nothing counts as a miss. nDCG: Jarvelin and Kekalainen (2002), gain 1 for a product that was
    bought, its ideal the best order of min(10, bought) products. Precision divides by 10 however
    short the list. The offered hit rate has the same hits over all who are offered something.
    Coverage: distinct products in the first ten over `n_products`. The gain in nDCG of a list over
    the best of those that are `rules` under its policy is the mean of differences by customer.

    Intervals are Wilson's of a share, else those of a mean. There is none for coverage, of a single
    customer, and of a mean of values that are all the same.
    """
    top = recommended.where((F.col("rank") <= AT) & F.col("list").isin(list(lists)))
    offered = {
        row["list"]: row
        for row in top.groupBy("list")
        .agg(
            F.countDistinct("product_id").alias("n_products"),
            F.count_if(F.col("rank") == 1).alias("n_customers"),
        )
        .collect()  # a row a list
    }
    each = _by_customer(top, relevant, lists).persist()
    try:
        found: list[RankingMetric] = []
        for row in _means(each, list(lists)):
            name = row["list"]
            found += [_mean_of(row, metric) for metric in MEANS]
            of_list = offered.get(name)
            n_offered = of_list["n_customers"] if of_list else 0
            if n_offered:
                hits = row["n_hits"] / n_offered
                ends = _interval_of_share(hits, n_offered)
                found.append(RankingMetric(name, OFFERED_HIT_RATE, hits, n_offered, *ends))
            coverage = (of_list["n_products"] if of_list else 0) / max(n_products, 1)
            found.append(RankingMetric(name, COVERAGE, coverage, row["n"]))
        ndcg = {one.list: one.value for one in found if one.name == NDCG}
        return found + _gains(each, _best_rules(ndcg, lists, rules))
    finally:
        each.unpersist()


def _by_customer(top: DataFrame, relevant: DataFrame, lists: Mapping[str, Policy]) -> DataFrame:
    """Give the means' values. Grain: list, customer_id, where anything is relevant."""
    only_new = [name for name, policy in lists.items() if policy == "new_only"]
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
    return wanted.join(hits, ["list", "customer_id"], "left").select(
        "list",
        "customer_id",
        (F.coalesce("dcg", F.lit(0.0)) / F.col("ideal")).alias(NDCG),
        F.when(F.col("n_hits") > 0, 1.0).otherwise(0.0).alias(HIT_RATE),
        (F.coalesce("n_hits", F.lit(0)) / float(AT)).alias(PRECISION),
    )


def _means(each: DataFrame, names: Sequence[str]) -> list[Row]:
    """Give a row for each list that is measured, in the order of the lists."""
    rows = (
        each.groupBy("list")
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.sum(HIT_RATE).alias("n_hits"),
            *[F.avg(name).alias(name) for name in MEANS],
            *[F.stddev_samp(name).alias(f"std_{name}") for name in MEANS],
        )
        .collect()  # a row a list
    )
    return sorted(rows, key=lambda row: names.index(row["list"]))


def _mean_of(row: Row, metric: str) -> RankingMetric:
    value, n = row[metric], row["n"]
    if metric == HIT_RATE:
        ends = _interval_of_share(value, n)
    else:
        low, high = _interval_of_mean(value, row[f"std_{metric}"], n)
        # Both means lie between 0 and 1, and so do their ends.
        ends = (low if low is None else max(0.0, low), high if high is None else min(1.0, high))
    return RankingMetric(row["list"], metric, value, n, *ends)


def _best_rules(
    ndcg: Mapping[str, float], lists: Mapping[str, Policy], rules: Collection[str]
) -> dict[str, str]:
    """Give the best rule of its policy for every list that is none; of equal ones the first."""
    best: dict[Policy, str] = {}
    for name in ndcg:
        policy = lists[name]
        if name in rules and (policy not in best or ndcg[name] > ndcg[best[policy]]):
            best[policy] = name
    others = [name for name in ndcg if name not in rules and lists[name] in best]
    return {name: best[lists[name]] for name in others}


def _gains(each: DataFrame, best_rules: Mapping[str, str]) -> list[RankingMetric]:
    """Give the gain of lists over the rules beside them, by differences of the same customers."""
    if not best_rules:
        return []
    names = sorted({*best_rules, *best_rules.values()})
    place = {name: f"_{index}" for index, name in enumerate(names)}
    of_customer = each.groupBy("customer_id").agg(
        *[F.max(F.when(F.col("list") == name, F.col(NDCG))).alias(at) for name, at in place.items()]
    )
    statistics = []
    for name, rule in best_rules.items():
        gain = F.col(place[name]) - F.col(place[rule])
        mean, std, n = F.avg(gain), F.stddev_samp(gain), F.count(gain)
        statistics.append(F.struct(mean, std, n).alias(place[name]))
    row = of_customer.agg(*statistics).collect()[0]  # one row
    found = []
    for name in best_rules:
        mean, std, n = row[place[name]]
        found.append(RankingMetric(name, NDCG_GAIN, mean, n, *_interval_of_mean(mean, std, n)))
    return found


Interval = tuple[float | None, float | None]


def _interval_of_share(share: float, n: int) -> Interval:
    if n < 2:
        return None, None
    low, high = wilson_interval(share, n)
    return max(0.0, low), min(1.0, high)


def _interval_of_mean(mean: float, std: float | None, n: int) -> Interval:
    if n < 2 or not std:
        return None, None
    half = 1.96 * std / math.sqrt(n)
    return mean - half, mean + half
