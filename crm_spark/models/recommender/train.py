"""Test the rungs on purchases after a cut-off, and choose the ladders that recommend."""

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
from crm_spark.models.recommender.catalogue import Catalogue, product_catalogue
from crm_spark.models.recommender.ladder import Ladder, Rung
from crm_spark.models.recommender.metrics import AT, HitShares, hit_shares, ranking_metrics
from crm_spark.models.recommender.offers import customer_histories, rank_products
from crm_spark.models.recommender.section import POLICIES, Policy, RecommendationsSection
from crm_spark.models.results import Measured, Tested
from crm_spark.words import counted

# What stands alone in the test, by policy; popular and buy_again are the trivial rules.
ALONE: dict[Policy, tuple[Rung, ...]] = {
    "all": ("popular", "buy_again", "als"),
    "new_only": ("popular", "als"),
}
LADDER = "ladder"
NDCG = f"ndcg_at_{AT}"


@dataclass(frozen=True)
class KnownPurchases:
    """What was known on one cut-off, and what was bought after it.

    `relevant` (customer_id, product_id, is_new) is what the customers with a purchase before the
    cut-off bought in the horizon; to the others there is one thing to offer, the popular products.
    """

    catalogue: Catalogue
    histories: DataFrame
    relevant: DataFrame


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
        bought_after.join(customers, "customer_id")
        .join(known, ["customer_id", "product_id"], "left")
        .withColumn("is_new", F.coalesce("is_new", F.lit(True)))
    )
    return KnownPurchases(catalogue, histories, relevant)


Lists = Mapping[tuple[Policy, str], Ladder]
RUNGS_ALONE: Lists = {
    (policy, rung): Ladder((rung,), policy) for policy, rungs in ALONE.items() for rung in rungs
}


@dataclass(frozen=True)
class MeasuredLists:
    """Figures by the name of a list, and the shares of its offers that were bought, by policy."""

    figures: Mapping[str, tuple[Measured, ...]]
    hit_shares: Mapping[Policy, HitShares]


def measure_lists(
    known: KnownPurchases,
    lists: Lists,
    params: RecommendationsSection,
    *,
    with_hit_shares: bool = False,
) -> MeasuredLists:
    """Measure lists, by policy and name, on what was bought after the cut-off.

    Gives figures named <metric>.<policy> for each name. `with_hit_shares` needs one list a policy.
    """
    keys = {f"{policy} {name}": (policy, name) for policy, name in lists}
    offered = rank_products(
        known.histories,
        known.catalogue,
        {key: lists[of] for key, of in keys.items()},
        params.als,
        n=AT,
    ).persist()
    try:
        metrics = ranking_metrics(
            offered,
            known.relevant,
            lists={key: policy for key, (policy, _) in keys.items()},
            n_products=int(known.catalogue.is_available.sum()),
        )
        shares = {
            policy: hit_shares(offered, known.relevant, key)
            for key, (policy, _) in keys.items()
            if with_hit_shares
        }
    finally:
        offered.unpersist()
    found: dict[str, tuple[Measured, ...]] = {name: () for _, name in lists}
    for one in metrics:
        policy, name = keys[one.list]
        figure = Measured(f"{one.name}.{policy}", one.value, one.n, one.low, one.high)
        found[name] += (figure,)
    return MeasuredLists(found, shares)


def require_measured(
    measured: Mapping[str, tuple[Measured, ...]], params: RecommendationsSection
) -> None:
    """Refuse a test in which nobody could be measured."""
    if not any(measured.values()):
        raise DataError(
            "recommendations cannot be tested: none of the customers with a purchase before "
            f"the cut-off bought in the {counted(params.horizon_days, 'day')} after it"
        )


def choose_ladders(tested: Sequence[Tested[Any]]) -> dict[Policy, Ladder]:
    """Order the rungs of each policy by nDCG; what is no better than popular has no place."""
    value = {one.name: one for one in tested}

    def ndcg(policy: Policy, rung: Rung) -> float:
        return value[rung].value(f"{NDCG}.{policy}") or 0.0

    ladders: dict[Policy, Ladder] = {}
    for policy, rungs in ALONE.items():
        better = [rung for rung in rungs if ndcg(policy, rung) > ndcg(policy, "popular")]
        order: list[Rung] = sorted(better, key=lambda rung: -ndcg(policy, rung))
        # Below buy_again it is new products that als fills in: that is where it has to be good.
        fills_in = order[:1] == ["buy_again"] and "als" in order
        if fills_in and ndcg("new_only", "als") <= ndcg("new_only", "popular"):
            order.remove("als")
        ladders[policy] = Ladder((*order, "popular"), policy)
    return ladders


def ladders_in_words(tested: Sequence[Tested[Any]]) -> str:
    """Say what each rung, and the ladder where it was measured, comes to."""
    of_policies = []
    for policy in POLICIES:
        values = [(one.name, one.value(f"{NDCG}.{policy}")) for one in tested]
        figures = ", ".join(f"{name} {value:.3f}" for name, value in values if value is not None)
        of_policies.append(f"{policy}: {figures or 'nothing to measure'}")
    return f"nDCG@{AT} of {'; '.join(of_policies)}"


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
            "hit_shares": {policy: dict(shares) for policy, shares in self.hit_shares.items()},
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
        # Versions of before they were measured have none.
        hit_shares=spec.get("hit_shares", {}),
    )
