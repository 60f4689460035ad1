"""Test the rungs on purchases after a cut-off, and choose the ladders that recommend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.models.recommender.als import fit_product_factors
from crm_spark.models.recommender.catalogue import Catalogue, product_catalogue
from crm_spark.models.recommender.ladder import (
    Ladder,
    Rung,
    customer_histories,
    rank_products,
)
from crm_spark.models.recommender.metrics import AT, RankingMetric, ranking_metrics
from crm_spark.models.recommender.section import POLICIES, Policy, RecommendationsSection

# What stands alone in the test, by policy; popular and buy_again are the trivial rules.
ALONE: dict[Policy, tuple[Rung, ...]] = {
    "all": ("popular", "buy_again", "als"),
    "new_only": ("popular", "als"),
}
LADDER = "ladder"
NDCG = f"ndcg_at_{AT}"


@dataclass(frozen=True)
class Tested:
    """One list measured under one policy: a rung alone, or the ladder that was chosen."""

    policy: Policy
    name: str
    metric: RankingMetric


@dataclass(frozen=True)
class Choice:
    """The ladder of each policy, everything that was measured, and the figures in words."""

    ladders: dict[Policy, Ladder]
    tested: tuple[Tested, ...]
    why: str


def fit_catalogue(
    interactions: DataFrame, params: RecommendationsSection
) -> tuple[Catalogue, pd.DataFrame | None]:
    """Give the catalogue of one date of features.product_interactions, and its ALS factors.

    None where no product has enough customers to learn from.
    """
    catalogue = product_catalogue(interactions, params)
    if not (catalogue.n_customers >= params.als.min_customers).any():
        return catalogue, None
    factors = fit_product_factors(interactions, catalogue, params)
    return catalogue.with_factors(factors), factors


def choose_ladders(
    interactions: DataFrame,
    catalogue: Catalogue,
    bought_after: DataFrame,
    params: RecommendationsSection,
) -> Choice:
    """Test every rung on what was bought after the cut-off, and order them by nDCG at 10.

    `interactions` are of the cut-off, `catalogue` is fitted on them, `bought_after` (customer_id,
    product_id) is what customers bought in the horizon. Only customers with a purchase before the
    cut-off are measured: to the others there is one thing to offer, the popular products. Under
    new_only what counts is what they had not bought before. Raises DataError where nobody can be
    measured.
    """
    customers = interactions.select("customer_id").distinct()
    histories = customer_histories(customers, interactions, catalogue, weight=params.weight)
    known = interactions.select("customer_id", "product_id", F.lit(False).alias("is_new"))
    relevant = (
        bought_after.join(customers, "customer_id")
        .join(known, ["customer_id", "product_id"], "left")
        .withColumn("is_new", F.coalesce("is_new", F.lit(True)))
    )
    held = [histories.persist(), relevant.persist()]

    def measure(ladders: dict[tuple[Policy, str], Ladder]) -> list[Tested]:
        names = {f"{policy} {name}": (policy, name) for policy, name in ladders}
        by_name = {name: ladders[of] for name, of in names.items()}
        offered = rank_products(histories, catalogue, by_name, params.als, n=AT).persist()
        held.append(offered)
        metrics = ranking_metrics(
            offered,
            relevant,
            lists={name: policy for name, (policy, _) in names.items()},
            n_products=int(catalogue.is_available.sum()),
        )
        return [Tested(*names[metric.list], metric) for metric in metrics]

    try:
        tested = measure(
            {
                (policy, rung): Ladder((rung,), policy)
                for policy, rungs in ALONE.items()
                for rung in rungs
            }
        )
        if not tested:
            raise DataError(
                "recommendations cannot be tested: none of the customers with a purchase before "
                f"the cut-off bought in the {params.horizon_days} days after it"
            )
        ladders = _ladders(tested)
        tested += measure({(policy, LADDER): ladder for policy, ladder in ladders.items()})
    finally:
        for frame in held:
            frame.unpersist()
    return Choice(ladders, tuple(tested), _why(tested))


def _ladders(tested: Sequence[Tested]) -> dict[Policy, Ladder]:
    """Order the rungs of each policy by nDCG; what is no better than popular has no place."""

    def ndcg(policy: Policy, rung: Rung) -> float:
        return next(
            (
                one.metric.value
                for one in tested
                if (one.policy, one.name, one.metric.name) == (policy, rung, NDCG)
            ),
            0.0,
        )

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


def _why(tested: Sequence[Tested]) -> str:
    told = []
    for policy in POLICIES:
        figures = ", ".join(
            f"{one.name} {one.metric.value:.3f}"
            for one in tested
            if one.policy == policy and one.metric.name == NDCG
        )
        told.append(f"{policy}: {figures or 'nothing to measure'}")
    return f"nDCG@{AT} of {'; '.join(told)}"


@dataclass(frozen=True)
class RecommenderModel:
    """What recommending needs besides the factors: the ladders and the settings of the fit."""

    ladders: dict[Policy, Ladder]
    weight: str
    params: RecommendationsSection
    fitted_on: date

    def spec(self) -> dict[str, Any]:
        """Give the model as plain values."""
        return {
            "ladders": {policy: asdict(ladder) for policy, ladder in self.ladders.items()},
            "weight": self.weight,
            "params": self.params.model_dump(mode="json"),
            "fitted_on": self.fitted_on.isoformat(),
        }


def load_recommender_model(spec: dict[str, Any]) -> RecommenderModel:
    """Put a model together again from its spec."""
    return RecommenderModel(
        ladders={
            policy: Ladder(tuple(held["rungs"]), held["policy"])
            for policy, held in spec["ladders"].items()
        },
        weight=spec["weight"],
        params=RecommendationsSection(**spec["params"]),
        fitted_on=date.fromisoformat(spec["fitted_on"]),
    )
