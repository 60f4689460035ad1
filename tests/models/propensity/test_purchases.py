"""Who bought what on which days, as it was known on two dates, worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.propensity.customers import NEVER, Histories
from crm_spark.models.propensity.data import PropensityData
from crm_spark.models.propensity.purchases import (
    bought_lines,
    chosen_targets,
    purchase_histories,
)
from crm_spark.models.propensity.section import PropensitySection
from crm_spark.models.propensity.targets import DEPARTMENT, PRODUCT, Targets
from crm_spark.tables.core import TRANSACTIONS

DAY, CUTOFF = date(2024, 6, 1), date(2024, 5, 4)
MOMENTS = [CUTOFF, DAY]
HORIZON = (DAY - CUTOFF).days
DEPARTMENTS = [("apple", "fruit"), ("pear", "fruit"), ("bread", "bakery"), ("stamp", None)]
ANN, BOB = 0, 1


def noon(day: date) -> datetime:
    """Give noon in New York."""
    return datetime(day.year, day.month, day.day, 16, tzinfo=UTC)


def bought(customer: str, product: str | None, day: date, **given: Any) -> dict[str, Any]:
    """Give a line of noon; it arrived when it was ordered."""
    return {
        "customer_id": customer,
        "order_id": f"{customer}-{product}-{day}",
        "product_id": product,
        "ordered_at": noon(day),
        "arrived_at": noon(day),
        "quantity": Decimal(1),
        "amount": Decimal(1),
        "is_return": False,
        "is_deleted": False,
        "replaces_order": False,
        "is_zero_amount": False,
        "is_zero_quantity": False,
        **given,
    }


def before(days: int) -> date:
    """Give a day so many days before the earlier date."""
    return CUTOFF - timedelta(days=days)


def after(days: int) -> date:
    """Give a day of the horizon, 0 the first."""
    return CUTOFF + timedelta(days=days)


LINES = [
    # Twice on one day, and on another.
    bought("ann", "apple", before(1)),
    bought("ann", "apple", before(1), order_id="again"),
    bought("ann", "pear", before(10)),
    bought("ann", "stamp", before(40)),
    # The last hour of the day before in New York is the day itself by UTC.
    bought("ann", "pear", before(1), ordered_at=datetime(2024, 5, 4, 3, tzinfo=UTC)),
    # In the horizon.
    bought("ann", "bread", CUTOFF),
    bought("bob", "bread", before(5)),
    bought("bob", "bread", before(4), is_return=True),
    # Corrected away in the horizon: it was bought for who looked at the cut-off only.
    bought("bob", "apple", before(3), superseded_at=noon(after(3))),
    # Known when the horizon had closed already, and while it had not.
    bought("bob", "apple", after(2), arrived_at=noon(DAY)),
    bought("bob", "bread", after(26), arrived_at=noon(after(27))),
    # Nobody yet at the cut-off.
    bought("cat", "apple", after(1)),
    bought("cat", None, after(2)),
    # Ordered before it and known after it.
    bought("dan", "bread", before(2), arrived_at=noon(after(1))),
    # Of the future.
    bought("eve", "stamp", DAY),
]


@pytest.fixture(scope="module")
def lines(spark: SparkSession) -> DataFrame:
    """Give LINES as core.transactions."""
    names = TRANSACTIONS.schema.names
    rows = [
        tuple({**line, "line_id": str(place)}.get(name) for name in names)
        for place, line in enumerate(LINES)
    ]
    return spark.createDataFrame(rows, TRANSACTIONS.schema)


@pytest.fixture(scope="module")
def departments(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(DEPARTMENTS, "product_id string, department string")


def targets_of(
    lines: DataFrame,
    departments: DataFrame | None,
    *,
    most: Mapping[str, int] | None = None,
    fewest: int = 1,
    dates: Sequence[date] = (CUTOFF, DAY),
) -> dict[date, Targets]:
    return chosen_targets(
        bought_lines(lines, departments, MOMENTS),
        MOMENTS,
        dates=dates,
        horizon_days=HORIZON,
        most=most or {DEPARTMENT: 30, PRODUCT: 20},
        fewest_buyers=fewest,
    )


def buyers(targets: Targets) -> dict[str, int]:
    return {one.target_id: one.n_buyers for one in targets}


@pytest.fixture(scope="module")
def read(lines: DataFrame, departments: DataFrame) -> PropensityData:
    """Give the histories as of both dates; the earlier one had closed on the later."""
    targets = targets_of(lines, departments)
    rows = purchase_histories(bought_lines(lines, departments, MOMENTS), MOMENTS, targets)
    return PropensityData(rows.persist(), MOMENTS, targets, {CUTOFF: DAY}, PropensitySection())


def test_targets_are_those_bought_in_the_horizon_before_each_date(
    lines: DataFrame, departments: DataFrame
) -> None:
    found = targets_of(lines, departments)
    assert buyers(found[CUTOFF]) == {
        "department:bakery": 1,
        "department:fruit": 2,
        "product:apple": 2,
        "product:bread": 1,
        "product:pear": 1,
    }
    # The first day of the window is the cut-off; bob's late apple is not known yet.
    assert buyers(found[DAY]) == {
        "department:bakery": 2,
        "department:fruit": 1,
        "product:apple": 1,
        "product:bread": 2,
    }


def test_what_a_date_chooses_does_not_depend_on_other_dates(
    lines: DataFrame, departments: DataFrame
) -> None:
    both = targets_of(lines, departments, most={DEPARTMENT: 1, PRODUCT: 1})
    alone = targets_of(lines, departments, most={DEPARTMENT: 1, PRODUCT: 1}, dates=[CUTOFF])
    assert both[CUTOFF] == alone[CUTOFF]
    assert both[CUTOFF].ids == ["department:fruit", "product:apple"]
    assert both[DAY].ids == ["department:bakery", "product:bread"]


def test_too_few_buyers_and_levels_that_are_not_wanted_are_no_targets(
    lines: DataFrame, departments: DataFrame
) -> None:
    few = targets_of(lines, departments, fewest=2)[CUTOFF]
    assert few.ids == ["department:fruit", "product:apple"]
    no_products = targets_of(lines, departments, most={DEPARTMENT: 30, PRODUCT: 0})
    assert no_products[DAY].ids == ["department:bakery", "department:fruit"]
    assert targets_of(lines, None)[CUTOFF].ids == ["product:apple", "product:bread", "product:pear"]
    nothing = targets_of(lines, departments, most={DEPARTMENT: 0, PRODUCT: 0})
    assert [len(one) for one in nothing.values()] == [0, 0]


def test_customers_are_those_who_had_bought_anything_by_what_was_known(
    read: PropensityData,
) -> None:
    assert read.n_customers == {CUTOFF: 2, DAY: 4}
    assert len(read.trials.customers(CUTOFF)) == 2
    assert len(read.trials.customers(DAY)) == 4


def test_days_are_counted_once_and_as_they_were_known(read: PropensityData) -> None:
    now, targets = read.trials.customers(CUTOFF), read.targets[CUTOFF]
    of = now.by_target
    fruit, bakery = (targets.ids.index(f"department:{one}") for one in ("fruit", "bakery"))
    # The day before with apples and a late pear, and ten days before.
    assert (of.n_days[ANN, fruit], of.silence_days[ANN, fruit]) == (2, 0)
    assert (of.n_days[ANN, bakery], of.silence_days[ANN, bakery]) == (0, NEVER)
    # What he brought back is no purchase.
    assert (of.n_days[BOB, bakery], of.silence_days[BOB, bakery]) == (1, 4)
    assert of.n_days[BOB, fruit] == 1
    # Of anything: stamps have no department, and count.
    assert now.anything.n_days.tolist() == [3, 2]
    assert now.tenure_days.tolist() == [39, 4]
    assert (now.usual_share[fruit], now.usual_share[bakery]) == (1.0, 0.5)


def test_what_was_corrected_away_is_not_known_later(read: PropensityData) -> None:
    later, targets = read.trials.customers(DAY), read.targets[DAY]
    of = later.by_target
    apple, bread = (targets.ids.index(f"product:{one}") for one in ("apple", "bread"))
    assert of.n_days[BOB, apple] == 0
    assert (of.n_days[BOB, bread], of.silence_days[BOB, bread]) == (2, 1)
    assert later.is_buyer is None


def test_what_came_is_what_was_known_when_the_horizon_had_closed(read: PropensityData) -> None:
    now, targets = read.trials.customers(CUTOFF), read.targets[CUTOFF]
    assert now.is_buyer is not None
    is_buyer = [
        [one for one, is_in in zip(targets.ids, row, strict=True) if is_in]
        for row in now.is_buyer.tolist()
    ]
    assert is_buyer[ANN] == ["department:bakery", "product:bread"]
    assert is_buyer[BOB] == ["department:bakery", "product:bread"]


def test_rows_do_not_depend_on_how_lines_are_spread(
    lines: DataFrame, departments: DataFrame, read: PropensityData
) -> None:
    spread = bought_lines(lines.repartition(5, "order_id"), departments, MOMENTS)
    again = purchase_histories(spread, MOMENTS, read.targets)
    assert sorted(again.collect()) == sorted(read.rows.collect())


def test_histories_of_nobody_are_empty(lines: DataFrame, departments: DataFrame) -> None:
    nobody = bought_lines(lines.where("false"), departments, MOMENTS)
    targets = {CUTOFF: Targets(), DAY: Targets()}
    table = purchase_histories(nobody, MOMENTS, targets).select("events").toArrow()
    histories = Histories.of(table, MOMENTS, targets, {CUTOFF: 0, DAY: 0})
    assert len(histories.before(CUTOFF, horizon_days=HORIZON, closed_on=DAY)) == 0
