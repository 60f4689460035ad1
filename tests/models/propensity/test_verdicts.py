"""The verdict of propensity on the data: each check at its limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.propensity.section import PropensitySection, cutoffs_for_test
from crm_spark.models.propensity.targets import DEPARTMENT, PRODUCT, Target, Targets
from crm_spark.models.propensity.verdicts import propensity_verdicts
from crm_spark.models.usability.facts import DataFacts, IngestFacts, OrderDay
from crm_spark.tables.checks import Verdict

FIRST = date(2024, 1, 1)
PARAMS = PropensitySection(horizon_days=28, grace_days=2, n_training_cutoffs=2)
ONE_CUTOFF = PARAMS.model_copy(update={"n_training_cutoffs": 1})
SOME = Targets((Target(DEPARTMENT, "FRUIT", 40), Target(PRODUCT, "17", 30)))


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


def cutoffs_of(known: DataFacts, params: PropensitySection = PARAMS) -> Cutoffs:
    return cutoffs_for_test(params, known.as_of - params.closed_after, FIRST)


def verdicts(
    known: DataFacts | None = None,
    *,
    params: PropensitySection = PARAMS,
    targets: Targets | None = SOME,
    at_test: Targets | None = SOME,
    learnt: Sequence[Targets] = (SOME, SOME),
    n_customers: int | None = 900,
) -> dict[str, Verdict]:
    known = known or facts()
    found = propensity_verdicts(
        known,
        params=params,
        cutoffs=cutoffs_of(known, params),
        targets=targets,
        at_test=at_test,
        learnt=learnt,
        n_customers=n_customers,
    )
    by_check = {one.check: one for one in found}
    assert len(by_check) == len(found)
    return by_check


def test_of_enough_of_everything_nothing_is_said_but_ok() -> None:
    found = verdicts()
    assert {one.level for one in found.values()} == {"ok"}
    assert {one.subject for one in found.values()} == {"propensity"}
    assert {"history", "customers", "targets", "days_without_data"} <= set(found)


@pytest.mark.parametrize(
    ("n_days", "level"),
    # Two horizons to know customers, 28 + 2 days twice to wait for outcomes, and once more.
    [(115, "error"), (116, "warning"), (145, "warning"), (146, "ok")],
)
def test_history_has_to_hold_a_closed_cut_off_and_had_better_hold_two(
    n_days: int, level: str
) -> None:
    found = verdicts(facts(n_days))["history"]
    assert (found.level, found.found) == (level, f"{n_days} days")


def test_what_history_lacks_is_said_with_how_long_it_has_to_be() -> None:
    short = verdicts(facts(100), targets=None, at_test=None, n_customers=None)["history"]
    assert short.needed == "at least 116 days"
    assert short.message.startswith(
        "the first order is of 2024-01-01, and 116 days of history are needed"
    )
    assert "know customers for 56 days" in short.message
    single = verdicts(facts(120))["history"]
    assert "120 days of history hold 1 closed cut-off before the test of 2024-03-31" in (
        single.message
    )
    assert "146 days are needed for two" in single.message
    enough = verdicts(facts(146))["history"]
    assert "146 days of history hold 2 closed cut-offs before" in enough.message


def test_a_single_training_cut_off_by_configuration_names_the_key() -> None:
    found = verdicts(params=ONE_CUTOFF)["history"]
    assert found.level == "warning"
    assert "raise propensity.n_training_cutoffs" in found.message


def test_without_any_order_it_says_so_and_breaks_nowhere() -> None:
    nothing = DataFacts(FIRST, (), 0, 0, 0, IngestFacts(0, 0, 0, 0))
    found = verdicts(nothing, targets=None, at_test=None, n_customers=None)
    assert (found["history"].level, found["customers"].level) == ("error", "error")
    assert found["history"].message.startswith("no order is known")


@pytest.mark.parametrize(
    ("n", "level"), [(0, "error"), (49, "error"), (50, "warning"), (499, "warning"), (500, "ok")]
)
def test_fewer_than_50_customers_are_too_few_and_500_are_enough(n: int, level: str) -> None:
    found = verdicts(n_customers=n)["customers"]
    assert (found.level, found.found) == (level, str(n))


def test_customers_are_those_of_the_test_and_all_where_nothing_has_closed() -> None:
    assert verdicts(facts(n_customers=900), n_customers=7)["customers"].level == "error"
    assert verdicts(facts(n_customers=7), n_customers=900)["customers"].level == "ok"
    assert verdicts(facts(n_customers=7), n_customers=None)["customers"].level == "error"


def test_one_customer_is_written_so() -> None:
    message = verdicts(n_customers=1)["customers"].message
    assert message.startswith("1 customer at the test cut-off 2024-09-27 is too few")


def test_without_targets_nothing_is_said_of_them() -> None:
    for given in ({"targets": None}, {"at_test": None}, {"targets": None, "at_test": None}):
        assert "targets" not in verdicts(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "day"),
    [
        ({"targets": Targets()}, "before the date"),
        ({"at_test": Targets()}, "before the test cut-off 2024-09-27"),
        ({"targets": Targets(), "at_test": Targets()}, "before the date"),
        ({"learnt": [Targets(), Targets()]}, "before any cut-off to learn from"),
        ({"learnt": []}, "before any cut-off to learn from"),
    ],
)
def test_where_many_buy_nothing_in_common_the_date_is_named(
    given: dict[str, object], day: str
) -> None:
    found = verdicts(**given)["targets"]  # type: ignore[arg-type]
    assert (found.level, found.found) == ("error", "0")
    assert f"has 20 buyers in the 28 days {day}: " in found.message
    assert "propensity.fewest_buyers" in found.message


def test_one_cut_off_with_targets_is_enough_to_learn_from() -> None:
    assert verdicts(learnt=[Targets(), SOME])["targets"].level == "ok"
    assert verdicts(learnt=[SOME, Targets()])["targets"].level == "ok"


def test_departments_and_products_are_counted_apart() -> None:
    more = Targets((*SOME.all, Target(PRODUCT, "18", 25)))
    found = verdicts(targets=more, params=PARAMS.model_copy(update={"fewest_buyers": 1}))["targets"]
    assert (found.level, found.found) == ("ok", "3")
    assert found.message.startswith("1 department and 2 products have at least 1 buyer in the 28")


@pytest.mark.parametrize(
    ("n_empty", "level"),
    # More than 14 days are a hole; with half of a horizon's 28 days empty nobody seems to buy.
    [(14, "ok"), (15, "error")],
)
def test_a_hole_in_the_horizon_of_a_cut_off_stops_it(n_empty: int, level: str) -> None:
    start = (cutoffs_of(facts()).training[0] - FIRST).days + 3
    known = facts(empty=(start, start + n_empty))
    assert verdicts(known)["days_without_data"].level == level


def test_a_hole_where_nothing_is_learnt_from_is_a_warning() -> None:
    assert verdicts(facts(empty=(20, 50)))["days_without_data"].level == "warning"
