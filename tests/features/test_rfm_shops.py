"""What the default RFM segments call the customers of made-up shops, by their number of orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from crm_spark.features.rfm import DEFAULT_SEGMENTS, RfmSegment, Scores

# Shares of customers with one order, from a grocer to an online shop.
SHARES = (0.20, 0.34, 0.45, 0.65, 0.82)
N_DAYS = 730
REGULARS = {"champions", "loyal_customers", "at_risk", "cannot_lose_them"}


@dataclass(frozen=True)
class Customer:
    """Days since the last order and since the first, orders, spend."""

    silence: int
    tenure: int
    n_orders: int
    spend: float


def made_shop(share: float) -> list[Customer]:
    """Draw customers of two years of whom a share has one order; who orders more is met later."""
    random = np.random.default_rng(round(100 * share))
    customers = []
    for _ in range(2000):
        tenure = int(random.integers(1, N_DAYS + 1))
        n_orders = 1 if random.random() < share else 2 + int(random.geometric(0.4)) - 1
        # The last of several orders, drawn over the time since the first.
        last = 0.0 if n_orders == 1 else random.random(n_orders - 1).max()
        silence = min(int((1 - last) * tenure), tenure - 1)
        spend = round(float(random.lognormal(3, 0.5)) * n_orders, 2)
        customers.append(Customer(silence, tenure, n_orders, spend))
    return customers


def scores_of(customers: Sequence[Customer]) -> list[Scores]:
    """Give the scores by quintiles of the customers, as add_rfm_scores() has them."""

    def exceeded(values: Sequence[float]) -> list[int]:
        cuts = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
        return [int((cuts < value).sum() + (cuts <= value).sum()) // 2 for value in values]

    return [
        (5 - recency, 1 + frequency, 1 + monetary)
        for recency, frequency, monetary in zip(
            exceeded([customer.silence for customer in customers]),
            exceeded([customer.n_orders for customer in customers]),
            exceeded([customer.spend for customer in customers]),
            strict=True,
        )
    ]


def name_of(segments: Sequence[RfmSegment], scores: Scores, customer: Customer) -> str:
    return next(
        segment.name
        for segment in segments
        if segment.holds(scores, customer.n_orders, customer.tenure)
    )


@cache
def named(share: float) -> list[tuple[Customer, str]]:
    """Give the customers of a shop with their segments."""
    customers = made_shop(share)
    return [
        (customer, name_of(DEFAULT_SEGMENTS, scores, customer))
        for customer, scores in zip(customers, scores_of(customers), strict=True)
    ]


def names(share: float, *, orders: range, silence: range) -> set[str]:
    return {
        name
        for customer, name in named(share)
        if customer.n_orders in orders and customer.silence in silence
    }


ONE, TWO, MANY = range(1, 2), range(2, 3), range(5, 1000)
LAST_WEEKS, LONG_AGO, EVER = range(42), range(550, N_DAYS), range(N_DAYS)


@pytest.mark.parametrize("share", SHARES)
def test_the_made_shop_has_its_share_of_customers_with_one_order(share: float) -> None:
    found = sum(customer.n_orders == 1 for customer, _ in named(share)) / len(named(share))
    assert found == pytest.approx(share, abs=0.025)


@pytest.mark.parametrize("share", SHARES)
def test_who_bought_for_the_first_time_in_the_last_weeks_is_new_or_promising(share: float) -> None:
    found = names(share, orders=ONE, silence=LAST_WEEKS)
    assert "new_customers" in found
    assert found <= {"new_customers", "promising"}


@pytest.mark.parametrize("share", SHARES)
def test_who_bought_once_is_no_regular(share: float) -> None:
    assert names(share, orders=ONE, silence=EVER).isdisjoint(REGULARS)


@pytest.mark.parametrize("share", SHARES)
def test_who_bought_once_and_long_ago_is_lost_or_hibernating(share: float) -> None:
    found = names(share, orders=ONE, silence=LONG_AGO)
    assert "lost" in found
    assert found <= {"lost", "hibernating"}


@pytest.mark.parametrize("share", SHARES)
def test_who_bought_twice_is_no_regular_but_may_be_at_risk(share: float) -> None:
    found = names(share, orders=TWO, silence=EVER)
    assert found.isdisjoint(REGULARS - {"at_risk"})


@pytest.mark.parametrize("share", SHARES)
def test_who_buys_most_and_lately_is_a_champion(share: float) -> None:
    assert names(share, orders=MANY, silence=range(7)) == {"champions"}


@pytest.mark.parametrize("share", SHARES)
def test_who_bought_most_and_is_silent_for_longest_cannot_be_lost(share: float) -> None:
    lost = {
        name
        for (customer, name), scores in zip(named(share), scores_of(made_shop(share)), strict=True)
        if scores[:2] == (1, 5) and customer.n_orders >= 3
    }
    assert lost <= {"cannot_lose_them"}


@pytest.mark.parametrize("n_orders", [1, 2, 12])
def test_where_all_are_alike_everybody_is_in_the_middle(n_orders: int) -> None:
    customers = [Customer(30, 31, n_orders, 9.99)] * 20
    found = {
        name_of(DEFAULT_SEGMENTS, scores, customer)
        for scores, customer in zip(scores_of(customers), customers, strict=True)
    }
    assert found == {"need_attention"}


def test_where_all_bought_once_the_last_is_new_and_the_first_lost() -> None:
    customers = [Customer(day, day + 1, 1, 9.99) for day in range(100)]
    found = [
        name_of(DEFAULT_SEGMENTS, scores, customer)
        for scores, customer in zip(scores_of(customers), customers, strict=True)
    ]
    assert (found[0], found[25], found[50], found[70], found[-1]) == (
        "new_customers",
        "promising",
        "need_attention",
        "hibernating",
        "lost",
    )
