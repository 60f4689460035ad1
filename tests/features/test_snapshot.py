"""features.customer_snapshot against a plain Python oracle, and the properties it promises."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.features.families import CONTACTS, FAMILIES, FEATURES, FEEDBACK, VISITS
from crm_spark.features.families import family as family_module
from crm_spark.features.families.family import NEVER_NULL, Family, Feature
from crm_spark.features.snapshot import customer_snapshot
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.lake.contract import ContractError, content_checksum
from tests.features.as_stored import known_orders
from tests.features.oracle import Line, Value, as_frame, midnight, snapshot_row

NEW_YORK = ZoneInfo("America/New_York")
# Clocks go forward on 2017-03-12 and back on 2017-11-05.
DATES = (
    date(2017, 3, 12),
    date(2017, 3, 13),
    date(2017, 6, 14),
    date(2017, 11, 5),
    date(2017, 11, 6),
    date(2018, 3, 1),
)
HORIZON_DAYS = 28
N_CASES = 250
DEPARTMENTS = {"apple": "produce", "pear": "produce", "milk": "dairy", "soap": None}

Key = tuple[str, date]
Rows = dict[Key, dict[str, Value]]


# --- cases ---------------------------------------------------------------------------------------

# Both ends of every window, of both halves of the trends and of the horizon.
EDGE_AGES = (0, 1, 2, 7, 8, 14, 15, 28, 29, 30, 56, 57, 84, 85, 168, 169, 180, 181, 365, 366)
EDGE_CLOCKS = (
    time(0),
    time(0, 0, 0, 1),
    time(1, 30),
    time(2, 30),
    time(5, 59, 59, 999_999),
    time(6),
    time(11, 59, 59, 999_999),
    time(12),
    time(17, 59, 59, 999_999),
    time(18),
    time(19, 30),
    time(23, 59, 59, 999_999),
)
AMOUNTS = st.sampled_from([Decimal(x) for x in ("0", "0.01", "1", "2.5", "10", "19.99", "1234.56")])
QUANTITIES = st.sampled_from([None, *[Decimal(x) for x in ("0", "0.125", "1", "1", "2.5", "12")]])
DISCOUNTS = st.sampled_from([None, *[Decimal(x) for x in ("0", "0", "0.5", "10")]])
PRODUCTS = st.sampled_from([None, "apple", "apple", "pear", "milk", "soap", "not in the catalogue"])
CHANNELS = st.sampled_from([None, "web", "web", "store"])
DELAYS = st.sampled_from(
    [
        timedelta(),
        timedelta(),
        timedelta(),
        timedelta(microseconds=1),
        timedelta(hours=5),
        timedelta(days=1),
        timedelta(days=9),
        timedelta(days=40),
        timedelta(hours=-5),
    ]
)


@st.composite
def moments(draw: st.DrawFn, zone: ZoneInfo, dates: Sequence[date]) -> datetime:
    """Draw an instant that is near an edge of one of the dates, more often than not."""
    age = draw(st.one_of(st.sampled_from(EDGE_AGES), st.integers(-10, 420)))
    clock = draw(st.one_of(st.sampled_from(EDGE_CLOCKS), st.times()))
    day = draw(st.sampled_from(dates)) - timedelta(days=age)
    local = datetime.combine(day, clock, zone).replace(fold=draw(st.sampled_from([0, 0, 1])))
    return local.astimezone(UTC)


@st.composite
def order_lines(
    draw: st.DrawFn, order_id: str, zone: ZoneInfo, dates: Sequence[date], knows: tuple[bool, bool]
) -> list[Line]:
    """Draw the lines of one order: bought or returned, at one or several stamps."""
    knows_products, knows_discounts = knows
    midnights = st.sampled_from([midnight(day, zone) for day in dates])
    begun = draw(moments(zone, dates))
    kind = draw(st.sampled_from(["bought", "bought", "bought", "mixed", "returned"]))
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        later = draw(st.sampled_from([0, 0, 0, 1, 7200, 86_400, 5 * 86_400]))
        ordered_at = begun + timedelta(seconds=later)
        is_return = kind == "returned" or (kind == "mixed" and draw(st.booleans()))
        arrived_at = draw(st.one_of(DELAYS.map(ordered_at.__add__), midnights))
        superseded_at = None
        if draw(st.integers(0, 3)) == 0:
            superseded_at = draw(st.one_of(DELAYS.map(arrived_at.__add__), midnights))
        amount = draw(AMOUNTS)
        lines.append(
            Line(
                customer_id="",
                order_id=order_id,
                ordered_at=ordered_at,
                arrived_at=arrived_at,
                superseded_at=superseded_at,
                product_id=draw(PRODUCTS) if knows_products else None,
                quantity=draw(QUANTITIES),
                amount=-amount if is_return else amount,
                discount_amount=draw(DISCOUNTS) if knows_discounts else None,
                channel=draw(CHANNELS),
                is_return=is_return,
            )
        )
    return lines


@st.composite
def customers(draw: st.DrawFn, zone: ZoneInfo, dates: Sequence[date]) -> list[Line]:
    """Draw all lines of one customer; order ids repeat from customer to customer."""
    knows = draw(st.sampled_from([(True, True), (True, True), (False, False), (True, False)]))
    orders = [
        draw(order_lines(f"order {number}", zone, dates, knows))
        for number in range(draw(st.integers(1, 7)))
    ]
    return [line for lines in orders for line in lines]


def drawn(strategy: st.SearchStrategy[list[Line]], n: int) -> list[Line]:
    """Draw `n` customers, so that one Spark job can look at all of them."""
    cases: list[list[Line]] = []

    @settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(case: list[Line]) -> None:
        cases.append(case)

    keep()
    return [
        dataclasses.replace(line, customer_id=f"case {number}")
        for number, case in enumerate(cases)
        for line in case
    ]


# --- Spark ---------------------------------------------------------------------------------------


def department_frame(spark: SparkSession, dates: Sequence[date] = DATES) -> DataFrame:
    rows = [(product, name, day) for product, name in DEPARTMENTS.items() for day in dates]
    return spark.createDataFrame(rows, "product_id string, department string, as_of_date date")


def snapshot_of(
    lines: DataFrame,
    *,
    dates: Sequence[date] = DATES,
    horizon_days: int = HORIZON_DAYS,
    departments: bool = True,
    families: Sequence[Family] = FAMILIES,
) -> DataFrame:
    """Run the code under test from order lines on, as build_features does."""
    return customer_snapshot(
        known_orders(lines, dates),
        lines,
        department_frame(lines.sparkSession, dates) if departments else None,
        dates=dates,
        horizon_days=horizon_days,
        with_channels=True,
        families=families,
    )


def collected(snapshot: DataFrame) -> Rows:
    rows: Rows = {}
    for row in snapshot.collect():
        key = (row["customer_id"], row["as_of_date"])
        assert key not in rows, f"{key} is there twice"
        rows[key] = {feature.name: row[feature.name] for feature in FEATURES}
    return rows


# --- comparing -----------------------------------------------------------------------------------


def expected_rows(
    lines: Sequence[Line],
    *,
    zone: ZoneInfo = NEW_YORK,
    dates: Sequence[date] = DATES,
    horizon_days: int = HORIZON_DAYS,
    departments: Mapping[str, str | None] | None = DEPARTMENTS,
) -> Rows:
    by_customer: dict[str, list[Line]] = {}
    for line in lines:
        by_customer.setdefault(line.customer_id, []).append(line)
    rows = {
        (customer_id, day): snapshot_row(
            of_customer, departments, day=day, zone=zone, horizon_days=horizon_days
        )
        for customer_id, of_customer in by_customer.items()
        for day in dates
    }
    return {key: row for key, row in rows.items() if row is not None}


def assert_same(found: Rows, expected: Rows, lines: Sequence[Line]) -> None:
    """Fail with what differs, and with the lines of the first customer concerned."""
    faults = [f"{key}: no row found" for key in expected.keys() - found.keys()]
    faults += [f"{key}: no row expected" for key in found.keys() - expected.keys()]
    wrong = [
        (key, feature.name)
        for key in sorted(expected.keys() & found.keys())
        for feature in FEATURES
        if not is_same(found[key][feature.name], expected[key][feature.name], feature.is_count)
    ]
    faults += [
        f"{key} {name}: found {found[key][name]!r}, expected {expected[key][name]!r}"
        for key, name in wrong
    ]
    if faults:
        shown = [f"{len(faults)} differences", *faults[:15]]
        shown += [str(line) for line in lines if wrong and line.customer_id == wrong[0][0][0]]
        pytest.fail("\n".join(shown), pytrace=False)


def is_same(found: Value, expected: Value, is_count: bool) -> bool:
    if found is None or expected is None:
        return found is expected
    if is_count:
        return isinstance(found, int) and found == expected
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


def lines_of_an_unusual_order() -> list[Line]:
    """Give a customer of whose six orders one is far off, which is drawn once in a long while.

    What Hypothesis draws depends on the constants of the whole package, among other things.
    """
    # A small one, so that nothing is capped: ten times a rounded cap is not the cap of ten times.
    amounts = ("10", "11", "12", "13", "14", "0.01")
    moments = [datetime(2017, 5, 1 + place, 15, tzinfo=UTC) for place in range(len(amounts))]
    return [
        Line(f"case {N_CASES}", f"order {place}", moment, moment, amount=Decimal(amount))
        for place, (moment, amount) in enumerate(zip(moments, amounts, strict=True))
    ]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    """Give the order lines that the tests below share: drawn, and of one rare case."""
    return [*drawn(customers(NEW_YORK, DATES), N_CASES), *lines_of_an_unusual_order()]


@pytest.fixture(scope="module")
def frame(spark: SparkSession, lines: list[Line]) -> Iterator[DataFrame]:
    """Give the drawn order lines as core.transactions."""
    frame = as_frame(spark, lines).cache()
    yield frame
    frame.unpersist()


@pytest.fixture(scope="module")
def snapshot(frame: DataFrame) -> Iterator[DataFrame]:
    """Give the snapshots of the drawn lines for all dates."""
    snapshot = snapshot_of(frame).cache()
    yield snapshot
    snapshot.unpersist()


@pytest.fixture(scope="module")
def found(snapshot: DataFrame) -> Rows:
    """Give the rows of the snapshots of the drawn lines."""
    return collected(snapshot)


@contextmanager
def setting(spark: SparkSession, key: str, value: str) -> Iterator[None]:
    before = spark.conf.get(key)
    spark.conf.set(key, value)
    try:
        yield
    finally:
        spark.conf.set(key, str(before))


# --- by hand -------------------------------------------------------------------------------------


def at(text: str) -> datetime:
    """Read a local New York time as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


def line(customer_id: str, order_id: str, ordered_at: str, amount: str, **others: Any) -> Line:
    """Write a line that is known as soon as it is ordered."""
    stamp = at(ordered_at)
    return Line(customer_id, order_id, stamp, stamp, amount=Decimal(amount), **others)


HAND_DAY = date(2017, 6, 14)
HAND_HORIZON_DAYS = 40
HAND_LINES = [
    # Tuesday, age 1
    line(
        "anna",
        "1",
        "2017-06-13 09:00",
        "10.00",
        product_id="apple",
        quantity=Decimal(2),
        discount_amount=Decimal(1),
    ),
    line("anna", "1", "2017-06-13 09:00", "5.00", product_id="milk"),
    # only a return, age 13
    line("anna", "2", "2017-06-01 10:00", "-4.00", product_id="milk", is_return=True),
    # Sunday, age 31
    line("anna", "3", "2017-05-14 20:00", "20.00", product_id="apple", quantity=Decimal(1)),
    line("anna", "3", "2017-05-20 20:00", "-3.00", product_id="soap", is_return=True),
    # Sunday, age 101
    line("anna", "4", "2017-03-05 23:30", "65.00", product_id="pear", quantity=Decimal(1)),
    line("bert", "1", "2017-06-07 00:00", "0.00"),
    line("cleo", "1", "2017-06-07 12:00", "-9.00", is_return=True),
    line("dora", "1", "2017-06-14 00:00", "9.00"),
    line("eve", "1", "2017-06-10 12:00", "-5.00", discount_amount=Decimal(5)),
    line("eve", "2", "2017-05-10 12:00", "5.00", discount_amount=Decimal(-5)),
    line("eve", "3", "2017-06-10 12:00", "0.00", is_return=True),
]

ANNA = {
    "n_orders": 3,
    "n_order_days": 3,
    "spend_amount": 100.0,
    "returned_amount": 7.0,
    "net_spend_amount": 100.0,  # of milk and soap nothing had been bought before
    "orphan_returned_amount": 7.0,
    "returned_share": 0.0,
    "days_since_last_order": 0,
    "tenure_days": 101,
    "n_orders_28d": 1,
    "n_orders_56d": 2,
    "spend_amount_56d": 35.0,
    "n_items_56d": 4.0,
    "n_orders_365d": 3,
    "median_gap_days": 50.0,
    "mean_gap_days": 50.0,
    "stddev_gap_days": math.sqrt(800),
    "longest_gap_days": 70,
    "silence_over_median_gap": 0.0,
    "longer_gaps_share": 0.5,  # of 30 and 70 days, the longer one
    "empty_windows_share": 30 / 61,  # newest day of age 32 to 61, of 1 to 61
    "items_per_order": 5 / 3,
    "lines_per_order": 4 / 3,
    "products_per_order": 4 / 3,
    "spend_per_order": 100 / 3,
    "n_products": 3,
    "n_products_84d": 2,
    "n_departments": 2,
    "n_departments_84d": 2,
    "discount_amount": 1.0,
    "discount_share": 1 / 101,
    "discounted_orders_share": 1 / 3,
    "tuesday_orders_share": 1 / 3,
    "sunday_orders_share": 2 / 3,
    "monday_orders_share": 0.0,
    "morning_orders_share": 1 / 3,
    "evening_orders_share": 2 / 3,
    "n_orders_trend_28d": 0.0,
    "spend_trend_28d": -5 / 35,
    "n_orders_trend_84d": 1 / 3,
    "spend_trend_84d": -30 / 100,
}
BERT = {
    "n_orders": 1,
    "spend_amount": 0.0,
    "returned_amount": 0.0,
    "days_since_last_order": 6,
    "tenure_days": 7,
    "n_orders_7d": 1,
    "n_items_7d": 1.0,
    "n_orders_half_life_7d": 0.5,
    "median_gap_days": None,
    "mean_gap_days": None,
    "stddev_gap_days": None,
    "longest_gap_days": None,
    "silence_over_median_gap": None,
    "longer_gaps_share": None,
    "empty_windows_share": None,
    "products_per_order": None,
    "n_products": None,
    "n_products_84d": None,
    "n_departments": None,
    "discount_amount": None,
    "discount_share": None,
    "discounted_orders_share": None,
    "wednesday_orders_share": 1.0,
    "night_orders_share": 1.0,
    "n_orders_trend_28d": 1.0,
    "spend_trend_28d": None,
}
EVE = {
    "spend_amount": 0.0,
    "discount_amount": 0.0,
    "discount_share": None,
    "spend_trend_28d": None,
    "n_orders_trend_28d": 0.0,
}


@pytest.fixture(scope="module")
def by_hand(spark: SparkSession) -> Rows:
    """Give the snapshot of the hand-made lines."""
    lines = as_frame(spark, HAND_LINES)
    return collected(snapshot_of(lines, dates=[HAND_DAY], horizon_days=HAND_HORIZON_DAYS))


def test_a_customer_with_three_orders_has_the_features_worked_out_by_hand(by_hand: Rows) -> None:
    row = by_hand["anna", HAND_DAY]
    assert {name: row[name] for name in ANNA} == pytest.approx(ANNA)


def test_a_customer_with_one_free_order_has_the_features_worked_out_by_hand(by_hand: Rows) -> None:
    row = by_hand["bert", HAND_DAY]
    assert {name: row[name] for name in BERT} == BERT


def test_bought_lines_with_negative_amounts_give_nulls_and_no_division_by_zero(
    by_hand: Rows,
) -> None:
    row = by_hand["eve", HAND_DAY]
    assert {name: row[name] for name in EVE} == EVE


def test_customers_with_only_returns_or_only_orders_from_the_date_on_have_no_row(
    by_hand: Rows,
) -> None:
    assert {customer_id for customer_id, _ in by_hand} == {"anna", "bert", "eve"}


# --- the oracle ----------------------------------------------------------------------------------


def test_every_feature_of_drawn_customers_agrees_with_the_oracle(
    found: Rows, lines: list[Line]
) -> None:
    assert_same(found, expected_rows(lines), lines)


def test_days_hours_and_dates_follow_the_session_time_zone(spark: SparkSession) -> None:
    # In Brazil the clocks changed at midnight: 2017-10-15 had no 00:00, 2018-02-17 had 23:00 twice.
    zone = ZoneInfo("America/Sao_Paulo")
    dates = [date(2017, 10, 15), date(2017, 10, 16), date(2018, 2, 18)]
    lines = drawn(customers(zone, dates), N_CASES // 2)
    with setting(spark, "spark.sql.session.timeZone", zone.key):
        found = collected(
            snapshot_of(as_frame(spark, lines), dates=dates, horizon_days=10, departments=False)
        )
    expected = expected_rows(lines, zone=zone, dates=dates, horizon_days=10, departments=None)
    assert_same(found, expected, lines)


def test_the_drawn_customers_reach_several_values_and_the_null_of_each_feature(
    found: Rows,
) -> None:
    # Features of other tables than the lines are tried in test_by_date.
    others = [feature for family in (VISITS, FEEDBACK, CONTACTS) for feature in family.features]
    of_lines = [feature for feature in FEATURES if feature not in others]
    values = {feature.name: {row[feature.name] for row in found.values()} for feature in of_lines}
    assert [name for name, drawn in values.items() if len(drawn - {None}) < 2] == []
    assert {name for name, drawn in values.items() if None in drawn} == {
        feature.name for feature in of_lines if feature.null_rule != NEVER_NULL
    }


def test_the_snapshot_has_the_columns_and_types_of_its_table(snapshot: DataFrame) -> None:
    content = CUSTOMER_SNAPSHOT.content_columns
    expected = {column.name: column.type for column in CUSTOMER_SNAPSHOT.columns}
    assert {field.name: field.dataType for field in snapshot.schema} == {
        name: expected[name] for name in content
    }


def test_no_lines_give_no_rows(spark: SparkSession) -> None:
    assert snapshot_of(as_frame(spark, []), dates=DATES[:2]).collect() == []


# --- properties ----------------------------------------------------------------------------------


def test_row_order_and_partitioning_do_not_matter(
    spark: SparkSession, snapshot: DataFrame, lines: list[Line]
) -> None:
    shuffled = random.Random(7).sample(lines, len(lines))
    with setting(spark, "spark.sql.shuffle.partitions", "5"):
        other = snapshot_of(as_frame(spark, shuffled).repartition(7))
        assert content_checksum(other, CUSTOMER_SNAPSHOT) == content_checksum(
            snapshot, CUSTOMER_SNAPSHOT
        )


def test_what_was_ordered_arrived_or_replaced_from_the_date_on_does_not_matter(
    spark: SparkSession, found: Rows, lines: list[Line]
) -> None:
    # Each date's past stands for itself under customers of its own, so that one run holds all.
    def past(day: date) -> list[Line]:
        cut = midnight(day, NEW_YORK)
        return [
            dataclasses.replace(
                line,
                customer_id=f"{day} {line.customer_id}",
                superseded_at=line.superseded_at if is_before(line.superseded_at, cut) else None,
            )
            for line in lines
            if line.ordered_at < cut and line.arrived_at < cut
        ]

    pasts = [line for day in DATES for line in past(day)]
    rows = collected(snapshot_of(as_frame(spark, pasts)))
    from_past_only = {
        (customer_id.split(" ", 1)[1], day): row
        for (customer_id, day), row in rows.items()
        if customer_id.startswith(str(day))
    }
    assert from_past_only == found


def is_before(moment: datetime | None, cut: datetime) -> bool:
    return moment is not None and moment < cut


def test_multiplying_amounts_by_ten_multiplies_money_features_only(
    spark: SparkSession, found: Rows, lines: list[Line]
) -> None:
    dearer = [
        dataclasses.replace(
            line,
            amount=line.amount * 10,
            discount_amount=None if line.discount_amount is None else line.discount_amount * 10,
        )
        for line in lines
    ]
    expected = {
        key: {
            feature.name: row[feature.name] * 10
            if feature.unit == "money" and row[feature.name] is not None
            else row[feature.name]
            for feature in FEATURES
        }
        for key, row in found.items()
    }
    assert_same(collected(snapshot_of(as_frame(spark, dearer))), expected, dearer)


def test_leaving_out_half_of_the_customers_leaves_the_others_as_they_were(
    frame: DataFrame, found: Rows
) -> None:
    def is_kept(customer_id: str) -> bool:
        return int(customer_id.removeprefix("case ")) % 2 == 0

    half = frame.where(F.substring_index("customer_id", " ", -1).cast("int") % 2 == 0)
    assert collected(snapshot_of(half)) == {
        key: row for key, row in found.items() if is_kept(key[0])
    }


@pytest.mark.parametrize("day", [DATES[1], DATES[4]], ids=str)
def test_a_date_alone_gives_what_it_gives_among_other_dates(
    frame: DataFrame, found: Rows, day: date
) -> None:
    assert collected(snapshot_of(frame, dates=[day])) == {
        key: row for key, row in found.items() if key[1] == day
    }


def test_a_product_counts_under_the_department_that_it_had_on_each_date(
    spark: SparkSession,
) -> None:
    first, second = date(2024, 2, 1), date(2024, 3, 1)
    at = datetime(2024, 1, 10, 15, tzinfo=UTC)
    lines = [
        Line("c", "o1", at, at, product_id=product, amount=Decimal(5)) for product in ("p", "q")
    ]
    departments = spark.createDataFrame(
        [
            ("p", "food", first),
            ("q", "food", first),
            ("p", "food", second),
            ("q", "toys", second),
        ],
        "product_id string, department string, as_of_date date",
    )
    frame = as_frame(spark, lines)
    known = known_orders(frame, [first, second])
    found = customer_snapshot(known, frame, departments, dates=[first, second], horizon_days=28)
    rows = {row["as_of_date"]: row for row in found.collect()}
    assert (rows[first]["n_departments"], rows[second]["n_departments"]) == (1, 2)
    assert (rows[first]["n_products"], rows[second]["n_products"]) == (2, 2)


def test_a_feature_that_no_family_computes_is_refused(frame: DataFrame) -> None:
    promised = Family((Feature("luck", "how lucky", "share"),))
    with pytest.raises(ContractError, match=r"luck: no family computes it.*take it out"):
        snapshot_of(frame, dates=DATES[:1], families=(*FAMILIES, promised))


def test_the_family_of_the_docs_gives_the_features_that_it_promises(spark: SparkSession) -> None:
    page = (Path(__file__).parents[2] / "docs" / "adding_features.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {**vars(family_module), "Mapping": Mapping}
    exec(code, names)
    lines = [line("c", "o1", "2017-06-01 10:00", "30"), line("c", "o2", "2017-06-02 10:00", "10")]
    families = (*FAMILIES, names["LARGEST"])
    frame = as_frame(spark, lines)
    (row,) = snapshot_of(frame, dates=[date(2017, 6, 14)], families=families).collect()
    assert (row["largest_order_amount"], row["largest_order_share"]) == (30.0, 0.75)
