"""Names of segments: distinct, in words of their own features, the same from run to run."""

from __future__ import annotations

import itertools

import pytest

from crm_spark.models.segments.names import APART, FAR_APART, agreed_levels, segment_names, words_of

THREE = ("days_since_last_order", "n_orders", "spend_amount")
LEVELS = (-2.0, -0.7, 0.0, 0.7, 2.0)


def test_a_name_says_what_is_apart_frequency_first_recency_last() -> None:
    centers = [(-0.9, 1.0, 1.4), (0.8, -0.6, -0.5)]
    assert segment_names(THREE, centers) == [
        "frequent, high spend, recent",
        "occasional, low spend, lapsed",
    ]


def test_the_order_of_features_does_not_change_a_name() -> None:
    centers = [(-0.9, 1.0, 1.4), (0.8, -0.6, -0.5)]
    turned = [tuple(reversed(center)) for center in centers]
    assert segment_names(THREE[::-1], turned) == segment_names(THREE, centers)


def test_a_feature_like_the_base_is_not_named_while_two_others_are() -> None:
    names = segment_names(THREE, [(0.1, 1.0, 1.0), (0.1, -1.0, -1.0)])
    assert names == ["frequent, high spend", "occasional, low spend"]


def test_a_level_is_named_only_where_the_plain_mean_is_on_its_side() -> None:
    center = (0.9, 0.9, -0.9)
    assert agreed_levels(center, (-4.0, 120.0, -7.5)) == (0.0, 0.9, -0.9)
    assert agreed_levels(center, (4.0, 0.0, 7.5)) == (0.9, 0.0, 0.0)


def test_a_level_stays_where_no_plain_mean_is_known() -> None:
    assert agreed_levels((0.9, -0.9), (None, -1.0)) == (0.9, -0.9)
    assert agreed_levels((0.9, -0.9), ()) == (0.9, -0.9)


def test_all_features_are_named_where_fewer_than_two_are_apart() -> None:
    names = segment_names(THREE, [(0.0, 0.0, 1.0), (0.0, 0.0, 0.0)])
    assert names == [
        "average frequency, high spend, average recency",
        "average frequency, average spend, average recency",
    ]


def test_the_same_words_become_exact_ones_in_both_segments_only() -> None:
    centers = [(-0.9, 0.5, 0.5), (-0.9, 0.5, 1.5), (0.9, -0.5, -0.5)]
    assert segment_names(THREE, centers) == [
        "frequent, high spend, recent",
        "frequent, very high spend, recent",
        "occasional, low spend, lapsed",
    ]


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (-FAR_APART, "very low spend"),
        (-FAR_APART + 0.001, "low spend"),
        (-APART, "low spend"),
        (-APART + 0.001, "average spend"),
        (APART - 0.001, "average spend"),
        (APART, "high spend"),
        (FAR_APART - 0.001, "high spend"),
        (FAR_APART, "very high spend"),
    ],
)
def test_a_level_begins_at_its_bound(value: float, word: str) -> None:
    assert words_of("spend_amount").of(value, is_exact=True) == word


@pytest.mark.parametrize(("value", "word"), [(-5.0, "low spend"), (5.0, "high spend")])
def test_words_that_are_not_exact_have_three_levels(value: float, word: str) -> None:
    assert words_of("spend_amount").of(value) == word


def test_equal_exact_words_are_told_apart_by_the_feature_that_differs_most() -> None:
    centers = [(-0.9, 0.5, 0.5), (-0.9, 0.5, 1.1), (-0.9, 0.55, 0.8)]
    assert segment_names(THREE, centers) == [
        "frequent, high spend, recent (spend amount: 3 of 3 from the top)",
        "frequent, high spend, recent (spend amount: 1 of 3 from the top)",
        "frequent, high spend, recent (spend amount: 2 of 3 from the top)",
    ]


def test_even_equal_centres_have_distinct_names() -> None:
    names = segment_names(THREE, [(0.5, 0.5, 0.5)] * 3)
    assert len(set(names)) == 3


def test_every_combination_of_levels_has_a_name_of_its_own() -> None:
    centers = list(itertools.product(LEVELS, repeat=3))
    assert len(set(segment_names(THREE, centers))) == len(centers)


def test_one_feature_alone_names_its_levels() -> None:
    assert segment_names(["n_orders"], [(1.0,), (0.0,), (-1.0,)]) == [
        "frequent",
        "average frequency",
        "occasional",
    ]


def test_one_feature_alone_names_its_levels_exactly_where_they_collide() -> None:
    assert segment_names(["tenure_days"], [(2.0,), (0.5,), (0.4,), (-2.0,)]) == [
        "very long-standing",
        "long-standing (tenure days: 1 of 2 from the top)",
        "long-standing (tenure days: 2 of 2 from the top)",
        "new",
    ]


def test_a_feature_without_words_is_named_by_its_column_and_comes_last() -> None:
    names = segment_names(["n_departments", "spend_amount"], [(1.0, 1.0), (-1.0, -1.0)])
    assert names == ["high spend, high departments", "low spend, low departments"]


def test_a_feature_without_words_has_five_levels_too() -> None:
    words = words_of("evening_orders_share")
    assert [words.of(level, is_exact=True) for level in LEVELS] == [
        "very low evening orders share",
        "low evening orders share",
        "average evening orders share",
        "high evening orders share",
        "very high evening orders share",
    ]


def test_a_window_is_spoken_of_with_its_days() -> None:
    assert words_of("spend_amount_84d").high == words_of("spend_amount").high + " in 84 days"


def test_a_trend_of_orders_is_not_spoken_of_as_orders() -> None:
    assert words_of("n_orders_trend_28d").low == "low orders trend 28d"


def test_net_spend_is_not_spoken_of_as_spend() -> None:
    assert words_of("net_spend_amount").high == "high net spend"
