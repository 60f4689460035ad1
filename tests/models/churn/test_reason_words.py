"""Reasons in words: every feature has a theme, and what is said of it is so."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_spark.features.families import FEATURES
from crm_spark.models.churn.reason_words import THEMES, sentence, theme_of

NAMES = [feature.name for feature in FEATURES]
# One value of each unit that a customer may well have.
TYPICAL = {"share": 0.37, "ratio": 4.6, "-1 to 1": -0.4, "nats": 0.9, "money": 1234.5, "score": 3.0}
ALL_TYPICAL = {feature.name: TYPICAL.get(feature.unit, 12.0) for feature in FEATURES}


def say(strongest: str, *, raises: bool = True, **features: float | None) -> str:
    """Give the sentence of the strongest feature's theme."""
    return sentence(theme_of(strongest), features, strongest=strongest, raises=raises)


def test_every_feature_of_ours_belongs_to_one_theme() -> None:
    held = [feature for theme in THEMES.values() for feature in theme.writers]
    assert sorted(held) == sorted(NAMES)
    assert {theme_of(name) for name in NAMES} == set(THEMES)


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_every_feature_gives_a_sentence_that_can_be_read(name: str, raises: bool) -> None:
    all_zero = dict.fromkeys(NAMES, 0.0)
    all_unknown: dict[str, float | None] = dict.fromkeys(NAMES)
    cases: list[dict[str, float | None]] = [
        {name: ALL_TYPICAL[name]},
        {**ALL_TYPICAL},
        all_unknown | {name: ALL_TYPICAL[name]},
        all_unknown | {name: 0.0},
        {**ALL_TYPICAL, name: 0.0},
        {**all_zero},
        {name: 1.0},
        {name: 1e6},
        {**ALL_TYPICAL, name: 1e6},
        {**ALL_TYPICAL, name: None},
        {**ALL_TYPICAL, name: math.nan},
        all_unknown,
        {},
    ]
    for features in cases:
        text = say(name, raises=raises, **features)
        assert 0 < len(text) <= 100, text
        assert not re.search(r"_|nan|None|inf\b|feature|  |[{}]|\.$", text), text
        assert text[0].islower() or text[0].isdigit(), text
        assert not re.search(r"(?<![\d.,])1 (day|order|item|product|visit)s\b", text), text


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_with_a_value_says_more_than_its_name(name: str) -> None:
    assert ": " not in say(name, **{name: ALL_TYPICAL[name]}).replace("recommend us: ", "")


def test_silence_stands_beside_the_usual_gap_whichever_feature_is_strongest() -> None:
    known = {"days_since_last_order": 41, "median_gap_days": 9.0, "silence_over_median_gap": 41 / 9}
    text = "has not ordered for 41 days, usually orders every 9"
    assert say("days_since_last_order", **known) == text
    assert say("silence_over_median_gap", **known) == text
    assert say("longer_gaps_share", longer_gaps_share=0.0, **known) == text
    # Of the three, either of the others gives the one that was dropped.
    for dropped in ("days_since_last_order", "median_gap_days"):
        rest = {name: value for name, value in known.items() if name != dropped}
        assert say("silence_over_median_gap", **rest) == text


@pytest.mark.parametrize(
    ("silence", "usual", "raises", "text"),
    [
        (1, 1.0, False, "has not ordered for 1 day, usually orders every day"),
        (1, 9.0, False, "has not ordered for 1 day, usually orders every 9 days"),
        (2, 1.0, True, "has not ordered for 2 days, usually orders every day"),
        (0, 9.0, False, "ordered yesterday, usually orders every 9 days"),
        (20, 9.5, True, "has not ordered for 20 days, usually orders every 10"),
        (1200, 9.0, True, "has not ordered for 1,200 days, usually orders every 9"),
        # A silence below the usual gap is no sign of leaving, one above it none of staying.
        (3, 9.0, True, "has not ordered for 3 days"),
        (41, 9.0, False, "has not ordered for 41 days"),
        (41, None, True, "has not ordered for 41 days"),
    ],
)
def test_silence_is_said_in_days(
    silence: int, usual: float | None, raises: bool, text: str
) -> None:
    known = {"days_since_last_order": silence, "median_gap_days": usual}
    assert say("days_since_last_order", raises=raises, **known) == text


def test_who_ordered_once_has_no_usual_gap() -> None:
    once = {"n_orders": 1.0, "days_since_last_order": 40.0, "silence_over_median_gap": math.nan}
    # 40 days without an order: it was on the 41st day before the date.
    assert say("silence_over_median_gap", **once) == "has ordered once, 41 days ago"
    assert say("days_since_last_order", n_orders=1, days_since_last_order=0) == (
        "has ordered once, yesterday"
    )
    assert say("median_gap_days", median_gap_days=None, n_orders=1) == "has ordered once"
    assert say("days_since_last_order", days_since_last_order=40, tenure_days=41, n_orders=2) == (
        "has ordered on one day only, 41 days ago"
    )
    assert say("silence_over_median_gap", n_orders=1, tenure_days=41) == (
        "has ordered once, 41 days ago"
    )
    assert say("silence_over_median_gap") == "has ordered on one day only"


def test_silence_in_usual_gaps_alone() -> None:
    assert say("silence_over_median_gap", silence_over_median_gap=4.56) == (
        "silent for 4.6 times the usual gap between orders"
    )
    assert say("silence_over_median_gap", silence_over_median_gap=1.02) == (
        "silent for about the usual gap between orders"
    )
    assert say("silence_over_median_gap", silence_over_median_gap=0.0) == "ordered yesterday"


def test_earlier_gaps_that_were_longer_speak_for_staying_only() -> None:
    known = {"longer_gaps_share": 0.406, "days_since_last_order": 20, "median_gap_days": 9.0}
    # Longer ones by the horizon are counted: at least as many are longer at all.
    assert say("longer_gaps_share", raises=False, **known) == (
        "has not ordered for 20 days, at least 40% of earlier gaps were longer"
    )
    assert say("longer_gaps_share", raises=True, **known) == (
        "has not ordered for 20 days, usually orders every 9"
    )
    assert say("longer_gaps_share", longer_gaps_share=0.0) == (
        "no earlier gap between orders was much longer than this one"
    )
    assert say("longer_gaps_share", longer_gaps_share=0.005) == (
        "some earlier gaps between orders were longer than this one"
    )


@pytest.mark.parametrize(
    ("features", "raises", "text"),
    [
        ({"n_orders_28d": 1}, True, "1 order in the last 28 days"),
        ({"n_orders_28d": 0}, True, "no orders in the last 28 days"),
        (
            {"n_orders_28d": 1, "n_orders_56d": 5},
            True,
            "1 order in the last 28 days, 4 in the 28 before",
        ),
        ({"n_orders_28d": 1, "n_orders_56d": 5}, False, "1 order in the last 28 days"),
        ({"n_orders_28d": 4, "n_orders_56d": 5}, True, "4 orders in the last 28 days"),
        (
            {"n_orders_28d": 4, "n_orders_56d": 4},
            False,
            "4 orders in the last 28 days, none in the 28 before",
        ),
        ({"n_orders_28d": 2, "n_orders_56d": 4}, True, "2 orders in the last 28 days"),
        ({"n_orders_28d": 2, "n_orders_56d": 4}, False, "2 orders in the last 28 days"),
        # (1 - 4) / (1 + 4): the trend knows what the longer window would.
        (
            {"n_orders_28d": 1, "n_orders_trend_28d": -0.6},
            True,
            "1 order in the last 28 days, 4 in the 28 before",
        ),
        # New customers could not order before.
        (
            {"n_orders_28d": 3, "n_orders_56d": 3, "tenure_days": 20},
            False,
            "3 orders in the last 28 days, first ordered 20 days ago",
        ),
        (
            {"n_orders_28d": 1, "n_orders_56d": 1, "tenure_days": 20},
            True,
            "1 order in the last 28 days, the only one so far",
        ),
        # Nothing in a short window is no reason to stay.
        (
            {"n_orders_28d": 0, "n_orders_56d": 0, "n_orders_84d": 3},
            False,
            "3 orders in the last 84 days",
        ),
        ({"n_orders_28d": 0, "n_orders_56d": 0}, False, "no orders in the last 28 days"),
    ],
)
def test_orders_of_a_window_stand_beside_those_before_where_it_explains(
    features: dict[str, float | None], raises: bool, text: str
) -> None:
    assert say("n_orders_28d", raises=raises, **features) == text


def test_a_window_of_about_as_many_days_will_do_but_rates_must_agree() -> None:
    assert say("n_orders_84d", n_orders_84d=3, n_orders_180d=12) == (
        "3 orders in the last 84 days, 9 in the 96 before"
    )
    # 8 in 84 days and 9 in 96 is no fewer.
    assert say("n_orders_84d", n_orders_84d=8, n_orders_180d=17) == "8 orders in the last 84 days"
    assert say("n_orders_56d", n_orders_56d=3, n_orders_180d=12) == "3 orders in the last 56 days"


def test_order_days_spend_and_items_of_a_window() -> None:
    assert say("n_order_days_7d", n_order_days_7d=1, n_order_days_14d=3) == (
        "ordered on 1 of the last 7 days, on 2 of the 7 before"
    )
    assert say("n_order_days_7d", n_order_days_7d=0, n_order_days_14d=1) == (
        "ordered on none of the last 7 days, on 1 of the 7 before"
    )
    assert say("spend_amount_28d", spend_amount_28d=89.9, spend_amount_56d=12435.4) == (
        "spent 89.90 in the last 28 days, 12,346 in the 28 before"
    )
    assert say("spend_amount_28d", spend_amount_28d=0.0, spend_amount_56d=50.0) == (
        "spent nothing in the last 28 days, 50 in the 28 before"
    )
    # Two floats of money leave 3e-17 between them, which is nothing.
    assert say("spend_amount_28d", spend_amount_28d=0.1 + 0.2, spend_amount_56d=0.3) == (
        "spent 0.30 in the last 28 days"
    )
    floats = {"spend_amount_28d": 0.3, "spend_amount_56d": 0.1 + 0.2}
    assert say("spend_amount_28d", raises=False, **floats) == (
        "spent 0.30 in the last 28 days, nothing in the 28 before"
    )
    # More was taken off before than paid: nothing to set beside it.
    assert say("spend_amount_28d", spend_amount_28d=5.0, spend_amount_56d=2.0, raises=False) == (
        "spent 5 in the last 28 days"
    )
    assert say("n_items_28d", n_items_28d=1, n_items_56d=13) == (
        "bought 1 item in the last 28 days, 12 in the 28 before"
    )
    assert say("n_items_28d", n_items_28d=0.3) == "bought less than 1 item in the last 28 days"


def test_a_decayed_count_is_said_by_the_window_next_to_two_half_lives() -> None:
    decayed = {
        "n_orders_half_life_7d": 0.09,
        "n_orders_14d": 0,
        "n_orders_28d": 3,
        "n_orders_7d": 0,
    }
    assert say("n_orders_half_life_7d", **decayed) == (
        "no orders in the last 14 days, 3 in the 14 before"
    )
    assert say("n_orders_half_life_60d", n_orders_half_life_60d=2.2, n_orders_84d=3) == (
        "3 orders in the last 84 days"
    )
    assert say("n_orders_half_life_7d", n_orders_half_life_7d=0.09, n_orders=5) == (
        "5 orders so far"
    )


def test_a_decayed_count_alone_tells_how_old_the_newest_order_is_at_least() -> None:
    # One order 3 days old, half-life 7: none on the last 2 days.
    assert say("n_orders_half_life_7d", n_orders_half_life_7d=round(0.5 ** (3 / 7), 9)) == (
        "no orders in the last 2 days"
    )
    # An order of weight 0.09 is 7 log2(1 / 0.09) = 24.3 days old, and none is newer.
    assert say("n_orders_half_life_7d", n_orders_half_life_7d=0.09) == (
        "no orders in the last 24 days"
    )
    assert say("n_orders_half_life_7d", n_orders_half_life_7d=0.95) == "at least 1 order so far"
    assert say("n_orders_half_life_7d", n_orders_half_life_7d=2.3) == "at least 3 orders so far"


def test_trends_set_two_spans_beside_each_other() -> None:
    trend = {"n_orders_trend_28d": -0.6}
    assert say("n_orders_trend_28d", **trend, n_orders_28d=1) == (
        "1 order in the last 28 days, 4 in the 28 before"
    )
    # 1 + t over 1 - t: a quarter.
    assert say("n_orders_trend_28d", **trend) == (
        "75% fewer orders in the last 28 days than in the 28 before"
    )
    assert say("spend_trend_84d", spend_trend_84d=0.2) == (
        "spent 50% more in the last 84 days than in the 84 before"
    )
    assert say("spend_trend_84d", spend_trend_84d=0.2, spend_amount_84d=150.0) == (
        "spent 150 in the last 84 days, 100 in the 84 before"
    )
    assert say("spend_trend_28d", spend_trend_28d=0.0) == (
        "spent about as much in the last 28 days as in the 28 before"
    )
    assert say("n_orders_trend_28d", n_orders_trend_28d=-1.0, n_orders_28d=0) == (
        "no orders in the last 28 days, but some in the 28 before"
    )
    assert say("n_orders_trend_28d", n_orders_trend_28d=1.0) == (
        "orders in the last 28 days, but nothing in the 28 before"
    )
    assert say("n_orders_trend_28d", n_orders_trend_28d=None) == "no orders in the last 56 days"
    # What was bought last, taken off before: a sum of 0 is not nothing.
    assert say("spend_trend_28d", spend_trend_28d=None, spend_amount_28d=5.0) == (
        "spent 5 in the last 28 days"
    )


@pytest.mark.parametrize(
    ("strongest", "features", "text"),
    [
        ("n_orders", {"n_orders": 1, "tenure_days": 41}, "has ordered once so far"),
        (
            "n_orders",
            {"n_orders": 23, "tenure_days": 400},
            "23 orders so far, the first 400 days ago",
        ),
        ("n_order_days", {"n_order_days": 1}, "ordered on 1 day so far"),
        (
            "tenure_days",
            {"n_orders": 1, "tenure_days": 1},
            "first ordered yesterday, no order since",
        ),
        ("tenure_days", {"tenure_days": 41}, "first ordered 41 days ago"),
        (
            "spend_amount",
            {"spend_amount": 12345.6, "n_orders": 1},
            "spent 12,346 in 1 order so far",
        ),
        (
            "net_spend_amount",
            {"net_spend_amount": 99.5},
            "spent 99.50 so far, returns taken off",
        ),
        (
            "capped_spend_amount",
            {"capped_spend_amount": 900.0, "spend_amount": 1000.0},
            "spent 1,000 so far",
        ),
        ("items_per_order", {"items_per_order": 1.04}, "1 item an order on average"),
        ("items_per_order", {"items_per_order": 2.36}, "2.4 items an order on average"),
        ("spend_per_order", {"spend_per_order": 19.9}, "spends 19.90 an order on average"),
        ("median_gap_days", {"median_gap_days": 1.0}, "usually orders every day"),
        (
            "stddev_gap_days",
            {"stddev_gap_days": 4.2, "mean_gap_days": 12.1},
            "orders every 12 days on average, give or take 4 days",
        ),
        (
            "longest_gap_days",
            {"longest_gap_days": 60, "median_gap_days": 9.0},
            "longest gap between orders so far 60 days, usually orders every 9 days",
        ),
        (
            "gap_trend",
            {"gap_trend": 0.2},
            "later gaps between orders are 50% longer than earlier ones",
        ),
        ("empty_windows_share", {"empty_windows_share": None}, "is a new customer"),
        (
            "n_products_84d",
            {"n_products_84d": 1, "n_products": 40},
            "has bought 1 different product in the last 84 days, 40 so far",
        ),
        (
            "n_departments_84d",
            {"n_departments_84d": 2, "n_departments": 2},
            "has bought from 2 departments in the last 84 days",
        ),
        ("department_entropy", {"department_entropy": 0.0}, "has bought from one department only"),
        (
            "department_entropy",
            {"department_entropy": math.log(2), "n_departments": 5},
            "has bought from 5 departments, spread as over 2 equal ones",
        ),
        (
            "returned_share",
            {"returned_share": 0.001},
            "has returned less than 1% of the amount bought",
        ),
        ("returned_amount", {"returned_amount": 0.0}, "has returned nothing"),
        ("discounted_orders_share", {"discounted_orders_share": 1.0}, "every order had a discount"),
        (
            "discounted_orders_share",
            {"discounted_orders_share": 0.998},
            "more than 99% of orders had a discount",
        ),
        ("monday_orders_share", {"monday_orders_share": 0.4}, "40% of orders on a Monday"),
        ("night_orders_share", {"night_orders_share": 0.0}, "has never ordered at night"),
        (
            "monday_orders_share",
            {"monday_orders_share": 1.0, "n_orders": 1},
            "the only order was on a Monday",
        ),
        ("n_channels", {"n_channels": 1}, "has ordered through 1 channel"),
        (
            "n_visits_28d",
            {"n_visits_28d": 1, "n_visits_84d": 9, "tenure_days": 20},
            "1 visit in the last 28 days, 8 in the 56 before",
        ),
        ("days_since_last_visit", {"days_since_last_visit": 0}, "last visited yesterday"),
        ("mean_visit_seconds", {"mean_visit_seconds": 240.0}, "visits last 4 minutes on average"),
        (
            "n_complaints_365d",
            {"n_complaints_365d": 1, "days_since_last_complaint": 11},
            "1 complaint in the last 365 days, the last 12 days ago",
        ),
        (
            "n_complaints_365d",
            {"n_complaints_365d": 0, "days_since_last_complaint": 700},
            "no complaints in the last 365 days",
        ),
        ("n_feedback_365d", {"n_feedback_365d": 1}, "gave feedback once in the last 365 days"),
        ("mean_csat_score", {"mean_csat_score": 2.25}, "satisfaction 2.3 of 5 on average"),
        ("n_contacts_180d", {"n_contacts_180d": 0}, "was not contacted in the last 180 days"),
        ("n_contacts_180d", {"n_contacts_180d": 3}, "was contacted 3 times in the last 180 days"),
        (
            "opened_contacts_share_180d",
            {"opened_contacts_share_180d": 0.0},
            "opened no contacts in the last 180 days",
        ),
        (
            "converted_contacts_share_180d",
            {"converted_contacts_share_180d": None},
            "was not contacted in the last 180 days",
        ),
    ],
)
def test_what_is_said_of_other_themes(
    strongest: str, features: dict[str, float | None], text: str
) -> None:
    assert say(strongest, **features) == text


def test_an_own_feature_is_a_theme_by_its_own_name_and_says_its_value() -> None:
    assert theme_of("largest_order_share") == "largest_order_share"
    assert say("largest_order_share", largest_order_share=0.25) == "largest order share: 0.25"
    assert say("largest_order_share") == "largest order share: unknown"
    assert say("n_logins_30d", n_logins_30d=3) == "logins in 30 days: 3"


def test_an_own_feature_that_is_called_like_a_theme_is_not_added_to_it() -> None:
    assert theme_of("returns") not in THEMES
    assert say("returns", returns=2) == "returns: 2"


def window_counts(ages: list[int]) -> dict[str, float | None]:
    """Give the features of a customer with orders of these ages that sentences set side by side."""
    days = sorted(set(ages), reverse=True)
    gaps = [older - newer for older, newer in pairwise(days)]
    silence = min(ages) - 1
    usual = median(gaps) if gaps else None
    features: dict[str, float | None] = {
        "n_orders": len(ages),
        "n_order_days": len(days),
        "tenure_days": max(ages),
        "days_since_last_order": silence,
        "median_gap_days": usual,
        "silence_over_median_gap": silence / usual if usual else None,
    }
    for width in (7, 14, 28, 56, 84, 180, 365):
        features[f"n_orders_{width}d"] = sum(age <= width for age in ages)
    for half_life in (7, 21, 60):
        decayed = sum(round(0.5 ** (age / half_life), 9) for age in ages)
        features[f"n_orders_half_life_{half_life}d"] = decayed
    for width in (28, 84):
        last = sum(age <= width for age in ages)
        both = sum(age <= 2 * width for age in ages)
        features[f"n_orders_trend_{width}d"] = (2 * last - both) / both if both else None
    return features


@given(
    ages=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    raises=st.booleans(),
    dropped=st.sets(st.sampled_from(sorted(window_counts([1])))),
)
def test_numbers_of_sentences_are_those_of_the_orders(
    ages: list[int], raises: bool, dropped: set[str]
) -> None:
    all_features = window_counts(ages)
    for strongest in all_features:
        kept = {
            name: value
            for name, value in all_features.items()
            if name == strongest or name not in dropped
        }
        text = say(strongest, raises=raises, **kept)
        if said := re.search(r"(\d+|no) orders? in the last (\d+) days?", text):
            n, width = said[1].replace("no", "0"), int(said[2])
            assert int(n) == sum(age <= width for age in ages), text
            if before := re.search(r"(\d+|none|some) in the (\d+) before", text):
                span = int(before[2])
                n_before = sum(width < age <= width + span for age in ages)
                assert before[1] == ("some" if before[1] == "some" else str(n_before or "none"))
                assert n_before or before[1] == "none"
                if "trend" not in strongest:
                    assert (n_before > int(n)) == raises, text
        if said := re.search(r"(\d+) orders? so far", text):
            assert int(said[1]) <= len(ages) if "at least" in text else int(said[1]) == len(ages)
        if said := re.search(r"not ordered for (\d+) day", text):
            assert int(said[1]) == min(ages) - 1, text
        if "ordered yesterday" in text and "first" not in text:
            assert min(ages) == 1, text
        if "ordered once" in text or "only one so far" in text:
            assert len(ages) == 1, text
        if "one day only" in text:
            assert len(set(ages)) == 1, text
