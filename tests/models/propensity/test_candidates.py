"""The columns that candidates read, by hand, and what no customer may do to them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from models.propensity.packed import Bought, histories_of

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.logistic import AS_IT_IS, LogisticRegression
from crm_spark.models.propensity.candidates import (
    CANDIDATES,
    PropensityCandidate,
    all_columns,
    decayed_counts,
    own_activity,
    own_rate,
    recent_rate,
    usual_share,
)
from crm_spark.models.propensity.customers import NEVER, Customers, Purchases
from crm_spark.models.propensity.model import PropensityModel, TargetTest, candidate
from crm_spark.models.propensity.targets import DEPARTMENT, Target, Targets

HORIZON = 28
each_candidate = pytest.mark.parametrize("one", CANDIDATES, ids=lambda one: one.name)


def purchases(n_days: Floats, n_recent_days: Floats, silence: Floats, decayed: Floats) -> Purchases:
    """Give purchases whose decayed counts are the same share of a number for each half-life."""
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    return Purchases(n_days, n_recent_days, silence, decayed[..., None] * shares)


# Three customers by two targets: an old one, one of yesterday, one who bought nothing of these.
CUSTOMERS = Customers(
    tenure_days=np.array([399.0, 0.0, 29.0]),
    anything=purchases(
        np.array([40.0, 1.0, 2.0]),
        np.array([9.0, 1.0, 2.0]),
        np.array([3.0, 0.0, 14.0]),
        np.array([10.0, 1.0, 1.5]),
    ),
    by_target=purchases(
        np.array([[30.0, 1.0], [1.0, 0.0], [0.0, 0.0]]),
        np.array([[6.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
        np.array([[3.0, 200.0], [0.0, NEVER], [NEVER, NEVER]]),
        np.array([[8.0, 0.25], [1.0, 0.0], [0.0, 0.0]]),
    ),
    usual_share=np.array([0.2, 0.01]),
    places=np.arange(3),
)


def grid(found: Floats) -> Floats:
    """Put an only column back into customers by targets."""
    assert found.shape == (6, 1)
    return found.reshape(3, 2)


def log_odds(expected_days: float) -> float:
    """Give the log odds to buy at all, of a Poisson process with so many days expected."""
    return math.log(math.expm1(expected_days))


def by_column(found: Floats, n: int) -> list[Floats]:
    """Put each of so many columns back into customers by targets."""
    assert found.shape == (6, n)
    return [found[:, place].reshape(3, 2) for place in range(n)]


# The days on which who buys at that rate is a buyer of the horizon as usually as that.
USUAL_DAYS = (math.log(1 / 0.8), math.log(1 / 0.99))
USUAL_ODDS = np.tile([math.log(0.2 / 0.8), math.log(0.01 / 0.99)], (3, 1))


def test_the_own_rate_is_of_all_days_since_the_first_purchase_and_a_horizon_like_all() -> None:
    found, has_bought, usual = by_column(own_rate(CUSTOMERS, HORIZON), 3)
    often, once = 30 + USUAL_DAYS[0], 1 + USUAL_DAYS[1]
    assert found[0] == pytest.approx([log_odds(often / 428 * 28), log_odds(once / 428 * 28)])
    assert found[2] == pytest.approx([log_odds(one / 58 * 28) for one in USUAL_DAYS])
    assert has_bought.tolist() == [[1, 1], [1, 0], [0, 0]]
    assert usual == pytest.approx(USUAL_ODDS)
    twice, *_ = by_column(own_rate(CUSTOMERS, 2 * HORIZON), 3)
    assert twice[0] == pytest.approx([log_odds(often / 456 * 56), log_odds(once / 456 * 56)])


def test_of_whom_nothing_is_known_yet_the_rate_is_nearly_the_usual_one() -> None:
    found, *_ = by_column(own_rate(CUSTOMERS, 365), 3)
    # Of yesterday, and has not bought the second.
    assert found[1, 1] == pytest.approx(USUAL_ODDS[1, 1], abs=0.01)
    assert found[1, 1] < USUAL_ODDS[1, 1]


def test_a_purchase_every_day_is_as_certain_as_can_be_and_finite() -> None:
    daily = replace(CUSTOMERS.by_target, n_days=np.array([[400.0] * 2, [1.0] * 2, [30.0] * 2]))
    found, *_ = by_column(own_rate(replace(CUSTOMERS, by_target=daily), HORIZON), 3)
    assert found[0] == pytest.approx([math.log(0.9999 / 0.0001)] * 2)


def test_the_recent_rate_is_of_three_horizons_or_of_the_days_known() -> None:
    found, has_bought, usual = by_column(recent_rate(CUSTOMERS, HORIZON), 3)
    recent = [6 + USUAL_DAYS[0], USUAL_DAYS[1]]  # an old purchase is none of them
    assert found[0] == pytest.approx([log_odds(one / (84 + 28) * 28) for one in recent])
    assert has_bought.tolist() == [[1, 1], [1, 0], [0, 0]]
    assert usual == pytest.approx(USUAL_ODDS)
    young = replace(CUSTOMERS, tenure_days=np.array([20.0, 83.0, 84.0]))
    days = np.array([[2.0, 0.0]] * 3)
    young = replace(young, by_target=replace(CUSTOMERS.by_target, n_recent_days=days))
    of_young, *_ = by_column(recent_rate(young, HORIZON), 3)
    twice = 2 + USUAL_DAYS[0]
    assert of_young[:, 0] == pytest.approx(
        [log_odds(twice / (known + 28) * 28) for known in (21, 84, 84)]
    )


def test_own_activity_is_of_anything_and_the_same_for_all_targets() -> None:
    found, usual = by_column(own_activity(CUSTOMERS, HORIZON), 2)
    assert found[:, 0].tolist() == found[:, 1].tolist()
    # 40 days of 400, one of one, two of 30, and a day more of each; the first day is the first.
    expected = [log_odds(41 / 428 * 28), log_odds(2 / 29 * 28), log_odds(3 / 58 * 28)]
    assert found[:, 0] == pytest.approx(expected)
    assert usual == pytest.approx(USUAL_ODDS)


def test_the_usual_share_is_the_same_for_all_customers() -> None:
    found = grid(usual_share(CUSTOMERS, HORIZON))
    assert found == pytest.approx(np.tile([math.log(0.2 / 0.8), math.log(0.01 / 0.99)], (3, 1)))


def test_shares_of_nobody_and_of_everybody_are_finite() -> None:
    found = usual_share(replace(CUSTOMERS, usual_share=np.array([0.0, 1.0])), HORIZON)
    assert grid(found)[0] == pytest.approx([math.log(0.0001 / 0.9999), math.log(0.9999 / 0.0001)])


def test_decayed_counts_are_those_of_the_target_by_half_life() -> None:
    *decayed, has_bought, usual = by_column(decayed_counts(CUSTOMERS, HORIZON), 6)
    found = np.stack(decayed, axis=-1)
    assert found[0, 0] == pytest.approx(np.log([1.8, 2.6, 3.4, 4.2]))
    assert found[0, 1] == pytest.approx(np.log([1.025, 1.05, 1.075, 1.1]))
    assert not found[2].any()
    assert has_bought.tolist() == [[1, 1], [1, 0], [0, 0]]
    assert usual == pytest.approx(USUAL_ODDS)


@each_candidate
def test_every_pair_has_a_row_of_finite_values(one: PropensityCandidate) -> None:
    nobody_and_all = replace(CUSTOMERS, usual_share=np.array([0.0, 1.0]))
    for customers in (CUSTOMERS, nobody_and_all):
        for horizon_days in (1, HORIZON, 365):
            found = one.columns(customers, horizon_days)
            assert found.ndim == 2 and len(found) == 6
            assert np.isfinite(found).all()


@each_candidate
def test_nobody_has_no_rows(one: PropensityCandidate) -> None:
    columns = one.columns(CUSTOMERS, HORIZON).shape[1]
    assert one.columns(part_of(CUSTOMERS, []), HORIZON).shape == (0, columns)


def part_of(customers: Customers, rows: list[int]) -> Customers:
    def of(one: Purchases) -> Purchases:
        return Purchases(
            one.n_days[rows], one.n_recent_days[rows], one.silence_days[rows], one.decayed[rows]
        )

    return Customers(
        customers.tenure_days[rows],
        of(customers.anything),
        of(customers.by_target),
        customers.usual_share,
        customers.places[rows],
    )


@each_candidate
@pytest.mark.parametrize("rows", [[0], [2, 0], [1, 2]])
def test_a_customer_has_the_same_columns_whoever_is_read_beside(
    one: PropensityCandidate, rows: list[int]
) -> None:
    whole = one.columns(CUSTOMERS, HORIZON).reshape(3, 2, -1)
    part = one.columns(part_of(CUSTOMERS, rows), HORIZON).reshape(len(rows), 2, -1)
    assert part == pytest.approx(whole[rows], rel=1e-12)


@each_candidate
def test_histories_read_alone_have_the_columns_that_they_have_in_a_batch(
    one: PropensityCandidate,
) -> None:
    day = date(2024, 6, 3)
    targets = {day: Targets((Target(DEPARTMENT, "FRUIT", 20), Target(DEPARTMENT, "MEAT", 3)))}
    random = np.random.default_rng(3)
    lines = [
        Bought(
            int(random.integers(12)),
            day - timedelta(days=int(random.integers(1, 900))),
            tuple(random.choice(["department:FRUIT", "department:MEAT"], random.integers(3))),
        )
        for _ in range(60)
    ]

    def read(of: list[Bought]) -> tuple[list[int], Floats]:
        found = histories_of(of, [day], targets).before(day, horizon_days=HORIZON)
        columns = one.columns(found, HORIZON)
        return found.places.tolist(), columns.reshape(len(found), 2, -1)

    places, whole = read(lines)
    assert len(places) > 5
    for row, place in enumerate(places):
        _, alone = read([replace(line, customer=0) for line in lines if line.customer == place])
        assert alone[0] == pytest.approx(whole[row], rel=1e-12)


def pooled(customers: Customers) -> Floats:
    return all_columns(customers, HORIZON).reshape(3, 2, -1)


def test_longer_silences_than_two_years_are_alike() -> None:
    def silent(days: float) -> Floats:
        silence = np.array([[days, 5.0], [5.0, NEVER], [NEVER, NEVER]])
        of = replace(CUSTOMERS.by_target, silence_days=silence)
        anything = replace(CUSTOMERS.anything, silence_days=np.array([days, 5.0, 5.0]))
        return pooled(replace(CUSTOMERS, by_target=of, anything=anything))

    assert np.array_equal(silent(730), silent(5_000))
    assert not np.array_equal(silent(729), silent(730))


def test_the_pooled_columns_tell_a_purchase_of_yesterday_from_none() -> None:
    of = replace(CUSTOMERS.by_target, silence_days=np.array([[0.0, NEVER]] * 3))
    found = pooled(replace(CUSTOMERS, by_target=of))
    never = replace(of, silence_days=np.full((3, 2), float(NEVER)))
    without = pooled(replace(CUSTOMERS, by_target=never))
    assert np.array_equal(found[:, 1], without[:, 1])
    # One flag, and it is a difference of one.
    assert (found[:, 0] - without[:, 0]).sum(axis=1).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "changed",
    [
        {"tenure_days": np.array([398.0, 1.0, 30.0])},
        {"usual_share": np.array([0.3, 0.02])},
        {"anything": replace(CUSTOMERS.anything, silence_days=np.array([4.0, 1.0, 15.0]))},
        {"anything": replace(CUSTOMERS.anything, decayed=2 * CUSTOMERS.anything.decayed)},
        {"by_target": replace(CUSTOMERS.by_target, n_days=CUSTOMERS.by_target.n_days + 1)},
        {"by_target": replace(CUSTOMERS.by_target, decayed=CUSTOMERS.by_target.decayed + 0.01)},
    ],
    ids=["tenure", "usual share", "silence", "decayed of anything", "days", "decayed of target"],
)
def test_the_pooled_columns_know_all_that_is_told_of_each_pair(
    changed: dict[str, object],
) -> None:
    differs = (pooled(replace(CUSTOMERS, **changed)) != pooled(CUSTOMERS)).any(axis=2)  # type: ignore[arg-type]
    assert differs.all()


def test_rules_come_first_and_names_are_told_apart() -> None:
    names = [one.name for one in CANDIDATES]
    assert len(set(names)) == len(names)
    kinds = [one.is_rule for one in CANDIDATES]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {True, False}
    assert [candidate(name).name for name in names] == names


def test_a_model_gives_a_row_a_customer_and_a_column_a_target() -> None:
    # Twice the log odds of the usual share, less one.
    regression = LogisticRegression(-1.0, (2.0,), (0.0,), (1.0,))
    found = PropensityModel("usual_share", regression, HORIZON).probability(CUSTOMERS)
    odds = np.array([(0.2 / 0.8) ** 2, (0.01 / 0.99) ** 2]) / math.e
    assert found == pytest.approx(np.tile(odds / (1 + odds), (3, 1)), abs=1e-6)


def test_a_model_reads_its_columns_by_its_own_horizon() -> None:
    regression = LogisticRegression(0.0, (1.0, 0.0, 0.0), (0.0,) * 3, (1.0,) * 3)
    found = PropensityModel("own_rate", regression, 7).probability(CUSTOMERS)
    rate = (30 + USUAL_DAYS[0]) / (400 + 7)
    assert found[0, 0] == pytest.approx(1 - math.exp(-rate * 7), abs=1e-6)


def test_what_is_not_learnt_is_the_probability_already() -> None:
    (one,) = [one for one in CANDIDATES if not one.is_learnt]
    found = PropensityModel(one.name, AS_IT_IS, HORIZON).probability(CUSTOMERS)
    assert found == pytest.approx(np.tile([0.2, 0.01], (3, 1)), abs=1e-6)


def test_nobody_is_impossible_and_probabilities_have_six_decimals() -> None:
    for intercept, least in ((-50.0, 1e-6), (0.1234567, 0.0)):
        regression = LogisticRegression(intercept, (1.0,), (0.0,), (1.0,))
        found = PropensityModel("usual_share", regression, HORIZON).probability(CUSTOMERS)
        assert found.min() >= least
        assert np.array_equal(found, np.round(found, 6))


def test_a_model_that_was_stored_is_the_same_again() -> None:
    n = decayed_counts(CUSTOMERS, HORIZON).shape[1]
    regression = LogisticRegression(-2.5, tuple(np.linspace(-1, 1, n)), (0.1,) * n, (2.0,) * n)
    tested = {"department:FRUIT": TargetTest(0.5, 0.25), "product:17": TargetTest(0.125, 0.5)}
    model = PropensityModel("decayed_counts", regression, HORIZON, tested)
    again = PropensityModel.of(json.loads(json.dumps(model.spec())))
    assert again == model
    assert again.probability(CUSTOMERS).tolist() == model.probability(CUSTOMERS).tolist()
