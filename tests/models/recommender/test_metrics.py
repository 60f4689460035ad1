"""Ranking metrics against plain Python, and nDCG against scikit-learn where both speak of it."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping

import numpy as np
import pytest
from pyspark.sql import SparkSession
from sklearn.metrics import ndcg_score

from crm_spark.models.recommender.metrics import RankingMetric, ranking_metrics
from crm_spark.models.recommender.section import Policy

N_PRODUCTS = 40
LISTS: dict[str, Policy] = {"long": "all", "new": "new_only", "short": "all"}
RULES = ("short", "new")
MEANS = ("ndcg_at_10", "hit_rate_at_10", "precision_at_10")

Offers = dict[tuple[str, str], list[str]]  # list, customer -> products, best first
Bought = dict[str, dict[str, bool]]  # customer -> product -> is it new


def drawn() -> tuple[Offers, Bought]:
    """Draw what 30 customers were offered in lists of 0 to 14 products, and what they bought."""
    rng = random.Random(3)
    products = [f"p{number:02}" for number in range(N_PRODUCTS)]
    offers: Offers = {}
    bought: Bought = {}
    for number in range(30):
        customer = f"c{number:02}"
        offers["long", customer] = rng.sample(products, 14)
        offers["new", customer] = rng.sample(products, rng.randint(0, 12))
        offers["short", customer] = rng.sample(products, rng.randint(0, 4))
        # More than ten for some, nothing for every fifth.
        n_bought = 0 if number % 5 == 0 else rng.choice([1, 2, 5, 13])
        if n_bought:
            bought[customer] = {
                product: rng.random() < 0.5 for product in rng.sample(products, n_bought)
            }
    # Offered nothing at all; offered exactly what they bought; bought nothing new.
    bought["nobody"] = {"p01": True, "p02": False}
    offers["long", "lucky"] = products[:10]
    bought["lucky"] = dict.fromkeys(products[:3], True)
    offers["new", "faithful"] = products[:3]
    bought["faithful"] = dict.fromkeys(products[:3], False)
    return offers, bought


OFFERS, BOUGHT = drawn()


def wanted_of(name: str) -> dict[str, set[str]]:
    """Give what is relevant to each customer in a list; customers without any are not there."""
    wanted = {
        customer: {
            product for product, is_new in products.items() if is_new or LISTS[name] == "all"
        }
        for customer, products in BOUGHT.items()
    }
    return {customer: products for customer, products in wanted.items() if products}


def by_hand(name: str) -> dict[str, list[float]]:
    """Give each metric of each customer."""
    found: dict[str, list[float]] = {metric: [] for metric in MEANS}
    for customer, wanted in sorted(wanted_of(name).items()):
        first_ten = OFFERS.get((name, customer), [])[:10]
        gains = [1 if product in wanted else 0 for product in first_ten]
        dcg = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
        ideal = sum(1 / math.log2(place + 2) for place in range(min(10, len(wanted))))
        found["ndcg_at_10"].append(dcg / ideal)
        found["hit_rate_at_10"].append(1.0 if any(gains) else 0.0)
        found["precision_at_10"].append(sum(gains) / 10)
    return found


def measured(
    spark: SparkSession, offers: Offers, bought: Bought, lists: Mapping[str, Policy]
) -> list[RankingMetric]:
    recommended = spark.createDataFrame(
        [
            (name, customer, rank, product)
            for (name, customer), products in offers.items()
            for rank, product in enumerate(products, start=1)
        ],
        "list string, customer_id string, rank int, product_id string",
    )
    relevant = spark.createDataFrame(
        [
            (customer, product, is_new)
            for customer, products in bought.items()
            for product, is_new in products.items()
        ],
        "customer_id string, product_id string, is_new boolean",
    )
    return ranking_metrics(recommended, relevant, lists=lists, n_products=N_PRODUCTS, rules=RULES)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Solve |p - share| = 1.96 sqrt(p (1 - p) / n) for p."""
    a, b, c = 1 + 1.96**2 / n, -(2 * share + 1.96**2 / n), share**2
    half = math.sqrt(b**2 - 4 * a * c)
    return (-b - half) / (2 * a), (-b + half) / (2 * a)


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[tuple[str, str], RankingMetric]:
    """Give the metrics of the drawn lists; a list that was not asked for is there too."""
    offers = OFFERS | {("other", "lucky"): ["p39"]}
    metrics = measured(spark, offers, BOUGHT, LISTS)
    assert list(dict.fromkeys(one.list for one in metrics)) == list(LISTS)
    return {(one.list, one.name): one for one in metrics}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("metric", MEANS)
def test_means_and_intervals_are_those_of_plain_python(
    found: dict[tuple[str, str], RankingMetric], name: str, metric: str
) -> None:
    values = by_hand(name)[metric]
    half = 1.96 * statistics.stdev(values) / math.sqrt(len(values))
    one = found[name, metric]
    assert one.n == len(values)
    assert one.value == pytest.approx(statistics.fmean(values))
    ends = max(0.0, one.value - half), min(1.0, one.value + half)
    if metric == "hit_rate_at_10":
        ends = wilson(one.value, len(values))
    assert (one.low, one.high) == pytest.approx(ends)


@pytest.mark.parametrize("name", LISTS)
def test_the_offered_hit_rate_is_of_all_who_are_offered_something(
    found: dict[tuple[str, str], RankingMetric], name: str
) -> None:
    n_offered = sum(bool(products) for (of_list, _), products in OFFERS.items() if of_list == name)
    one = found[name, "offered_hit_rate_at_10"]
    hits = sum(by_hand(name)["hit_rate_at_10"])
    assert (one.n, one.value) == (n_offered, pytest.approx(hits / n_offered))
    assert (one.low, one.high) == pytest.approx(wilson(hits / n_offered, n_offered))


def test_the_gain_is_the_mean_difference_from_the_best_rule_of_the_policy_by_customer(
    found: dict[tuple[str, str], RankingMetric],
) -> None:
    pairs = zip(by_hand("long")["ndcg_at_10"], by_hand("short")["ndcg_at_10"], strict=True)
    differences = [long - short for long, short in pairs]
    half = 1.96 * statistics.stdev(differences) / math.sqrt(len(differences))
    one = found["long", "ndcg_gain_at_10"]
    assert (one.n, one.value) == (len(differences), pytest.approx(statistics.fmean(differences)))
    assert (one.low, one.high) == pytest.approx((one.value - half, one.value + half))
    # Rules have none.
    assert not {("short", "ndcg_gain_at_10"), ("new", "ndcg_gain_at_10")} & set(found)


@pytest.mark.parametrize("name", LISTS)
def test_coverage_is_the_share_of_products_in_the_first_ten_of_anybody(
    found: dict[tuple[str, str], RankingMetric], name: str
) -> None:
    offered = {
        product
        for (of_list, _), products in OFFERS.items()
        if of_list == name
        for product in products[:10]
    }
    one = found[name, "coverage_at_10"]
    assert one.value == pytest.approx(len(offered) / N_PRODUCTS)
    assert (one.low, one.high) == (None, None)


def test_ndcg_is_that_of_scikit_learn_where_all_customers_are_offered_all_they_can_be(
    found: dict[tuple[str, str], RankingMetric],
) -> None:
    places = {f"p{number:02}": number for number in range(N_PRODUCTS)}
    truth, scores = [], []
    for customer, wanted in wanted_of("long").items():
        row, score = np.zeros(N_PRODUCTS), np.zeros(N_PRODUCTS)
        row[[places[product] for product in wanted]] = 1
        # scikit-learn spreads ties over places: what is not offered lies below, at gain zero.
        offered = OFFERS.get(("long", customer), [])
        for rank, product in enumerate(offered):
            score[places[product]] = N_PRODUCTS - rank
        if not offered:
            continue
        truth.append(row)
        scores.append(score)
    mean = ndcg_score(np.array(truth), np.array(scores), k=10)
    n_customers = found["long", "ndcg_at_10"].n
    assert n_customers > len(truth)
    # Customers without offers, whom scikit-learn cannot speak of, count as zero.
    expected = mean * len(truth) / n_customers
    assert found["long", "ndcg_at_10"].value == pytest.approx(expected)


def test_by_hand_two_customers_and_one_without_offers(spark: SparkSession) -> None:
    metrics = measured(
        spark,
        {("x", "hit"): ["a", "b"], ("x", "miss"): ["c"]},
        {"hit": {"b": True, "z": True}, "miss": {"a": True}, "none": {"a": True}},
        {"x": "all"},
    )
    values = {one.name: one.value for one in metrics}
    assert values == pytest.approx(
        {
            "ndcg_at_10": (1 / math.log2(3)) / (1 + 1 / math.log2(3)) / 3,
            "hit_rate_at_10": 1 / 3,
            "precision_at_10": 0.1 / 3,
            "offered_hit_rate_at_10": 1 / 2,
            "coverage_at_10": 3 / N_PRODUCTS,
        }
    )
    # One hit in three is no hit rate from -32 % on.
    hit_rate = next(one for one in metrics if one.name == "hit_rate_at_10")
    assert (hit_rate.low, hit_rate.high) == pytest.approx(wilson(1 / 3, 3))


def test_one_customer_and_values_that_are_all_the_same_have_no_interval_but_wilsons(
    spark: SparkSession,
) -> None:
    offers: Offers = {("x", "one"): ["a"], ("x", "two"): ["a"], ("new", "one"): ["a"]}
    bought = {"one": {"a": True}, "two": {"a": False}}
    offers |= {("short", customer): ["a"] for customer in bought}
    lists: dict[str, Policy] = {"x": "all", "new": "new_only", "short": "all"}
    metrics = {(one.list, one.name): one for one in measured(spark, offers, bought, lists)}
    # One of one is no rate of 1.000 to 1.000; two of two may be 34 %.
    assert all(one.low is None for (name, _), one in metrics.items() if name == "new")
    hit_rate = metrics["x", "hit_rate_at_10"]
    assert (hit_rate.low, hit_rate.high) == pytest.approx(wilson(1, 2))
    for name in ("ndcg_at_10", "precision_at_10", "ndcg_gain_at_10"):
        one = metrics["x", name]
        assert (one.low, one.high) == (None, None)
    assert metrics["x", "ndcg_gain_at_10"].value == 0


def test_a_list_with_nothing_relevant_for_anybody_is_not_measured(spark: SparkSession) -> None:
    metrics = measured(
        spark,
        {("all", "c"): ["a"], ("new", "c"): ["b"]},
        {"c": {"a": False}},
        {"all": "all", "new": "new_only"},
    )
    assert {one.list for one in metrics} == {"all"}
    assert {one.name: one.value for one in metrics}["ndcg_at_10"] == 1
