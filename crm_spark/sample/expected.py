"""What is to be expected of a sample before it is made: its lines, and the rates that follow."""

from __future__ import annotations

import math

import numpy as np

from crm_spark.sample.settings import (
    CAUSE_FACTOR,
    CAUSE_SHARES,
    DISCOUNT_DAYS,
    DISCOUNT_STOPPED,
    EXISTING_SHARE,
    GAP_DEVIATION,
    GAP_SHAPES,
    HEAVY_SHARE,
    JOINING_PART,
    LIFETIME_DAYS,
    LINES_DEVIATION,
    MANY_RETURNS,
    MANY_RETURNS_FACTOR,
    MEDIAN_GAP_DAYS,
    MEDIAN_LINES_PER_ORDER,
    REGULAR_SHARE,
    RETURN_SHARE,
    SampleSettings,
)


def active_days(n_days: int, cause: str | None) -> float:
    """Give the mean number of days, of n_days, on which a customer is there and has not lapsed.

    The integral of the survival function, by days: exponential, or with a rate that is multiplied
    from an exponential moment on (a phase-type distribution: Neuts 1981).
    """
    middles = np.arange(n_days) + 0.5
    rate, stop = 1 / LIFETIME_DAYS, 1 / DISCOUNT_DAYS
    raised = rate * CAUSE_FACTOR
    if cause == MANY_RETURNS:
        survival = np.exp(-raised * middles)
    elif cause == DISCOUNT_STOPPED:
        leaving = rate + stop
        after = stop / (leaving - raised) * (np.exp(-raised * middles) - np.exp(-leaving * middles))
        survival = np.exp(-leaving * middles) + after
    else:
        survival = np.exp(-rate * middles)
    until = np.concatenate([[0.0], np.cumsum(survival)])
    joining = np.arange(int(n_days * JOINING_PART))
    joined_later = float(np.mean(until[n_days - joining]))
    return EXISTING_SHARE * float(until[n_days]) + (1 - EXISTING_SHARE) * joined_later


def cause_shares() -> dict[str | None, float]:
    """Give the share of customers of each cause, and under None of those without one."""
    shares: dict[str | None, float] = {None: 1 - sum(CAUSE_SHARES.values())}
    shares.update(CAUSE_SHARES)
    return shares


def lines_per_customer(n_days: int) -> float:
    """Give the mean number of lines that a customer buys, the heavy one aside.

    Orders are active days by the mean of 1 / gap; who joins later begins with an order, of which
    gaps that are more regular than exponential ones take a part back (Cox 1962, Renewal Theory).
    """
    days = sum(share * active_days(n_days, cause) for cause, share in cause_shares().items())
    orders_a_day = math.exp(GAP_DEVIATION**2 / 2) / MEDIAN_GAP_DAYS
    inverse_shape = REGULAR_SHARE / GAP_SHAPES["regular"] + (1 - REGULAR_SHARE)
    first_orders = (1 - EXISTING_SHARE) * (1 + (inverse_shape - 1) / 2)
    lines_an_order = MEDIAN_LINES_PER_ORDER * math.exp(LINES_DEVIATION**2 / 2)
    return (days * orders_a_day + first_orders) * lines_an_order


def heavy_lines(settings: SampleSettings) -> int:
    """Give how many lines the heavy customer has: its share of all that are to be expected."""
    others = (settings.n_customers - 1) * lines_per_customer(settings.n_days)
    return max(1, round(others * HEAVY_SHARE / (1 - HEAVY_SHARE)))


def expected_lines(settings: SampleSettings) -> float:
    """Give how many purchase lines a sample has, by expectation."""
    return (settings.n_customers - 1) * lines_per_customer(settings.n_days) + heavy_lines(settings)


def return_rates(n_days: int) -> tuple[float, float]:
    """Give the chance that a line is returned, of most customers and of those with many returns.

    They are such that RETURN_SHARE of all purchase lines are returned.
    """
    lines = {cause: share * active_days(n_days, cause) for cause, share in cause_shares().items()}
    many = lines[MANY_RETURNS] / sum(lines.values())
    usual = RETURN_SHARE / (1 - many + many * MANY_RETURNS_FACTOR)
    return usual, usual * MANY_RETURNS_FACTOR
