"""The verdict of next purchase on the data: each check at its limits."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from models.next_purchase.packed import Ordered, histories_of

from crm_spark.models.cutoffs import Cutoffs, Plan
from crm_spark.models.next_purchase.data import moments_of
from crm_spark.models.next_purchase.definition import NextPurchase
from crm_spark.models.next_purchase.section import NextPurchaseSection, cutoffs_for_test
from crm_spark.models.next_purchase.trials import Trials
from crm_spark.models.next_purchase.verdicts import (
    closed_horizons,
    next_orders,
    next_purchase_verdicts,
)
from crm_spark.models.usability.facts import DataFacts, IngestFacts, OrderDay
from crm_spark.tables.checks import Verdict

FIRST = date(2024, 1, 1)
PARAMS = NextPurchaseSection(horizons_days=(28, 7), grace_days=2, n_training_cutoffs=2)
ONE_CUTOFF = PARAMS.model_copy(update={"n_training_cutoffs": 1})


def facts(
    n_days: int = 300, *, n_customers: int = 900, empty: tuple[int, int] = (0, 0)
) -> DataFacts:
    """Give a shop with orders on every day but those from one on, up to another."""
    days = tuple(
        OrderDay(FIRST + timedelta(days=one), 5)
        for one in range(n_days)
        if not empty[0] <= one < empty[1]
    )
    as_of = FIRST + timedelta(days=n_days)
    return DataFacts(as_of, days, n_customers, 9_000, 9, IngestFacts(9_000, 0, 0, 0))


def cutoffs_of(known: DataFacts, params: NextPurchaseSection = PARAMS) -> Cutoffs:
    return cutoffs_for_test(params, known.as_of - params.closed_after, FIRST)


def trials_of(
    cutoffs: Cutoffs, n: int, n_ordered: int, params: NextPurchaseSection = PARAMS
) -> Trials:
    """Give customers at the test of whom so many ordered again in the first horizon."""
    first, last = cutoffs.test, cutoffs.test + timedelta(days=params.horizon_days - 1)
    orders = [Ordered(place, FIRST) for place in range(n)]
    orders += [Ordered(place, (first, last)[place % 2]) for place in range(n_ordered)]
    # A day of grace is none of the horizon.
    orders += [Ordered(place, last + timedelta(days=1)) for place in range(n)]
    moments = moments_of(params, Plan(cutoffs), cutoffs.test + params.closed_after, FIRST)
    return Trials(histories_of(orders, moments, n=n), params, FIRST)


def verdicts(
    known: DataFacts | None = None,
    *,
    params: NextPurchaseSection = PARAMS,
    n: int = 900,
    n_ordered: int = 300,
    n_customers: int | None = None,
    has_closed: bool = True,
) -> dict[str, Verdict]:
    known = known or facts()
    cutoffs = cutoffs_of(known, params)
    found = next_purchase_verdicts(
        known,
        params=params,
        cutoffs=cutoffs,
        trials=trials_of(cutoffs, n, n_ordered, params) if has_closed else None,
        n_customers=n_customers,
    )
    by_check = {one.check: one for one in found}
    assert len(by_check) == len(found)
    return by_check


def test_of_enough_of_everything_nothing_is_said_but_ok() -> None:
    found = verdicts()
    assert {one.level for one in found.values()} == {"ok"}
    assert {one.subject for one in found.values()} == {"next_purchase"}
    assert {"history", "customers", "next_orders", "closed_horizons", "days_without_data"} <= set(
        found
    )


@pytest.mark.parametrize(
    ("n_days", "level"),
    # 28 + 2 days to know customers, twice to wait for outcomes, and once more.
    [(89, "error"), (90, "warning"), (119, "warning"), (120, "ok")],
)
def test_history_has_to_hold_a_closed_cut_off_and_had_better_hold_two(
    n_days: int, level: str
) -> None:
    found = verdicts(facts(n_days))["history"]
    assert (found.level, found.found) == (level, f"{n_days} days")


def test_what_history_lacks_is_said_with_how_long_it_has_to_be() -> None:
    short = verdicts(facts(80), has_closed=False)["history"]
    assert short.needed == "at least 90 days"
    assert short.message.startswith(
        "the first order is of 2024-01-01, and 90 days of history are needed"
    )
    assert "customers for 30 days" in short.message
    assert "next_purchase.horizons_days" in short.message
    single = verdicts(facts(100))["history"]
    assert "100 days of history hold 1 closed cut-off before the test of 2024-03-11" in (
        single.message
    )
    assert "120 days are needed for two" in single.message
    assert "120 days of history hold 2 closed cut-offs" in verdicts(facts(120))["history"].message


def test_a_single_training_cut_off_by_configuration_names_the_key() -> None:
    found = verdicts(params=ONE_CUTOFF)["history"]
    assert found.level == "warning"
    assert "raise next_purchase.n_training_cutoffs" in found.message


def test_without_any_order_it_says_so_and_breaks_nowhere() -> None:
    nothing = DataFacts(FIRST, (), 0, 0, 0, IngestFacts(0, 0, 0, 0))
    found = verdicts(nothing, has_closed=False)
    assert (found["history"].level, found["customers"].level) == ("error", "error")
    assert found["history"].message.startswith("no order is known")


def test_where_nothing_has_closed_nothing_is_said_of_what_came() -> None:
    found = verdicts(facts(80), has_closed=False)
    assert not {"next_orders", "closed_horizons"} & set(found)


@pytest.mark.parametrize(
    ("n", "level"), [(0, "error"), (49, "error"), (50, "warning"), (499, "warning"), (500, "ok")]
)
def test_fewer_than_50_customers_are_too_few_and_500_are_enough(n: int, level: str) -> None:
    found = verdicts(n=n, n_ordered=n // 2, n_customers=n)["customers"]
    assert (found.level, found.found) == (level, str(n))


def test_customers_are_those_of_the_test_and_all_where_they_are_not_known() -> None:
    few = verdicts(facts(n_customers=900), n=7, n_ordered=2, n_customers=7)
    assert few["customers"].level == "error"
    assert verdicts(facts(n_customers=7), n_customers=900)["customers"].level == "ok"
    assert verdicts(facts(80, n_customers=7), has_closed=False)["customers"].level == "error"
    assert verdicts(facts(n_customers=7))["customers"].level == "error"
    # None at the test is a number like others.
    assert verdicts(facts(n_customers=900), n_customers=0)["customers"].found == "0"


def test_of_a_sample_whoever_was_looked_at_is_told_from_all_customers() -> None:
    found = verdicts(n=60, n_ordered=20, n_customers=80_000)
    assert (found["customers"].level, found["customers"].found) == ("ok", "80,000")
    assert found["next_orders"].message.startswith("20 of 60 customers looked at ordered in ")


def test_one_customer_is_written_so() -> None:
    found = verdicts(n=1, n_ordered=1, n_customers=1)
    test = cutoffs_of(facts()).test
    assert found["customers"].message.startswith(
        f"1 customer at the test cut-off {test} is too few to say when customers order next"
    )
    assert "1 of 1 customer looked at ordered" in found["next_orders"].message


@pytest.mark.parametrize(
    ("n_ordered", "level"), [(0, "error"), (1, "ok"), (899, "ok"), (900, "error")]
)
def test_some_have_to_have_ordered_and_some_not(n_ordered: int, level: str) -> None:
    found = verdicts(n_ordered=n_ordered)["next_orders"]
    assert (found.level, found.found) == (level, str(n_ordered))
    test = cutoffs_of(facts()).test
    assert found.message.startswith(
        f"{n_ordered} of 900 customers looked at ordered in the 28 days from {test} on"
    )


def test_what_to_do_depends_on_whether_none_or_all_ordered() -> None:
    cutoffs = cutoffs_of(facts())
    none, all_of_them = (next_orders(2_000, n, cutoffs, PARAMS) for n in (0, 2_000))
    assert "newest files" in none.message and "shorter" not in none.message
    assert "a shorter first horizon in next_purchase.horizons_days" in all_of_them.message
    assert all_of_them.message.startswith("2,000 of 2,000 customers looked at ordered")
    for one in (none, all_of_them):
        assert "nothing can be tested" in one.message
    fine = next_orders(2_000, 1_000, cutoffs, PARAMS)
    assert "tested" not in fine.message


def test_a_horizon_of_one_day_is_written_so() -> None:
    params = NextPurchaseSection(horizons_days=(1,))
    cutoffs = cutoffs_of(facts(), params)
    assert "in the 1 day from" in next_orders(9, 3, cutoffs, params).message


def horizons_of(
    n_days: int,
    *,
    comes: int = 0,
    horizons: tuple[int, ...] = (28, 90, 7),
) -> Verdict:
    """Judge the horizons of a shop of so many days, which has its customers from one day on."""
    params = NextPurchaseSection(horizons_days=horizons, grace_days=2)
    as_of = FIRST + timedelta(days=n_days)
    plan = NextPurchase().plan(params, as_of, FIRST)
    orders = [Ordered(place, FIRST + timedelta(days=comes)) for place in range(5)]
    moments = moments_of(params, plan, as_of, FIRST)
    return closed_horizons(
        Trials(histories_of(orders, moments), params, FIRST), plan.quoted, params
    )


# Cut-offs go by thirties, from 30 days before the date on, and none is of the first 30 days: of 150
# days the oldest is 120 before the date, of which 90 and 2 have passed. To be tested 90 days take a
# cut-off 92 days before the date, and one of the thirties before that that had closed: 120 earlier.
@pytest.mark.parametrize(
    ("n_days", "level", "found"),
    [
        (149, "warning", "2 of 3 horizons"),
        (150, "advice", "3 of 3 horizons"),
        (241, "advice", "3 of 3 horizons"),
        (242, "ok", "3 of 3 horizons"),
    ],
)
def test_every_horizon_has_to_have_closed_on_one_cut_off_and_had_better_on_two(
    n_days: int, level: str, found: str
) -> None:
    verdict = horizons_of(n_days)
    assert (verdict.level, verdict.found) == (level, found)


@pytest.mark.parametrize(
    ("comes", "level"),
    # Customers from the day before a cut-off on: that to learn 90 days from before the test, 212
    # days before the date; the last that has closed for 90 days, 120 days before it.
    [(87, "ok"), (88, "advice"), (179, "advice"), (180, "warning")],
)
def test_a_cut_off_without_customers_counts_for_no_horizon(comes: int, level: str) -> None:
    assert horizons_of(300, comes=comes).level == level


def test_horizons_that_are_open_yet_are_named_with_what_that_means() -> None:
    one, two = horizons_of(140), horizons_of(140, horizons=(28, 180, 7, 90))
    assert one.message.startswith("no cut-off with customers has closed for a horizon of 90 days: ")
    assert two.message.startswith(
        "no cut-off with customers has closed for horizons of 90 and 180 days: "
    )
    assert two.found == "2 of 4 horizons"
    for verdict in (one, two):
        assert "later days of the next order, stay empty" in verdict.message
        assert "longer history" in verdict.message
        # More cut-offs than needed is what there is without a number.
        assert "n_training_cutoffs" not in verdict.message


def test_a_horizon_of_one_day_that_is_open_yet_is_written_so() -> None:
    verdict = horizons_of(300, comes=299, horizons=(1,))
    assert verdict.level == "warning"
    assert "for a horizon of 1 day: " in verdict.message


def test_horizons_that_cannot_be_tested_yet_are_named() -> None:
    learnt = horizons_of(200)
    assert "closed for every horizon; a horizon of 90 days cannot be tested yet" in learnt.message
    assert "a longer history" in learnt.message
    both = horizons_of(200, horizons=(28, 80, 90))
    assert "horizons of 80 and 90 days cannot be tested yet" in both.message


def test_where_all_horizons_are_tested_nothing_is_to_be_done() -> None:
    fine = horizons_of(300)
    assert fine.message.startswith("the oldest cut-off, ")
    assert fine.message.endswith(", has closed for every horizon")
    single = horizons_of(300, horizons=(28,))
    assert (single.level, single.found) == ("ok", "1 of 1 horizon")


def test_without_customers_on_any_cut_off_no_horizon_is_learnt() -> None:
    verdict = horizons_of(300, comes=299)
    assert (verdict.level, verdict.found) == ("warning", "0 of 3 horizons")
    assert "horizons of 7, 28 and 90 days" in verdict.message


@pytest.mark.parametrize(
    ("n_empty", "level"),
    # More than 14 days are a hole; with half of a horizon's 28 days empty nobody seems to order.
    [(14, "ok"), (15, "error")],
)
def test_a_hole_in_the_horizon_of_a_cut_off_stops_it(n_empty: int, level: str) -> None:
    start = (cutoffs_of(facts()).training[0] - FIRST).days + 3
    known = facts(empty=(start, start + n_empty))
    assert verdicts(known)["days_without_data"].level == level


def test_a_hole_where_nothing_is_learnt_from_is_a_warning() -> None:
    assert verdicts(facts(empty=(20, 50)))["days_without_data"].level == "warning"
