"""Which ladder recommends: the best rule, unless ALS is better for sure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from unittest.mock import MagicMock

import pytest

from crm_spark.models.contract import Choice, Cutoffs, Prepared
from crm_spark.models.recommender.definition import Recommender
from crm_spark.models.recommender.hit_shares import HitShare
from crm_spark.models.recommender.ladder import Ladder
from crm_spark.models.recommender.section import Policy, RecommendationsSection
from crm_spark.models.recommender.train import (
    CANDIDATES,
    RULES,
    RecommenderModel,
    choose_ladders,
    ladders_of,
    load_recommender_model,
)
from crm_spark.models.results import Measured, Tested

SHARE = HitShare((0.1, 0.05), (1.5, 1.0, 0.25))
SECTION = RecommendationsSection()
Gain = tuple[float | None, float | None]


def candidates_with(
    ndcg: Mapping[str, float],
    gains: Mapping[str, Gain] | None = None,
    *,
    new_only: Mapping[str, float] | None = None,
    n: int = 200,
) -> list[Tested[RecommenderModel]]:
    """Give candidates with these nDCG, and intervals of the gain over the best rule."""
    found = []
    for name in CANDIDATES:
        metrics = []
        of_policies: dict[Policy, Mapping[str, float]] = {"all": ndcg, "new_only": new_only or {}}
        for policy, values in of_policies.items():
            if name not in values:
                continue
            metrics.append(Measured(f"ndcg_at_10.{policy}", values[name], n))
            metrics.append(Measured(f"hit_rate_at_10.{policy}", values[name], n))
            best = max(value for rule, value in values.items() if rule in RULES)
            low, high = (gains or {}).get(name, (None, None))
            if name not in RULES:
                gain = values[name] - best
                metrics.append(Measured(f"ndcg_gain_at_10.{policy}", gain, n, low, high))
        shares = {policy: {name: SHARE} for policy in ladders_of(name)}
        model = RecommenderModel(
            ladders_of(name), "n_orders", SECTION, date(2024, 7, 1), hit_shares=shares
        )
        found.append(Tested(name, name in RULES, model, tuple(metrics)))
    return found


def test_what_was_bought_before_and_then_popular_is_a_rule_of_its_own() -> None:
    # One purchase in five is a product bought before: ALS looks better than a list of two products.
    ndcg = {"popular": 0.22, "buy_again": 0.369, "als": 0.267, "buy_again_als": 0.37}
    assert choose_ladders(candidates_with(ndcg))["all"] == "buy_again"


@pytest.mark.parametrize(
    ("interval", "chosen"),
    [
        ((0.001, 0.02), "buy_again_als"),
        ((0.0, 0.02), "buy_again"),
        ((-0.001, 0.02), "buy_again"),
        ((None, None), "buy_again"),
    ],
)
def test_als_recommends_only_where_its_gain_is_no_chance(interval: Gain, chosen: str) -> None:
    ndcg = {"popular": 0.2, "buy_again": 0.4, "buy_again_als": 0.41, "als_buy_again": 0.3}
    assert choose_ladders(candidates_with(ndcg, {"buy_again_als": interval}))["all"] == chosen


def test_of_ladders_that_are_better_for_sure_the_best_recommends() -> None:
    ndcg = {"popular": 0.2, "buy_again": 0.3, "buy_again_als": 0.41, "als_buy_again": 0.43}
    gains: dict[str, Gain] = {"buy_again_als": (0.1, 0.12), "als_buy_again": (0.1, 0.15)}
    assert choose_ladders(candidates_with(ndcg, gains))["all"] == "als_buy_again"
    # Equal ones: the first.
    assert (
        choose_ladders(candidates_with({**ndcg, "als_buy_again": 0.41}, gains))["all"]
        == "buy_again_als"
    )


def test_policies_are_chosen_apart_and_one_without_figures_is_left_to_the_popular_products() -> (
    None
):
    gains: dict[str, Gain] = {"als": (0.01, 0.03)}
    of_both = candidates_with(
        {"popular": 0.2, "buy_again": 0.4}, gains, new_only={"popular": 0, "als": 0.1}
    )
    assert choose_ladders(of_both) == {"all": "buy_again", "new_only": "als"}
    assert (
        choose_ladders(candidates_with({"popular": 0.2, "buy_again": 0.4}))["new_only"] == "popular"
    )


@pytest.mark.parametrize(("n", "tells"), [(0, False), (96, False), (97, True)])
def test_few_customers_choose_nothing(n: int, tells: bool) -> None:
    assert Recommender().tells(candidates_with({"popular": 0.2}, n=n)) == tells
    assert not Recommender().tells(candidates_with({}))


def test_what_recommends_has_ladder_figures_and_hit_shares_of_the_policys_own_choice() -> None:
    gains: dict[str, Gain] = {"als": (0.01, 0.03)}
    ndcg = {"popular": 0.2, "buy_again": 0.4, "als": 0.3}
    candidates = candidates_with(ndcg, gains, new_only={"popular": 0.05, "als": 0.1})
    choice = Choice("ladder", ("ladder",), "", parts={"all": "buy_again", "new_only": "als"})
    step = Cutoffs(date(2024, 6, 3), ())
    *same, ladder = Recommender().compose(MagicMock(), step, None, Prepared(), choice, candidates)
    assert same == candidates
    assert ladder.fitted.ladders == {
        "all": Ladder(("buy_again", "popular"), "all"),
        "new_only": Ladder(("als", "popular"), "new_only"),
    }
    assert ladder.fitted.hit_shares == {"all": {"buy_again": SHARE}, "new_only": {"als": SHARE}}
    assert ladder.value("ndcg_at_10.all") == 0.4
    assert ladder.value("ndcg_at_10.new_only") == 0.1
    # A rule has no gain over itself.
    assert ladder.value("ndcg_gain_at_10.all") is None
    assert ladder.value("ndcg_gain_at_10.new_only") == pytest.approx(0.05)
    assert [verdict.level for verdict in ladder.verdicts] == ["ok"]
    assert load_recommender_model(ladder.fitted.spec()) == ladder.fitted


def test_lists_of_a_policy_are_of_one_length() -> None:
    assert {rungs[-1] for rungs in CANDIDATES.values()} == {"popular"}
    new_only = [name for name in CANDIDATES if "new_only" in ladders_of(name)]
    assert new_only == ["popular", "als"]
