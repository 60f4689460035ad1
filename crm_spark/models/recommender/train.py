"""Test ladders on purchases after a cut-off, and choose those that recommend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.models.recommender.als import ProductFactors, fit_product_factors
from crm_spark.models.recommender.catalogue import Catalogue, product_catalogue, without_excluded
from crm_spark.models.recommender.hit_shares import (
    HitShare,
    HitShares,
    customer_silences,
    hit_shares,
)
from crm_spark.models.recommender.ladder import Ladder, Rung
from crm_spark.models.recommender.metrics import (
    AT,
    NDCG,
    NDCG_GAIN,
    ranking_metrics,
)
from crm_spark.models.recommender.offers import customer_histories, rank_products
from crm_spark.models.recommender.section import POLICIES, Policy, RecommendationsSection
from crm_spark.models.results import Measured, Tested
from crm_spark.words import counted

# The rungs of each ladder that is tested. All end with the popular products, so that all lists are
# of one length; those without als are the trivial rules, the simplest first.
CANDIDATES: dict[str, tuple[Rung, ...]] = {
    "popular": ("popular",),
    "buy_again": ("buy_again", "popular"),
    "als": ("als", "popular"),
    "buy_again_als": ("buy_again", "als", "popular"),
    "als_buy_again": ("als", "buy_again", "popular"),
}
RULES = tuple(name for name, rungs in CANDIDATES.items() if "als" not in rungs)
LADDER = "ladder"


def ladders_of(name: str) -> dict[Policy, Ladder]:
    """Give the ladder of a candidate by policy; no new product is one that was bought before."""
    rungs = CANDIDATES[name]
    policies: tuple[Policy, ...] = ("all",) if "buy_again" in rungs else POLICIES
    return {policy: Ladder(rungs, policy) for policy in policies}


@dataclass(frozen=True)
class KnownPurchases:
    """What was known on one cut-off, and what was bought after it; `silences` of customers then.

    `relevant` (customer_id, product_id, is_new) is what the customers with a purchase before the
    cut-off bought in the horizon; to the others there is one thing to offer, the popular products.
    """

    catalogue: Catalogue
    histories: DataFrame
    relevant: DataFrame
    silences: DataFrame


def fit_catalogue(
    interactions: DataFrame, params: RecommendationsSection
) -> tuple[Catalogue, ProductFactors | None]:
    """Give the catalogue of one date of features.product_interactions, and its ALS factors.

    None where no product has enough customers to learn from.
    """
    catalogue = product_catalogue(interactions, params)
    if not (catalogue.n_customers >= params.als.min_customers).any():
        return catalogue, None
    factors = fit_product_factors(interactions, catalogue, params)
    return catalogue.with_factors(factors.frame), factors


def known_purchases(
    interactions: DataFrame,
    catalogue: Catalogue,
    bought_after: DataFrame,
    params: RecommendationsSection,
) -> KnownPurchases:
    """Put together what a test needs.

    `interactions` are of the cut-off, `catalogue` is fitted on them, `bought_after` (customer_id,
    product_id) is what customers bought in the horizon. Under new_only what counts is what they had
    not bought before.
    """
    customers = interactions.select("customer_id").distinct()
    histories = customer_histories(customers, interactions, catalogue, weight=params.weight)
    known = interactions.select("customer_id", "product_id", F.lit(False).alias("is_new"))
    relevant = (
        without_excluded(bought_after, params)
        .join(customers, "customer_id")
        .join(known, ["customer_id", "product_id"], "left")
        .withColumn("is_new", F.coalesce("is_new", F.lit(True)))
    )
    silences = customer_silences(interactions, params.horizon_days)
    return KnownPurchases(catalogue, histories, relevant, silences)


@dataclass(frozen=True)
class MeasuredCandidates:
    """Figures by candidate, and the shares of its offers that were bought, by policy."""

    figures: Mapping[str, tuple[Measured, ...]]
    hit_shares: Mapping[str, Mapping[Policy, HitShares]]


def measure_candidates(known: KnownPurchases, params: RecommendationsSection) -> MeasuredCandidates:
    """Measure the lists of all candidates, in one pass, on what was bought after the cut-off.

    Figures are named <metric>.<policy>; the gain is the one over the best rule of the policy.
    Raises DataError where nobody bought anything.
    """
    of_candidates = {name: ladders_of(name) for name in CANDIDATES}
    keys = {
        f"{policy} {name}": (policy, name)
        for name, ladders in of_candidates.items()
        for policy in ladders
    }
    offered = rank_products(
        known.histories,
        known.catalogue,
        {key: of_candidates[name][policy] for key, (policy, name) in keys.items()},
        params.als,
        n=AT,
    ).persist()
    try:
        metrics = ranking_metrics(
            offered,
            known.relevant,
            lists={key: policy for key, (policy, _) in keys.items()},
            n_products=int(known.catalogue.is_available.sum()),
            rules=[key for key, (_, name) in keys.items() if name in RULES],
        )
        of_lists = hit_shares(offered, known.relevant, known.silences)
    finally:
        offered.unpersist()
    if not metrics:
        raise DataError(
            "recommendations cannot be tested: none of the customers with a purchase before "
            f"the cut-off bought in the {counted(params.horizon_days, 'day')} after it"
        )
    figures: dict[str, tuple[Measured, ...]] = dict.fromkeys(CANDIDATES, ())
    for one in metrics:
        policy, name = keys[one.list]
        figures[name] += (Measured(f"{one.name}.{policy}", one.value, one.n, one.low, one.high),)
    shares: dict[str, dict[Policy, HitShares]] = {name: {} for name in CANDIDATES}
    for key, of_list in of_lists.items():
        policy, name = keys[key]
        shares[name][policy] = of_list
    return MeasuredCandidates(figures, shares)


def choose_ladders(tested: Sequence[Tested[Any]]) -> dict[Policy, str]:
    """Name the candidate that recommends under each policy.

    That is the best rule by nDCG, unless a ladder with als is better for sure: the 95 % interval of
    its gain over that rule, by customer, lies above 0. Of such the best recommends, of equal ones
    the first. An interval that is not known may hold 0.
    """
    chosen: dict[Policy, str] = {}
    for policy in POLICIES:
        figures = {one.name: figures_of(one, policy) for one in tested}
        ndcg = {name: of_one[NDCG].value or 0.0 for name, of_one in figures.items() if of_one}
        sure = [
            name
            for name in ndcg
            if name not in RULES and is_above_zero(figures[name].get(NDCG_GAIN))
        ]
        rules = [name for name in ndcg if name in RULES]
        # Where nobody bought anything that counts, nothing speaks against the simplest rule.
        chosen[policy] = max(sure or rules or RULES[:1], key=lambda name: ndcg.get(name, 0.0))
    return chosen


def figures_of(tested: Tested[Any], policy: Policy) -> dict[str, Measured]:
    """Give a candidate's figures under one policy by the names of the metrics."""
    ending = f".{policy}"
    return {
        one.name.removesuffix(ending): one for one in tested.metrics if one.name.endswith(ending)
    }


def is_above_zero(gain: Measured | None) -> bool:
    """Whether the interval of a gain is known, and lies above 0."""
    return gain is not None and gain.low is not None and gain.low > 0


def ladders_in_words(chosen: Mapping[Policy, str], tested: Sequence[Tested[Any]]) -> str:
    """Say which ladder recommends, and what each candidate comes to."""
    of_policies = []
    for policy in POLICIES:
        values = [(one.name, one.value(f"{NDCG}.{policy}")) for one in tested]
        figures = ", ".join(f"{name} {value:.3f}" for name, value in values if value is not None)
        rungs = " > ".join(CANDIDATES[chosen[policy]])
        of_policies.append(f"{policy}: {rungs} ({figures or 'nothing to measure'})")
    return f"by nDCG@{AT} {'; '.join(of_policies)}"


@dataclass(frozen=True)
class RecommenderModel:
    """What recommending needs besides the factors: the ladders and the settings of the fit.

    `hit_shares` say of each ladder which share of its offers was bought in the test.
    """

    ladders: dict[Policy, Ladder]
    weight: str
    params: RecommendationsSection
    fitted_on: date
    hit_shares: Mapping[Policy, HitShares] = field(default_factory=dict)
    factors: pd.DataFrame | None = None

    @property
    def needs_factors(self) -> bool:
        """Whether any ladder has the rung als."""
        return any("als" in ladder.rungs for ladder in self.ladders.values())

    def catalogue(self, interactions: DataFrame) -> Catalogue:
        """Give the products of a date with the factors that the model was fitted with."""
        catalogue = product_catalogue(interactions, self.params)
        return catalogue if self.factors is None else catalogue.with_factors(self.factors)

    def spec(self) -> dict[str, Any]:
        """Give the model as plain values."""
        return {
            "ladders": {policy: asdict(ladder) for policy, ladder in self.ladders.items()},
            "weight": self.weight,
            "params": self.params.model_dump(mode="json"),
            "fitted_on": self.fitted_on.isoformat(),
            "hit_shares": {
                policy: {rung: share.spec() for rung, share in shares.items()}
                for policy, shares in self.hit_shares.items()
            },
        }


def load_recommender_model(spec: dict[str, Any]) -> RecommenderModel:
    """Put a model together again from its spec."""
    return RecommenderModel(
        ladders={
            policy: Ladder(tuple(ladder["rungs"]), ladder["policy"])
            for policy, ladder in spec["ladders"].items()
        },
        weight=spec["weight"],
        params=RecommendationsSection(**spec["params"]),
        fitted_on=date.fromisoformat(spec["fitted_on"]),
        hit_shares={
            policy: {rung: HitShare.of(share) for rung, share in shares.items()}
            for policy, shares in spec["hit_shares"].items()
        },
    )
