"""Groups of customers that a model serves badly are found, and no others."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.churn.subgroups import (
    FEATURES_OF_GROUPS,
    GROUPINGS,
    Group,
    fault_of,
    group_figures,
    group_verdicts,
    groups_of,
    groups_of_figures,
    selection_leaks,
    selection_verdicts,
)
from crm_spark.models.records import MetricRow

N = 3_000


def customers(seed: int = 1) -> dict[str, Floats]:
    random = np.random.default_rng(seed)
    gap = random.choice([3.0, 20.0, 60.0, np.nan], N, p=[0.08, 0.4, 0.3, 0.22])
    return {
        "tenure_days": random.uniform(0, 800, N),
        "median_gap_days": gap,
        "spend_amount_84d": random.gamma(2, 50, N),
    }


def found_by_name(
    features: dict[str, Floats], left: Floats, probability: Floats
) -> dict[tuple[str, str], Group]:
    found = groups_of(features, left.astype(bool), probability)
    return {(one.grouping, one.name): one for one in found}


def drawn(probability: Floats, seed: int = 2) -> Floats:
    return (np.random.default_rng(seed).random(N) < probability).astype(float)


def test_each_customer_is_in_one_group_of_each_grouping() -> None:
    features = customers()
    probability = np.full(N, 0.2)
    found = found_by_name(features, drawn(probability), probability)
    for grouping in GROUPINGS:
        assert sum(one.n for (of, _), one in found.items() if of == grouping) == N
    assert found["rhythm", "unknown"].n == np.isnan(features["median_gap_days"]).sum()
    assert found["rhythm", "1"].n == (features["median_gap_days"] == 3).sum()
    assert found["tenure", "3"].n == (features["tenure_days"] > 364.5).sum()
    thirds = [found["value", str(number)].n for number in (1, 2, 3)]
    assert max(thirds) - min(thirds) <= 1


def test_limits_belong_to_the_words() -> None:
    features = {name: np.zeros(8) for name in FEATURES_OF_GROUPS}
    features["tenure_days"] = np.repeat([89.0, 90.0, 364.0, 365.0], 60)
    features["median_gap_days"] = np.repeat([7.0, 8.0, 30.0, 31.0], 60)
    features["spend_amount_84d"] = np.arange(240.0)
    left = np.zeros(240)
    left[::5] = 1
    found = {
        (one.grouping, one.name): one.n
        for one in groups_of(features, left.astype(bool), np.full(240, 0.2))
    }
    for grouping in ("tenure", "rhythm"):
        assert [found[grouping, name] for name in ("1", "2", "3")] == [60, 120, 60]


def test_a_group_whose_probabilities_are_off_is_told_and_no_other() -> None:
    features = customers()
    probability = np.random.default_rng(3).uniform(0.05, 0.5, N)
    is_weekly = features["median_gap_days"] == 3
    left = drawn(np.where(is_weekly, probability + 0.2, probability))
    groups = groups_of(features, left.astype(bool), probability)
    faults = [one for one in groups if fault_of(one)]
    assert [(one.grouping, one.name) for one in faults] == [("rhythm", "1")]
    (verdict,) = group_verdicts("forest", groups)
    assert verdict.level == "warning"
    assert "up to a week" in verdict.message and "fewer than came true" in verdict.message


def test_a_group_in_which_the_ranking_fails_is_told() -> None:
    features = customers()
    random = np.random.default_rng(4)
    risk = random.choice([0.05, 0.6], N)
    is_once = np.isnan(features["median_gap_days"])
    # Of those who ordered once the model knows nothing, though their share is right.
    probability = np.where(is_once, 0.325 + random.uniform(-0.01, 0.01, N), risk)
    left = drawn(risk)
    groups = groups_of(features, left.astype(bool), probability)
    faults = {(one.grouping, one.name): fault_of(one) for one in groups}
    told = faults["rhythm", "unknown"]
    assert told is not None and "hardly tells who of them leaves" in told
    assert sum(fault is not None for fault in faults.values()) == 1


def test_right_probabilities_are_told_of_seldom() -> None:
    warned = 0
    for seed in range(40):
        features = customers(seed)
        probability = np.random.default_rng(100 + seed).uniform(0.05, 0.5, N)
        groups = groups_of(features, drawn(probability, 200 + seed).astype(bool), probability)
        (first, *_) = group_verdicts("forest", groups)
        warned += first.level != "ok"
    assert warned <= 3  # three errors either way, ten groups: one in forty is to be expected


def test_few_customers_are_no_group() -> None:
    features = {name: np.array([1.0, np.nan]).repeat(49) for name in FEATURES_OF_GROUPS}
    assert groups_of(features, np.ones(98, bool), np.full(98, 0.5)) == []
    (verdict,) = group_verdicts("forest", [])
    assert verdict.level == "ok"


def test_figures_are_named_by_group() -> None:
    features = customers()
    probability = np.full(N, 0.2)
    groups = groups_of(features, drawn(probability).astype(bool), probability)
    figures = {one.name: one for one in group_figures(groups)}
    assert figures["group.tenure.1.predicted"].value == pytest.approx(0.2)
    observed = figures["group.value.3.observed"]
    assert observed.low is not None and observed.value is not None and observed.high is not None
    assert observed.low < observed.value < observed.high


def test_groups_are_put_together_again_from_their_figures() -> None:
    features = customers()
    probability = np.random.default_rng(5).uniform(0.05, 0.5, N)
    groups = groups_of(features, drawn(probability).astype(bool), probability)
    rows = {
        one.name: MetricRow(
            "forest", date(2024, 6, 1), one.name, one.value, one.n, one.low, one.high
        )
        for one in group_figures(groups)
    }
    assert groups_of_figures(rows) == groups
    # What was measured before there were groups has none.
    assert groups_of_figures({"auc": rows["group.value.1.auc"]}) == []


def test_attributes_make_groups_by_their_commonest_values() -> None:
    features = customers()
    random = np.random.default_rng(6)
    region = random.choice(
        np.array(["North", "South", "A.1", None], object), N, p=[0.5, 0.3, 0.1, 0.1]
    )
    rare = np.array([f"r{number % 200}" for number in range(N)], object)
    probability = random.uniform(0.05, 0.5, N)
    left = drawn(np.where(region == "South", probability / 2, probability))
    groups = groups_of(
        features, left.astype(bool), probability, {"region": region, "household_size": rare}
    )
    own = [one for one in groups if one.grouping in ("region", "household_size")]
    # Of 200 values none has fifty customers.
    assert [one.name for one in own] == ["A.1", "North", "South", "unknown", "known"]
    n_unknown = sum(name is None for name in region)
    assert [one.n for one in own] == [
        *[(region == name).sum() for name in ("A.1", "North", "South")],
        n_unknown,
        N - n_unknown,
    ]
    assert [one.in_words for one in own if fault_of(one)] == ["region: South"]
    rows = {
        one.name: MetricRow(
            "forest", date(2024, 6, 1), one.name, one.value, one.n, one.low, one.high
        )
        for one in group_figures(groups)
    }
    assert groups_of_figures(rows) == groups


def _by_age(known: Floats, left: Floats) -> list[Group]:
    """Give the groups of customers whose age is known of some."""
    ages = np.where(known == 1, np.arange(N) % 2, 2)
    values = np.array(["18 to 40", "over 40", None], object)[ages.astype(int)]
    return groups_of(customers(), left.astype(bool), np.full(N, 0.2), {"age_group": values})


def test_an_attribute_that_is_known_of_those_who_stay_is_a_selection_leak() -> None:
    known = drawn(np.full(N, 0.3), seed=5)
    left = drawn(np.where(known == 1, 0.04, 0.2), seed=6)
    groups = _by_age(known, left)
    (leak,) = selection_leaks(groups)
    assert (leak.n_known, leak.n_unknown) == (known.sum(), N - known.sum())
    assert leak.known == pytest.approx(left[known == 1].mean())
    assert leak.unknown == pytest.approx(left[known == 0].mean())
    (verdict,) = selection_verdicts(groups)
    assert (verdict.check, verdict.subject, verdict.level) == (
        "selection_leak",
        "age_group",
        "advice",
    )
    assert "that age group is known says itself who stays" in verdict.message


def test_a_leak_is_found_however_many_values_the_attribute_has() -> None:
    known = drawn(np.full(N, 0.45), seed=5)
    left = drawn(np.where(known == 1, 0.03, 0.2), seed=6)
    values = np.array([f"r{n % 100}" if is_in else None for n, is_in in enumerate(known)], object)
    groups = groups_of(customers(), left.astype(bool), np.full(N, 0.2), {"region": values})
    (leak,) = selection_leaks(groups)
    assert (leak.attribute, leak.n_known) == ("region", known.sum())


def test_an_attribute_that_is_known_of_customers_at_random_is_none() -> None:
    known = drawn(np.full(N, 0.3), seed=5)
    for seed in range(20):
        assert selection_leaks(_by_age(known, drawn(np.full(N, 0.15), seed=100 + seed))) == []
    of_all = _by_age(np.ones(N), drawn(np.full(N, 0.15)))
    assert selection_leaks(of_all) == []
