"""Customers of a date: what is seen of their orders before it, and when they next ordered."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.next_purchase.packed import (
    ALWAYS,
    CUTOFF,
    Ordered,
    after,
    before,
    customers_of,
    histories_of,
    packed,
    rows_of,
)

from crm_spark.models.next_purchase.customers import HALF_LIVES_DAYS, Customers, Histories
from crm_spark.models.next_purchase.order_days import unpacked

EARLIER, CLOSED = CUTOFF - timedelta(days=28), CUTOFF + timedelta(days=28)
MOMENTS = [EARLIER, CUTOFF, CLOSED]
AT_EARLIER, AT_CUTOFF, AT_CLOSED = range(3)

quickly = settings(max_examples=200, derandomize=True, database=None, deadline=None)


def known_at_cutoff(*orders: Ordered, n: int | None = None) -> Customers:
    return histories_of(orders, MOMENTS, n=n).before(CUTOFF)


def days_to_order(*orders: Ordered) -> list[float]:
    histories = histories_of(orders, MOMENTS)
    found = histories.days_to_order(CUTOFF, histories.before(CUTOFF), known_on=CLOSED)
    assert found.dtype == np.float64
    return found.tolist()


events = st.tuples(st.integers(-60_000, 60_000), st.integers(0, ALWAYS), st.integers(0, ALWAYS))


@quickly
@given(st.lists(events, min_size=1, max_size=20))
def test_packed_events_are_parted_again_and_sort_by_day(parts: list[tuple[int, int, int]]) -> None:
    numbers = np.array(sorted(packed(*one) for one in parts))
    found = list(zip(*(one.tolist() for one in unpacked(numbers)), strict=True))
    assert found == sorted(parts)


def test_a_day_counts_once_though_several_orders_tell_it() -> None:
    found = known_at_cutoff(
        Ordered(0, before(5)),
        Ordered(0, before(5), known_from=AT_CUTOFF),  # arrived later
        Ordered(0, before(5), known_to=AT_CLOSED),  # to be cancelled
        Ordered(0, before(2)),
    )
    assert found.n_days.tolist() == [2]
    assert found.mean_gap.tolist() == found.last_gap.tolist() == [3]
    assert found.log_gaps == pytest.approx([math.log(3)])
    assert found.decayed[0] == pytest.approx(
        [0.5 ** (5 / days) + 0.5 ** (2 / days) for days in HALF_LIVES_DAYS]
    )


def test_one_day_of_two_customers_counts_for_both() -> None:
    found = known_at_cutoff(Ordered(0, before(3)), Ordered(1, before(3)))
    assert found.n_days.tolist() == [1, 1]
    assert found.places.tolist() == [0, 1]


def test_an_order_that_is_known_later_is_not_seen_earlier() -> None:
    day = EARLIER - timedelta(days=10)
    histories = histories_of([Ordered(0, day), Ordered(1, day, known_from=AT_CUTOFF)], MOMENTS)
    assert histories.before(EARLIER).places.tolist() == [0]
    assert histories.before(CUTOFF).places.tolist() == [0, 1]


def test_an_order_that_is_cancelled_later_is_seen_until_then() -> None:
    day = EARLIER - timedelta(days=10)
    histories = histories_of(
        [
            Ordered(0, day, known_to=AT_CUTOFF),
            Ordered(1, day, known_to=AT_CLOSED),
            Ordered(1, day - timedelta(days=5), known_to=AT_CUTOFF),
        ],
        MOMENTS,
    )
    early, late = histories.before(EARLIER), histories.before(CUTOFF)
    assert (early.places.tolist(), early.n_days.tolist()) == ([0, 1], [1, 2])
    assert (late.places.tolist(), late.n_days.tolist()) == ([1], [1])


def test_all_figures_of_a_customer_are_those_worked_out_by_hand() -> None:
    # Gaps of 40, 14 and 6 days, the last 7 days before the day before the cut-off.
    found = customers_of([67, 27, 13, 7])
    assert found.n_days.tolist() == [4]
    assert found.tenure_days.tolist() == [67]
    assert found.silence_days.tolist() == [7]
    assert found.mean_gap.tolist() == [20]
    assert found.last_gap.tolist() == [6]
    assert found.log_gaps == pytest.approx([math.log(40 * 14 * 6)])
    squares = math.log(40) ** 2 + math.log(14) ** 2 + math.log(6) ** 2
    assert found.log_gaps_squared == pytest.approx([squares])
    assert HALF_LIVES_DAYS[0] == 7
    # 67, 27 and 13 days are nine, nearly four, and nearly two half-lives; 7 is one.
    halves = [67 / 7, 27 / 7, 13 / 7, 1]
    assert found.decayed[0, 0] == pytest.approx(sum(2**-one for one in halves))


def test_gaps_of_one_customer_reach_not_into_those_of_the_next() -> None:
    found = customers_of([30, 10], [100], [9, 4, 1], [50, 48])
    assert found.mean_gap.tolist() == [20, 0, 4, 2]
    assert found.last_gap.tolist() == [20, 0, 3, 2]
    assert found.log_gaps == pytest.approx([math.log(20), 0, math.log(15), math.log(2)])
    assert found.log_gaps_squared == pytest.approx(
        [math.log(20) ** 2, 0, math.log(5) ** 2 + math.log(3) ** 2, math.log(2) ** 2]
    )
    assert found.tenure_days.tolist() == [30, 100, 9, 50]
    assert found.silence_days.tolist() == [10, 100, 1, 48]


def test_who_ordered_once_has_no_gap() -> None:
    found = customers_of([12])
    assert (found.n_days.tolist(), found.tenure_days.tolist()) == ([1], [12])
    for part in (found.mean_gap, found.last_gap, found.log_gaps, found.log_gaps_squared):
        assert part.tolist() == [0]


def test_the_day_before_the_cut_off_is_known_the_day_itself_is_not() -> None:
    found = known_at_cutoff(Ordered(0, CUTOFF - timedelta(days=1)), Ordered(0, CUTOFF))
    assert found.n_days.tolist() == [1]
    assert (found.tenure_days.tolist(), found.silence_days.tolist()) == ([0], [0])
    assert found.decayed.tolist() == [[1, 1, 1, 1]]


def test_customers_who_ordered_only_later_are_not_there() -> None:
    found = known_at_cutoff(
        Ordered(0, after(2)),
        Ordered(1, before(2)),
        Ordered(2, CUTOFF),
        Ordered(3, before(9), known_from=AT_CLOSED),
        Ordered(4, before(9)),
        n=6,  # and one without any order
    )
    assert found.places.tolist() == [1, 4]
    assert len(found) == 2


def test_what_comes_after_the_cut_off_changes_nothing_of_what_is_known() -> None:
    orders = [Ordered(0, before(9)), Ordered(1, before(3)), Ordered(1, before(30))]
    later = [
        Ordered(0, after(0)),
        Ordered(0, after(5), known_from=AT_CLOSED),
        Ordered(1, after(2)),
        Ordered(1, before(6), known_from=AT_CLOSED),
    ]
    assert known(known_at_cutoff(*orders, *later)) == known(known_at_cutoff(*orders))


def test_day_one_is_the_cut_off_itself() -> None:
    known_before = [Ordered(place, before(50)) for place in range(4)]
    found = days_to_order(
        *known_before,
        Ordered(0, before(0)),  # no order of after it
        Ordered(1, after(0)),
        Ordered(2, after(6)),
        Ordered(3, after(27)),
    )
    assert found == [math.inf, 1, 7, 28]


def test_the_first_of_several_orders_counts() -> None:
    found = days_to_order(
        Ordered(0, before(4)), Ordered(0, after(9)), Ordered(0, after(3)), Ordered(0, after(20))
    )
    assert found == [4]


def test_of_who_did_not_order_again_the_day_is_infinite() -> None:
    assert days_to_order(Ordered(0, before(4)), Ordered(1, before(2))) == [math.inf, math.inf]


def test_what_came_is_told_as_it_was_known_on_the_later_date() -> None:
    known_before = [Ordered(place, before(50)) for place in range(5)]
    found = days_to_order(
        *known_before,
        Ordered(0, after(3), known_from=AT_CLOSED),
        Ordered(1, after(3), known_from=AT_CLOSED + 1),  # known after it only
        Ordered(2, after(3), known_to=AT_CLOSED),  # cancelled before
        Ordered(3, after(3), known_to=AT_CLOSED),  # cancelled, but ordered again
        Ordered(3, after(8)),
        Ordered(4, after(28)),  # on the later date itself
    )
    assert found == [4, math.inf, math.inf, 9, math.inf]


def test_newcomers_are_no_customers_of_the_cut_off_and_shift_nobody() -> None:
    found = days_to_order(
        Ordered(0, after(1)), Ordered(1, before(3)), Ordered(1, after(4)), Ordered(2, after(0)),
        Ordered(3, before(1)), Ordered(3, after(10)),
    )  # fmt: skip
    assert found == [5, 11]


def test_a_customer_whose_orders_before_were_cancelled_later_still_has_a_next_one() -> None:
    assert days_to_order(Ordered(0, before(9), known_to=AT_CLOSED), Ordered(0, after(1))) == [2]


NOTHING: list[list[int]] = []
OF_LISTS = pa.list_(pa.int64())


@pytest.mark.parametrize(
    "rows",
    [
        pa.table({"events": pa.array(NOTHING, OF_LISTS)}),
        pa.table({"events": pa.chunked_array([], OF_LISTS)}),
        pa.record_batch({"events": pa.array(NOTHING, OF_LISTS)}),
        pa.table({"events": pa.array([[], []], OF_LISTS)}),
    ],
    ids=["no rows", "no chunks", "an empty batch", "rows without events"],
)
def test_of_empty_tables_there_is_nobody(rows: pa.Table | pa.RecordBatch) -> None:
    histories = Histories.of(rows, MOMENTS)
    found = histories.before(CUTOFF)
    assert len(found) == 0
    assert found.decayed.shape == (0, len(HALF_LIVES_DAYS))
    assert found.log_gaps.tolist() == found.last_gap.tolist() == []
    assert histories.days_to_order(CUTOFF, found, known_on=CLOSED).tolist() == []


def known(customers: Customers) -> dict[int, list[object]]:
    """Give what is known of each customer, by place."""
    parts = (
        customers.n_days,
        customers.tenure_days,
        customers.silence_days,
        customers.mean_gap,
        customers.last_gap,
        customers.log_gaps,
        customers.log_gaps_squared,
        customers.decayed,
    )
    rows = [[part[row].tolist() for part in parts] for row in range(len(customers))]
    return dict(zip(customers.places.tolist(), rows, strict=True))


def some_orders(n_customers: int, n_orders: int) -> list[Ordered]:
    """Draw orders of all customers over half a year, some of them late, some of them cancelled."""
    random = np.random.default_rng(n_orders)
    orders = []
    for _ in range(n_orders):
        known_from = int(random.choice([0, 0, 0, 1, 2, 3]))
        known_to = int(random.choice([known_from + 1, ALWAYS, ALWAYS]))
        day = CUTOFF + timedelta(days=int(random.integers(-120, 40)))
        orders.append(Ordered(int(random.integers(n_customers)), day, known_from, known_to))
    return orders


def test_rows_in_chunks_slices_and_batches_give_the_same_customers() -> None:
    rows = rows_of(some_orders(20, 150), 20)

    def read(part: pa.Table | pa.RecordBatch) -> dict[int, list[object]]:
        return known(Histories.of(part, MOMENTS).before(CUTOFF))

    whole = read(rows)
    assert len(whole) > 15
    assert read(pa.concat_tables([rows.slice(0, 7), rows.slice(7)])) == whole
    (batch,) = rows.to_batches()
    for part in (rows.slice(7), batch.slice(7)):
        assert {7 + place: row for place, row in read(part).items()} == {
            place: row for place, row in whole.items() if place >= 7
        }


@pytest.mark.parametrize("n_orders", [25, 300])
@pytest.mark.parametrize("day", [EARLIER, CUTOFF])
def test_everything_is_what_going_through_the_orders_one_by_one_gives(
    n_orders: int, day: date
) -> None:
    orders, moment = some_orders(15, n_orders), MOMENTS.index(day)
    histories = histories_of(orders, MOMENTS, n=15)
    closes = day + timedelta(days=28)
    found = histories.before(day)
    came = histories.days_to_order(day, found, known_on=closes)

    ago: dict[int, set[int]] = defaultdict(set)
    later: dict[int, set[int]] = defaultdict(set)
    for one in orders:
        if one.known_from <= moment < one.known_to and one.day < day:
            ago[one.customer].add((day - one.day).days - 1)
        if one.known_from <= moment + 1 < one.known_to and day <= one.day < closes:
            later[one.customer].add((one.day - day).days + 1)

    assert found.places.tolist() == sorted(ago)
    for row, customer in enumerate(sorted(ago)):
        days = sorted(ago[customer], reverse=True)
        gaps = [one - then for one, then in pairwise(days)]
        assert found.n_days[row] == len(days)
        assert found.tenure_days[row] == days[0]
        assert found.silence_days[row] == days[-1]
        assert found.mean_gap[row] == pytest.approx(sum(gaps) / len(gaps) if gaps else 0)
        assert found.last_gap[row] == (gaps[-1] if gaps else 0)
        logs = [math.log(gap) for gap in gaps]
        assert found.log_gaps[row] == pytest.approx(sum(logs))
        assert found.log_gaps_squared[row] == pytest.approx(sum(one**2 for one in logs))
        decayed = [sum(2 ** (-one / half) for one in days) for half in (7, 21, 60, 180)]
        assert found.decayed[row] == pytest.approx(decayed)
        assert came[row] == min(later[customer], default=math.inf)
