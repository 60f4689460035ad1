"""Histories and outcomes of a few customers, whose every column is worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.features.orders import customer_orders
from crm_spark.models.outcomes import orders_in_horizon
from crm_spark.models.purchases import MBG_NBD, fit
from crm_spark.models.value import cells
from crm_spark.models.value.candidates import CANDIDATES
from crm_spark.models.value.cells import amount_cells, history_cells
from crm_spark.models.value.data import ValueData, closed_on
from crm_spark.models.value.histories import value_histories, with_later_amount, with_outcomes
from crm_spark.models.value.section import ValueSection
from crm_spark.tables.core import TRANSACTIONS

CUTOFF, EARLIER = date(2017, 9, 1), date(2017, 8, 1)
RETURN = "return"

# customer, order, product, ordered on, amount; a return is below zero and takes back its product.
LINES = [
    ("regular", "o1", "a", "2017-07-01 15:00", 10),
    ("regular", "o2", "b", "2017-07-01 20:00", 5),
    ("regular", "o3", "a", "2017-07-11 15:00", 20),
    ("regular", "o4", "a", "2017-08-10 15:00", 40),
    ("regular", "o5", "a", "2017-09-01 15:00", 80),
    ("regular", "o6", "a", "2017-09-28 15:00", 160),
    ("regular", "o7", "a", "2017-09-29 15:00", 320),
    ("once", "o1", "a", "2017-08-31 15:00", 7),
    ("gave back later", "o1", "a", "2017-07-05 15:00", 9),
    ("gave back later", "o2", "b", "2017-07-25 15:00", 11),
    ("gave back later", "r1", "b", "2017-09-10 15:00", -11),
    ("gave all back", "o1", "a", "2017-07-05 15:00", 9),
    ("gave all back", "r1", "a", "2017-07-06 15:00", -9),
    ("came after", "o1", "a", "2017-09-02 15:00", 9),
]


@pytest.fixture(scope="module")
def lines(spark: SparkSession) -> DataFrame:
    """Give LINES as core.transactions; the session's time zone is New York's."""

    def line(place: int, one: tuple[str, str, str, str, int]) -> dict[str, Any]:
        customer, order, product, ordered, amount = one
        moment = datetime.fromisoformat(ordered).replace(tzinfo=UTC)
        return {
            "customer_id": customer,
            "order_id": order,
            "line_id": str(place),
            "product_id": product,
            "ordered_at": moment,
            "arrived_at": moment,
            "quantity": Decimal(-1 if amount < 0 else 1),
            "amount": Decimal(amount),
            "is_return": amount < 0,
            "is_deleted": False,
            "replaces_order": False,
            "is_zero_amount": False,
            "is_zero_quantity": False,
        }

    names = TRANSACTIONS.schema.names
    rows = [tuple(line(place, one).get(name) for name in names) for place, one in enumerate(LINES)]
    return spark.createDataFrame(rows, TRANSACTIONS.schema)


@pytest.fixture(scope="module")
def histories(lines: DataFrame) -> DataFrame:
    """Give the histories of both cut-offs, with what came in 28 days."""
    orders = customer_orders(lines).persist()  # read for both cut-offs and for what came
    found = value_histories(orders, lines, dates=[CUTOFF, EARLIER], horizons_days=(28, 60))
    ordered = orders_in_horizon(orders, lines, dates=[CUTOFF], horizon_days=28, grace_days=0)
    return with_outcomes(found, ordered, dates=[CUTOFF]).persist()


@pytest.fixture(scope="module")
def rows(histories: DataFrame) -> dict[tuple[str, date], dict[str, Any]]:
    return {(row["customer_id"], row["as_of_date"]): row.asDict() for row in histories.collect()}


def test_only_who_has_kept_an_order_before_the_cut_off_has_a_history(
    rows: dict[tuple[str, date], dict[str, Any]],
) -> None:
    assert {name for name, day in rows if day == CUTOFF} == {"regular", "once", "gave back later"}
    assert {name for name, day in rows if day == EARLIER} == {"regular", "gave back later"}


def test_order_days_are_counted_from_the_first_and_amounts_of_a_day_are_one(
    rows: dict[tuple[str, date], dict[str, Any]],
) -> None:
    row = rows["regular", CUTOFF]
    assert (row["n_repeat_days"], row["repeat_span_days"], row["tenure_days"]) == (2, 40, 61)
    assert (row["net_amount"], row["repeat_amount"]) == (75.0, 60.0)
    assert row["log_gap_sum"] == pytest.approx(math.log(10) + math.log(30))
    once = rows["once", CUTOFF]
    assert (once["n_repeat_days"], once["repeat_span_days"], once["tenure_days"]) == (0, 0, 0)
    assert (once["net_amount"], once["repeat_amount"], once["log_gap_sum"]) == (7.0, 0.0, 0.0)


def test_what_was_spent_lately_ends_with_the_day_before_the_cut_off(
    rows: dict[tuple[str, date], dict[str, Any]],
) -> None:
    row = rows["regular", CUTOFF]
    # 10 August is 22 days before; 11 July 52; 1 July 62.
    assert (row["recent_amount_28d"], row["recent_amount_60d"]) == (40.0, 60.0)
    assert rows["regular", EARLIER]["recent_amount_28d"] == 20.0


def test_what_came_counts_from_the_cut_off_to_the_last_day_of_the_horizon(
    rows: dict[tuple[str, date], dict[str, Any]],
) -> None:
    row = rows["regular", CUTOFF]
    # 1 and 28 September are the first and the last day; the 29th is none of it.
    assert (row["actual_amount"], row["actual_order_days"]) == (240.0, 2)
    once = rows["once", CUTOFF]
    assert (once["actual_amount"], once["actual_order_days"]) == (0.0, 0)
    assert rows["regular", EARLIER]["actual_amount"] is None  # it was not asked for


def test_what_came_in_a_longer_horizon_stands_where_that_has_closed(
    lines: DataFrame, histories: DataFrame
) -> None:
    orders = customer_orders(lines)
    ordered = orders_in_horizon(orders, lines, dates=[EARLIER], horizon_days=60, grace_days=0)
    found = with_later_amount(histories, ordered, dates=[EARLIER], horizon_days=60).collect()
    later = {(row["customer_id"], row["as_of_date"]): row["actual_amount_60d"] for row in found}
    # 10 August, 1, 28 and 29 September; what came back on the 10th had not by 1 August.
    assert later["regular", EARLIER] == 40 + 80 + 160 + 320
    assert later["gave back later", EARLIER] == 0
    assert {amount for (_, day), amount in later.items() if day == CUTOFF} == {None}
    assert all(set(row.asDict()) == {*histories.columns, "actual_amount_60d"} for row in found)


def test_what_was_taken_back_after_the_cut_off_was_not_known_on_it(
    rows: dict[tuple[str, date], dict[str, Any]],
) -> None:
    row = rows["gave back later", CUTOFF]
    assert (row["n_repeat_days"], row["net_amount"]) == (1, 20.0)


def test_equal_histories_are_one_cell_in_weeks(histories: DataFrame) -> None:
    of_two = histories.where("customer_id = 'once'").withColumn("customer_id", F.lit("other"))
    found = history_cells(histories.unionByName(of_two), CUTOFF)
    assert sorted(zip(found.x, found.t_x * 7, found.T * 7, found.n, strict=True)) == [
        (0, 0, 0, 2),
        (1, pytest.approx(20), pytest.approx(57), 1),
        (2, pytest.approx(40), pytest.approx(61), 1),
    ]
    in_weeks = math.log(10 / 7) + math.log(30 / 7) + math.log(20 / 7)
    assert found.log_gaps == pytest.approx(in_weeks)


def test_where_too_many_histories_differ_neighbours_are_put_together(
    spark: SparkSession,
) -> None:
    drawn = np.random.default_rng(2)
    tenure = drawn.integers(1, 700, 4000)
    x = drawn.integers(0, 200, 4000)
    span = (tenure * drawn.random(4000)).astype(int)
    rows = [
        (str(i), CUTOFF, int(x[i]), int(span[i]), int(tenure[i]), 0.0) for i in range(len(tenure))
    ]
    frame = spark.createDataFrame(
        rows,
        "customer_id string, as_of_date date, n_repeat_days int, repeat_span_days int, "
        "tenure_days int, log_gap_sum double",
    )
    exact = history_cells(frame, CUTOFF)
    coarse = history_cells(frame, CUTOFF, most=800)
    assert len(exact.n) > 3000 and len(coarse.n) <= 800
    for found in (exact, coarse):
        assert found.n.sum() == 4000
        # A cell stands at the mean of its customers: sums over all are exact.
        assert (found.n * found.x).sum() == pytest.approx(x.sum())
        assert (found.n * found.t_x * 7).sum() == pytest.approx(span.sum())
        assert (found.n * found.T * 7).sum() == pytest.approx(tenure.sum())


@pytest.mark.parametrize(("steps", "off"), [(20.0, 0.001), (10.0, 0.005)])
def test_of_weekly_buyers_put_together_parameters_stay_what_they_are(
    spark: SparkSession, steps: float, off: float
) -> None:
    # Rates differ little and times much: steps of some days once moved r by a hundredth and more.
    drawn = np.random.default_rng(4)
    n = 12_000
    tenure = drawn.integers(1, 700, n)
    stays = np.minimum(tenure, np.ceil(drawn.exponential(400, n)))
    x = drawn.poisson(stays / 7 * drawn.gamma(5, 1 / 5, n))
    span = np.where(x > 0, np.maximum(stays - drawn.integers(0, 8, n), 1), 0)
    frame = pd.DataFrame({"x": x, "span": span.astype(int), "tenure": tenure})
    rows = spark.createDataFrame(frame).selectExpr(
        "date '2017-09-01' as as_of_date", "cast(x as int) as n_repeat_days",
        "cast(span as int) as repeat_span_days", "cast(tenure as int) as tenure_days",
        "0.0D as log_gap_sum",
    )  # fmt: skip
    exact = history_cells(rows, CUTOFF)
    coarse = history_cells(rows, CUTOFF, most=1, time_steps=(steps,))
    assert len(coarse.n) < 0.9 * len(exact.n)
    found, right = (fit(MBG_NBD, one) for one in (coarse, exact))
    assert found.parameters == pytest.approx(right.parameters, rel=off)


def test_mean_amounts_of_repeat_days_are_counted_within_a_hundredth(histories: DataFrame) -> None:
    found = amount_cells(histories, CUTOFF)
    assert sorted(zip(found.x, found.mean, found.n, strict=True)) == [
        (1, pytest.approx(11.0), 1),
        (2, pytest.approx(30.0), 1),
    ]
    assert np.exp(found.log_mean) == pytest.approx(found.mean)
    assert cells.AMOUNT_STEP == 0.01


# --- what candidates may know on a date


@pytest.fixture(scope="module")
def data(spark: SparkSession) -> ValueData:
    """Give 120 customers on three cut-offs, who then spend 1, 2 and 4; first, 3 in 84 days."""
    days = {FIRST: 1.0, SECOND: 2.0, TESTED: 4.0}
    rows = [
        (
            str(i),
            day,
            i % 3,
            10 * (i % 3),
            40,
            30.0,
            10.0 * (i % 3),
            5.0,
            9.0,
            0.0,
            amount,
            1,
            3.0 if day == FIRST else None,
        )
        for day, amount in days.items()
        for i in range(120)
    ]
    frame = spark.createDataFrame(
        rows,
        "customer_id string, as_of_date date, n_repeat_days int, repeat_span_days int, "
        "tenure_days int, net_amount double, repeat_amount double, recent_amount_28d double, "
        "recent_amount_84d double, log_gap_sum double, actual_amount double, "
        "actual_order_days int, actual_amount_84d double",
    ).persist()
    params = ValueSection(horizons_days=(28, 84), n_training_cutoffs=2)
    return ValueData(frame, params, tuple(days))


FIRST, SECOND, TESTED = date(2024, 3, 4), date(2024, 4, 1), date(2024, 4, 29)


def test_a_cut_off_is_known_once_its_horizon_has_passed(data: ValueData) -> None:
    params = ValueSection(horizons_days=(28,), n_training_cutoffs=2)
    dates = (FIRST, SECOND, TESTED)
    assert closed_on(dates, TESTED, params) == [SECOND, FIRST]
    assert closed_on(dates, TESTED + timedelta(days=27), params) == [SECOND, FIRST]
    assert closed_on(dates, TESTED + timedelta(days=28), params) == [TESTED, SECOND]
    known = data.known(TESTED)
    assert [set(one.actual_amount) for one in known.closed] == [{2.0}, {1.0}]  # type: ignore[arg-type]


def test_the_means_of_cells_are_of_cut_offs_before_the_tested_one(data: ValueData) -> None:
    candidate = next(one for one in CANDIDATES if one.name == "rfm_cell")
    fitted = data.fitted(candidate, TESTED)
    found = fitted.predict(data.customers(TESTED), 28).amount
    assert found == pytest.approx(np.full(120, 1.5))  # what they spend then is 4


def test_intervals_are_of_the_newest_closed_cut_off(data: ValueData) -> None:
    candidate = next(one for one in CANDIDATES if one.name == "carried_forward")
    fitted = data.fitted(candidate, TESTED)
    (groups,) = fitted.groups.values()
    assert {(group.mean, group.low, group.high) for group in groups} == {(5.0, 2.0, 2.0)}
    assert data.fitted(candidate, FIRST).groups == {}


def test_a_longer_horizon_has_intervals_from_the_day_on_that_it_closes(data: ValueData) -> None:
    candidate = next(one for one in CANDIDATES if one.name == "carried_forward")
    fitted = data.fitted(candidate, TESTED)
    closes = FIRST + timedelta(days=84)
    assert set(data.with_all_intervals(fitted, closes - timedelta(days=1)).groups) == {28}
    found = data.with_all_intervals(fitted, closes).groups
    assert found[28] == fitted.groups[28]
    # 9 in the 84 days before, of which anybody's first order left 41: in proportion.
    assert {(round(one.mean, 6), one.low, one.high) for one in found[84]} == {
        (round(9 * 84 / 41, 6), 3.0, 3.0)
    }


def test_customers_are_counted_by_cut_off(data: ValueData) -> None:
    counts = data.counts(TESTED)
    assert (counts.n, counts.n_repeaters, counts.n_with_amount, counts.n_spenders) == (
        120,
        80,
        120,
        120,
    )
    # 30 each, on one, two or three days.
    assert counts.usual_amount == pytest.approx(30 * 120 / 240)
    assert data.counts(date(2020, 1, 1)).n == 0
