"""The verdict on the data: each check at its limits, with no data and with one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from crm_spark.features.families import FEATURES
from crm_spark.models.churn.section import ChurnSection, cutoffs_for_test, latest_closed
from crm_spark.models.churn.verdicts import ChurnClasses, churn_verdicts
from crm_spark.models.recommender.section import RecommendationsSection
from crm_spark.models.recommender.verdicts import measured_customers, recommendations_verdicts
from crm_spark.models.segments.section import SegmentsSection
from crm_spark.models.segments.verdicts import segments_verdicts
from crm_spark.models.usability.data import data_verdicts
from crm_spark.models.usability.facts import DataFacts, IngestFacts, OrderDay, PriceFacts
from crm_spark.tables.checks import Verdict

AS_OF = date(2024, 7, 1)
CLASSES = ChurnClasses(20_000, 20_000, 500, 500)


def _days(n_orders: Sequence[int]) -> tuple[OrderDay, ...]:
    """Give the days with orders of a history that ends the day before AS_OF, oldest first."""
    first = AS_OF - timedelta(days=len(n_orders))
    return tuple(
        OrderDay(first + timedelta(days=place), n) for place, n in enumerate(n_orders) if n
    )


HEALTHY = DataFacts(
    as_of=AS_OF,
    days=_days([20] * 364),
    n_customers=5_000,
    n_lines=50_000,
    n_lines_of_biggest=100,
    ingest=IngestFacts(50_000, 0, 0, 0),
)
EMPTY = DataFacts(AS_OF, (), 0, 0, 0, IngestFacts(0, 0, 0, 0))
ONE_ROW = DataFacts(AS_OF, _days([1]), 1, 1, 1, IngestFacts(1, 0, 0, 0))


def _churn(
    facts: DataFacts, params: ChurnSection | None = None, classes: ChurnClasses | None = CLASSES
) -> list[Verdict]:
    params = params or ChurnSection()
    first = facts.days[0].day if facts.days else AS_OF
    cutoffs = cutoffs_for_test(params, latest_closed(params, AS_OF), first)
    return churn_verdicts(
        facts, params=params, cutoffs=cutoffs, classes=classes, n_inputs=len(FEATURES)
    )


def _segments(facts: DataFacts, params: SegmentsSection | None = None) -> list[Verdict]:
    return segments_verdicts(facts, params=params or SegmentsSection())


def _recommendations(
    facts: DataFacts, params: RecommendationsSection | None = None
) -> list[Verdict]:
    return recommendations_verdicts(facts, params=params or RecommendationsSection())


def _one(verdicts: Sequence[Verdict], check: str) -> Verdict:
    (found,) = [verdict for verdict in verdicts if verdict.check == check]
    return found


def _data(facts: DataFacts, check: str) -> Verdict:
    return _one(data_verdicts(facts, "churn"), check)


def _levels(verdicts: Sequence[Verdict]) -> dict[str, str]:
    return {verdict.check: verdict.level for verdict in verdicts if verdict.level != "ok"}


MODELS: list[Callable[[DataFacts], list[Verdict]]] = [_churn, _segments, _recommendations]


@pytest.mark.parametrize("model", MODELS)
def test_of_healthy_data_nothing_is_said_but_ok(
    model: Callable[[DataFacts], list[Verdict]],
) -> None:
    verdicts = model(HEALTHY)
    assert _levels(verdicts) == {}
    assert len({(verdict.check, verdict.subject) for verdict in verdicts}) == len(verdicts)


def test_without_any_order_every_model_says_so_and_none_breaks() -> None:
    assert _levels(_churn(EMPTY, classes=ChurnClasses())) == {
        "history": "error",
        "customers": "error",
        "both_classes": "error",
        "classes_at_test": "warning",
        "cases_per_input": "advice",
    }
    assert _levels(_segments(EMPTY)) == {"history": "warning", "customers": "error"}
    assert _levels(_recommendations(EMPTY)) == {"history": "error", "customers": "error"}
    assert "no order is known" in _one(_churn(EMPTY), "history").message


def test_one_order_is_too_little_for_every_model_and_its_customer_the_biggest() -> None:
    for model in MODELS:
        levels = _levels(model(ONE_ROW))
        assert levels["customers"] == levels["biggest_customer"] == "error"
        assert "days_without_data" not in levels


def test_without_labels_nothing_is_said_of_the_classes() -> None:
    checks = [verdict.check for verdict in _churn(HEALTHY, classes=None)]
    assert not {"both_classes", "classes_at_test", "cases_per_input"} & set(checks)
    assert "history" in checks


@pytest.mark.parametrize(
    ("n_days", "level"),
    # active_days 84 + 2 x 28 = 140; one cut-off more every 28 days.
    [(139, "error"), (140, "warning"), (167, "warning"), (168, "ok")],
)
def test_churn_needs_history_for_a_training_cutoff_and_had_better_have_two(
    n_days: int, level: str
) -> None:
    found = _one(_churn(replace(HEALTHY, days=_days([20] * n_days))), "history")
    assert (found.level, found.found) == (level, f"{n_days} days")
    if level == "error":
        assert found.message == (
            "the first order is of 2024-02-13, and 140 days of history are needed (active_days + "
            "2 x (horizon_days + grace_days)): choose a later date or a shorter horizon"
        )


def test_a_single_training_cutoff_by_configuration_names_the_key() -> None:
    found = _one(_churn(HEALTHY, ChurnSection(n_training_cutoffs=1)), "history")
    assert found.level == "warning"
    assert found.message.endswith("raise churn.n_training_cutoffs")


@pytest.mark.parametrize(
    ("n", "level"), [(59, "error"), (60, "warning"), (384, "warning"), (385, "ok")]
)
def test_churn_needs_60_customers_and_had_better_have_385(n: int, level: str) -> None:
    assert _one(_churn(replace(HEALTHY, n_customers=n)), "customers").level == level


@pytest.mark.parametrize(
    ("n", "level"), [(0, "error"), (9, "error"), (10, "warning"), (29, "warning"), (30, "ok")]
)
def test_churn_needs_ten_of_each_class_and_had_better_have_30(n: int, level: str) -> None:
    for classes in (ChurnClasses(n, 1_000, 100, 100), ChurnClasses(1_000, n, 100, 100)):
        found = _one(_churn(HEALTHY, classes=classes), "both_classes")
        assert found.level == level
        assert f"{classes.n_churned:,} churned, {classes.n_stayed:,} did not" in found.message


def test_few_who_leave_take_a_shorter_horizon_and_few_who_stay_a_longer_one() -> None:
    leavers, stayers = (
        _one(_churn(HEALTHY, classes=classes), "both_classes").message
        for classes in (ChurnClasses(5, 1_000, 1, 500), ChurnClasses(1_000, 5, 500, 1))
    )
    assert "shorten churn.horizon_days" in leavers
    assert "lengthen churn.horizon_days" in stayers


@pytest.mark.parametrize(
    ("n", "level"), [(9, "warning"), (10, "advice"), (99, "advice"), (100, "ok")]
)
def test_the_test_cutoff_had_better_hold_100_of_each_class(n: int, level: str) -> None:
    for classes in (ChurnClasses(500, 500, n, 400), ChurnClasses(500, 500, 400, n)):
        assert _one(_churn(HEALTHY, classes=classes), "classes_at_test").level == level


def test_a_forest_of_few_cases_per_input_is_advice_at_most() -> None:
    found = _one(_churn(HEALTHY, classes=ChurnClasses(700, 5_000, 100, 100)), "cases_per_input")
    assert found.level == "advice"
    assert "700 customers of the rarer class" in found.message


@pytest.mark.parametrize(
    ("n", "level"),
    # 10 x 4 segments; 10 x 8 segments; 70 x 3 features.
    [(39, "error"), (40, "warning"), (79, "warning"), (80, "advice"), (209, "advice"), (210, "ok")],
)
def test_segments_need_ten_customers_each_and_had_better_have_70_per_feature(
    n: int, level: str
) -> None:
    assert _one(_segments(replace(HEALTHY, n_customers=n)), "customers").level == level


def test_many_features_need_two_to_their_number_of_customers() -> None:
    windows = ("7d", "14d", "28d", "56d", "84d", "180d")
    features = (
        "n_orders",
        "spend_amount",
        "days_since_last_order",
        "tenure_days",
        *[f"n_orders_{window}" for window in windows],
    )
    params = SegmentsSection(features=features)
    found = [
        _one(_segments(replace(HEALTHY, n_customers=n), params), "customers").level
        for n in (1_023, 1_024)
    ]
    assert found == ["warning", "ok"]


@pytest.mark.parametrize(("n_days", "level"), [(90, "warning"), (91, "ok")])
def test_segments_had_better_have_a_quarter_of_a_year(n_days: int, level: str) -> None:
    assert _one(_segments(replace(HEALTHY, days=_days([20] * n_days))), "history").level == level


def test_segments_had_better_have_the_window_of_their_features() -> None:
    params = SegmentsSection(features=("n_orders_365d", "spend_amount"))
    found = _one(_segments(HEALTHY, params), "history")
    assert (found.level, found.found, found.needed) == ("warning", "364 days", "at least 365 days")


@pytest.mark.parametrize(
    ("n_days", "level"),
    # horizon_days 28, popular_days 56.
    [(28, "error"), (29, "warning"), (83, "warning"), (84, "ok")],
)
def test_recommendations_need_orders_before_the_test(n_days: int, level: str) -> None:
    found = _one(_recommendations(replace(HEALTHY, days=_days([20] * n_days))), "history")
    assert found.level == level
    if level == "error":
        assert "cut-off 28 days before is 2024-06-03, and the first order is of 2024-06-03" in (
            found.message
        )


@pytest.mark.parametrize(("n", "level"), [(4, "error"), (5, "ok"), (1_000, "ok")])
def test_recommendations_need_the_customers_of_one_product(n: int, level: str) -> None:
    assert _one(_recommendations(replace(HEALTHY, n_customers=n)), "customers").level == level


@pytest.mark.parametrize(
    ("n", "level"), [(0, "warning"), (1, "warning"), (96, "warning"), (97, "ok")]
)
def test_the_customers_who_bought_in_the_test_have_to_tell_a_hit_rate(n: int, level: str) -> None:
    verdict = measured_customers(n)
    assert (verdict.level, verdict.found, verdict.needed) == (level, str(n), "at least 97")


@pytest.mark.parametrize(
    ("n_rejected", "level"), [(50, "ok"), (51, "warning"), (200, "warning"), (201, "error")]
)
def test_of_the_lines_5_percent_may_be_rejected_and_20_at_most(n_rejected: int, level: str) -> None:
    facts = replace(HEALTHY, ingest=IngestFacts(1_000, n_rejected, 0, 0))
    assert _data(facts, "rejected_rows").level == level
    assert _data(facts, "missing_customer_ids").level == "ok"


@pytest.mark.parametrize(
    ("n", "level"),
    # 249 of 1,000 is Online Retail.
    [(50, "ok"), (51, "warning"), (249, "warning"), (500, "warning"), (501, "error")],
)
def test_lines_without_a_customer_have_limits_of_their_own(n: int, level: str) -> None:
    facts = replace(HEALTHY, ingest=IngestFacts(1_000, 0, n, 0))
    assert _data(facts, "missing_customer_ids").level == level
    assert _data(facts, "rejected_rows").level == "ok"


def test_a_file_that_cannot_be_read_is_a_warning_however_many_rows_there_are() -> None:
    found = _data(replace(HEALTHY, ingest=IngestFacts(1_000, 0, 0, 1)), "rejected_rows")
    assert found.level == "warning"
    assert "1 whole file is lost" in found.message


def test_without_an_ingest_on_record_nothing_is_claimed_of_rejected_rows() -> None:
    for check in ("rejected_rows", "missing_customer_ids"):
        found = _data(replace(HEALTHY, ingest=None), check)
        assert (found.level, found.found) == ("advice", "unknown")


def _with_hole(n_days: int, pattern: Sequence[int] = (20,), before: int = 60) -> DataFacts:
    n_orders = [pattern[place % len(pattern)] for place in range(364)]
    n_orders[-before - n_days : -before] = [0] * n_days
    return replace(HEALTHY, days=_days(n_orders))


@pytest.mark.parametrize(("n_days", "level"), [(14, "ok"), (15, "warning"), (30, "warning")])
def test_more_than_14_days_without_orders_are_a_hole(n_days: int, level: str) -> None:
    found = _data(_with_hole(n_days), "days_without_data")
    assert (found.level, found.found) == (level, f"{n_days} days")


def test_the_days_of_a_hole_are_named() -> None:
    found = _data(_with_hole(30), "days_without_data")
    assert "2024-04-02 to 2024-05-01, while in this shop most days have one" in found.message


@pytest.mark.parametrize(
    ("pattern", "n_days", "level"),
    [
        ((9, 9, 9, 9, 9, 0, 0), 0, "ok"),  # closed on weekends
        ((9, 9, 9, 9, 9, 0, 0), 30, "warning"),
        ((9, 0, 0, 0, 0, 0, 0), 0, "ok"),  # a weekly market
        ((9, 0, 0, 0, 0, 0, 0), 30, "warning"),
        ((1,) + (0,) * 20, 0, "ok"),  # an order every third week
        ((1,) + (0,) * 20, 30, "ok"),
    ],
)
def test_a_hole_is_one_by_the_rhythm_of_the_shop(
    pattern: tuple[int, ...], n_days: int, level: str
) -> None:
    facts = (
        _with_hole(n_days, pattern)
        if n_days
        else replace(HEALTHY, days=_days([pattern[place % len(pattern)] for place in range(364)]))
    )
    assert _data(facts, "days_without_data").level == level


def test_silence_up_to_the_date_is_a_hole_too() -> None:
    facts = replace(HEALTHY, days=_days([20] * 300 + [0] * 30))
    assert _data(facts, "days_without_data").level == "warning"


def test_a_hole_that_empties_a_horizon_stops_churn_alone() -> None:
    # The test cut-off is 2024-06-03; 14 days without orders of the 28 after it, then 13.
    for n_after, level in ((14, "error"), (13, "warning")):
        facts = _with_hole(n_after + 10, before=28 - n_after)
        assert _one(_churn(facts), "days_without_data").level == level
        assert _one(_segments(facts), "days_without_data").level == "warning"
        assert _one(_recommendations(facts), "days_without_data").level == "warning"


def _weekly(levels: Sequence[int]) -> DataFacts:
    """Give a shop with these orders a day in each week."""
    return replace(HEALTHY, days=_days([n for n in levels for _ in range(7)]))


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ([20] * 26 + [60] * 26, "warning"),  # another source from one day on
        ([60] * 26 + [20] * 26, "warning"),  # a source that was lost
        ([20] * 26 + [59] * 26, "advice"),
        ([20] * 26 + [40] * 26, "advice"),
        ([20] * 26 + [39] * 26, "ok"),
        ([20] * 40 + [100] * 6 + [20] * 6, "ok"),  # a season of six weeks
        ([20] * 46 + [100] * 6, "ok"),  # which ends with the data
        ([20 + week for week in range(52)], "ok"),  # growth from 20 to 71 over a year
        ([20] * 40 + [400] + [20] * 11, "ok"),  # one day of bargains
        ([20] * 8 + [60] * 7, "ok"),  # too short to tell
        ([20] * 8 + [60] * 8, "warning"),
    ],
)
def test_a_change_of_level_is_one_that_is_sudden_and_stays(levels: list[int], level: str) -> None:
    assert _data(_weekly(levels), "level_change").level == level


def test_online_retail_towards_christmas_is_no_change_of_level() -> None:
    # Its orders a week, 2010-12 to 2011-12, by the recipe of conf/examples/online_retail.yml.
    weeks = [
        533,
        426,
        126,
        0,
        176,
        256,
        204,
        270,
        285,
        188,
        261,
        260,
        274,
        279,
        263,
        325,
        332,
        282,
        334,
        290,
        175,
        298,
        420,
        398,
        364,
        195,
        402,
        319,
        338,
        256,
        311,
        279,
        318,
        340,
        314,
        260,
        296,
        349,
        242,
        353,
        395,
        399,
        468,
        468,
        432,
        422,
        448,
        505,
        626,
        654,
        636,
        627,
        546,
    ]
    days = [n if weekday == 0 else 0 for n in weeks for weekday in range(7)]
    found = _data(replace(HEALTHY, days=_days(days)), "level_change")
    assert (found.level, found.found) == ("ok", "1.0-fold")


def test_a_jump_on_both_sides_of_a_hole_is_seen() -> None:
    found = _data(_weekly([20] * 20 + [0] * 9 + [80] * 20), "level_change")
    assert (found.level, found.found) == ("warning", "4.0-fold at 2024-02-12")


@pytest.mark.parametrize(
    ("n", "level"), [(100, "ok"), (101, "warning"), (499, "warning"), (500, "error")]
)
def test_one_customer_may_have_a_tenth_of_the_lines_and_never_half(n: int, level: str) -> None:
    facts = replace(HEALTHY, n_lines=1_000, n_lines_of_biggest=n)
    assert _data(facts, "biggest_customer").level == level


def test_a_single_customer_is_asked_for_the_right_column_and_not_to_be_left_out() -> None:
    facts = replace(HEALTHY, n_customers=1, n_lines=52, n_lines_of_biggest=52)
    alone = _data(facts, "biggest_customer")
    assert alone.level == "error"
    assert "is customer_id mapped from the right column" in alone.message
    assert "placeholder" not in alone.message
    of_two = _data(replace(facts, n_customers=2), "biggest_customer")
    assert "is it a placeholder" in of_two.message


@pytest.mark.parametrize(
    ("unusual", "level"),
    [(0, "ok"), (5_000, "ok"), (5_001, "advice"), (20_000, "advice"), (20_001, "warning")],
)
def test_money_at_unusual_prices_is_advice_first_and_a_warning_from_a_fifth(
    unusual: int, level: str
) -> None:
    prices = PriceFacts(100_000, unusual, n_unusual_lines=1_234, n_unusual_products=56)
    found = _data(replace(HEALTHY, prices=prices), "unusual_prices")
    assert found.level == level
    assert found.message.startswith("1,234 lines of 56 products, with ")
    assert ("features.product_prices" in found.message) == (level != "ok")


def test_without_products_nothing_is_said_of_prices_and_without_sales_all_is_well() -> None:
    checks = {verdict.check for verdict in data_verdicts(HEALTHY, "churn")}
    assert "unusual_prices" not in checks
    nothing = replace(HEALTHY, prices=PriceFacts(0, 0, 0, 0))
    assert _data(nothing, "unusual_prices").level == "ok"
