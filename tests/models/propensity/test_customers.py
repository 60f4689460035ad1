"""Customers by targets: what is seen of purchases before a cut-off, and what counts after it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.propensity.packed import Bought, histories_of, packed, rows_of

from crm_spark.models.propensity.customers import HALF_LIVES_DAYS, NEVER, Customers, Histories
from crm_spark.models.propensity.purchases import all_ids, unpacked
from crm_spark.models.propensity.targets import DEPARTMENT, PRODUCT, Target, Targets

HORIZON = 28
CUTOFF = date(2024, 6, 3)
EARLIER, CLOSED = CUTOFF - timedelta(days=28), CUTOFF + timedelta(days=28)
MOMENTS = [EARLIER, CUTOFF, CLOSED]
AT_EARLIER, AT_CUTOFF, AT_CLOSED = range(3)
FRUIT, MEAT, WINE, APPLES = "department:FRUIT", "department:MEAT", "department:WINE", "product:17"
# Not in the order of their ids: columns go by the targets of the date.
TARGETS = {
    EARLIER: Targets((Target(DEPARTMENT, "WINE", 7),)),
    CUTOFF: Targets(
        (Target(DEPARTMENT, "MEAT", 40), Target(DEPARTMENT, "FRUIT", 25), Target(PRODUCT, "17", 10))
    ),
}

quickly = settings(max_examples=200, derandomize=True, database=None, deadline=None)


def before(days: int) -> date:
    """Give the day so many before the last that is known at the cut-off."""
    return CUTOFF - timedelta(days=1 + days)


def after(days: int) -> date:
    return CUTOFF + timedelta(days=days)


def known_at_cutoff(*lines: Bought, n: int | None = None) -> Customers:
    histories = histories_of(lines, MOMENTS, TARGETS, n=n)
    return histories.before(CUTOFF, horizon_days=HORIZON, closed_on=CLOSED)


def is_buyer(*lines: Bought) -> list[list[bool]]:
    found = known_at_cutoff(*lines).is_buyer
    assert found is not None
    return found.tolist()


events = st.tuples(
    st.integers(0, 30_000), st.integers(-60_000, 60_000), st.integers(0, 63), st.integers(0, 63)
)


@quickly
@given(st.lists(events, min_size=1, max_size=20))
def test_packed_events_are_parted_again_and_sort_by_target_and_day(
    parts: list[tuple[int, int, int, int]],
) -> None:
    numbers = np.array(sorted(packed(*one) for one in parts))
    found = list(zip(*(one.tolist() for one in unpacked(numbers)), strict=True))
    assert found == sorted(parts)


def test_a_day_counts_once_though_several_lines_tell_it() -> None:
    found = known_at_cutoff(
        Bought(0, before(5), (FRUIT, APPLES)),
        Bought(0, before(5), (FRUIT,), known_from=AT_CUTOFF),  # arrived later
        Bought(0, before(5), (MEAT,), known_to=AT_CLOSED),  # to be cancelled
        Bought(0, before(4), (FRUIT,)),
    )
    assert found.anything.n_days.tolist() == [2]
    assert found.by_target.n_days.tolist() == [[1, 2, 1]]
    assert found.by_target.n_recent_days.tolist() == [[1, 2, 1]]
    assert found.by_target.decayed[0, 0] == pytest.approx(
        [0.5 ** (5 / days) for days in HALF_LIVES_DAYS]
    )


def test_one_day_of_two_customers_or_two_targets_counts_for_both() -> None:
    found = known_at_cutoff(
        Bought(0, before(3), (FRUIT, MEAT, APPLES)), Bought(1, before(3), (FRUIT, MEAT, APPLES))
    )
    assert found.anything.n_days.tolist() == [1, 1]
    assert found.by_target.n_days.tolist() == [[1, 1, 1]] * 2


def test_a_line_that_is_known_later_is_not_seen_earlier() -> None:
    day = EARLIER - timedelta(days=10)
    histories = histories_of(
        [Bought(0, day, (WINE, FRUIT)), Bought(1, day, (WINE, FRUIT), known_from=AT_CUTOFF)],
        MOMENTS,
        TARGETS,
    )
    early = histories.before(EARLIER, horizon_days=HORIZON)
    assert early.places.tolist() == [0]
    assert early.by_target.n_days.tolist() == [[1]]
    late = histories.before(CUTOFF, horizon_days=HORIZON)
    assert late.places.tolist() == [0, 1]
    assert late.by_target.n_days.tolist() == [[0, 1, 0]] * 2


def test_a_line_that_was_superseded_is_not_seen_after() -> None:
    day = EARLIER - timedelta(days=10)
    histories = histories_of(
        [
            Bought(0, day, (WINE,), known_to=AT_CUTOFF),
            Bought(1, day, (FRUIT,), known_to=AT_CUTOFF),
            Bought(1, day, (MEAT,), known_from=AT_CUTOFF),  # instead
        ],
        MOMENTS,
        TARGETS,
    )
    assert histories.before(EARLIER, horizon_days=HORIZON).by_target.n_days.tolist() == [[1], [0]]
    late = histories.before(CUTOFF, horizon_days=HORIZON)
    assert late.places.tolist() == [1]
    assert late.by_target.n_days.tolist() == [[1, 0, 0]]
    assert late.anything.n_days.tolist() == [1]


def test_silence_tenure_and_decayed_counts_are_those_worked_out_by_hand() -> None:
    found = known_at_cutoff(
        Bought(0, before(7), (FRUIT,)),
        Bought(0, before(21), (FRUIT,)),
        Bought(0, before(60), ()),
    )
    assert found.tenure_days.tolist() == [60]
    assert found.anything.silence_days.tolist() == [7]
    assert found.by_target.silence_days.tolist() == [[NEVER, 7, NEVER]]
    half_in_7, half_in_21, *_ = found.by_target.decayed[0, 1]
    assert half_in_7 == pytest.approx(1 / 2 + 1 / 8)
    assert half_in_21 == pytest.approx(2 ** (-1 / 3) + 1 / 2)
    half_in_60 = found.anything.decayed[0, HALF_LIVES_DAYS.index(60)]
    assert half_in_60 == pytest.approx(0.5 ** (7 / 60) + 0.5 ** (21 / 60) + 0.5)


def test_the_day_before_the_cut_off_is_known_the_day_itself_is_not() -> None:
    found = known_at_cutoff(
        Bought(0, CUTOFF - timedelta(days=1), (FRUIT,)), Bought(0, CUTOFF, (FRUIT, MEAT))
    )
    assert (found.tenure_days.tolist(), found.anything.silence_days.tolist()) == ([0], [0])
    assert found.by_target.n_days.tolist() == [[0, 1, 0]]
    assert found.by_target.decayed[0, 1].tolist() == [1, 1, 1, 1]


def test_the_last_three_horizons_are_counted_apart() -> None:
    found = known_at_cutoff(
        Bought(0, before(3 * HORIZON - 1), (FRUIT,)), Bought(0, before(3 * HORIZON), (FRUIT,))
    )
    assert found.by_target.n_days.tolist() == [[0, 2, 0]]
    assert found.by_target.n_recent_days.tolist() == [[0, 1, 0]]
    assert found.anything.n_recent_days.tolist() == [1]


def test_targets_of_other_dates_are_left_out() -> None:
    lines = [Bought(0, before(40), (WINE,)), Bought(0, after(3), (WINE, MEAT))]
    found = known_at_cutoff(*lines)
    assert found.by_target.n_days.tolist() == [[0, 0, 0]]
    assert is_buyer(*lines) == [[True, False, False]]
    early = histories_of(lines, MOMENTS, TARGETS).before(EARLIER, horizon_days=HORIZON)
    assert early.by_target.n_days.tolist() == [[1]]


def test_customers_who_bought_only_later_are_not_there() -> None:
    found = known_at_cutoff(
        Bought(0, after(2), (FRUIT,)),
        Bought(1, before(2), (MEAT,)),
        Bought(2, CUTOFF, (FRUIT,)),
        Bought(3, before(9), (FRUIT,), known_from=AT_CLOSED),
        Bought(4, before(9), (FRUIT,)),
        n=6,  # and one without any line
    )
    assert found.places.tolist() == [1, 4]
    assert len(found) == 2
    assert found.by_target.n_days.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert found.is_buyer is not None and not found.is_buyer.any()


def test_a_customer_who_bought_nothing_of_the_targets_is_there_with_zeros() -> None:
    found = known_at_cutoff(Bought(0, before(2)), Bought(1, before(2), (WINE,)))
    assert found.by_target.n_days.tolist() == [[0, 0, 0]] * 2
    assert found.by_target.silence_days.tolist() == [[NEVER] * 3] * 2
    assert not found.by_target.decayed.any()
    assert found.by_target.decayed.shape == (2, 3, len(HALF_LIVES_DAYS))
    assert found.anything.n_days.tolist() == [1, 1]


def test_the_horizon_begins_on_the_cut_off_and_ends_before_its_last_day() -> None:
    for day, counts in (
        (before(0), False),
        (after(0), True),
        (after(27), True),
        (after(28), False),
    ):
        lines = [Bought(0, before(50)), Bought(0, day, (FRUIT,))]
        assert is_buyer(*lines) == [[False, counts, False]], day


def test_what_came_is_told_as_it_was_known_when_the_cut_off_closed() -> None:
    known = [Bought(place, before(50)) for place in range(4)]
    found = is_buyer(
        *known,
        Bought(0, after(3), (FRUIT,), known_from=AT_CLOSED),
        Bought(1, after(3), (FRUIT,), known_from=AT_CLOSED, known_to=AT_CLOSED + 1),
        Bought(2, after(3), (FRUIT,), known_from=AT_CLOSED + 1),  # known after closing only
        Bought(3, after(3), (FRUIT,), known_from=AT_CUTOFF, known_to=AT_CLOSED),  # cancelled before
    )
    assert [row[1] for row in found] == [True, True, False, False]


def test_a_purchase_of_days_of_grace_is_known_but_does_not_count() -> None:
    later = CLOSED + timedelta(days=14)
    histories = histories_of(
        [
            Bought(0, before(50)),
            Bought(0, after(3), (MEAT,), known_from=3),  # arrived within the days of grace
            Bought(0, after(30), (FRUIT,), known_from=3),
        ],
        [*MOMENTS, later],
        TARGETS,
    )
    found = histories.before(CUTOFF, horizon_days=HORIZON, closed_on=later).is_buyer
    assert found is not None
    assert found.tolist() == [[True, False, False]]


def test_a_customer_whose_first_purchase_was_cancelled_later_still_has_an_outcome() -> None:
    found = is_buyer(Bought(0, before(9), known_to=AT_CLOSED), Bought(0, after(1), (APPLES,)))
    assert found == [[False, False, True]]


def test_outcomes_stand_customer_by_customer_and_are_there_only_once_it_has_closed() -> None:
    lines = [
        Bought(0, before(9)),
        Bought(1, before(9)),
        Bought(0, after(1), (MEAT,)),
        Bought(1, after(1), (FRUIT, APPLES)),
    ]
    assert known_at_cutoff(*lines).outcomes.tolist() == [1, 0, 0, 0, 1, 1]
    still_open = histories_of(lines, MOMENTS, TARGETS).before(CUTOFF, horizon_days=HORIZON)
    assert still_open.is_buyer is None


def test_what_comes_after_the_cut_off_changes_nothing_of_what_is_known() -> None:
    lines = [Bought(0, before(9), (FRUIT,)), Bought(1, before(3), (MEAT,))]
    later = [Bought(0, after(2), (FRUIT, MEAT)), Bought(1, after(0), (MEAT,))]
    assert known(known_at_cutoff(*lines, *later)) == known(known_at_cutoff(*lines))


def test_the_usual_share_is_of_all_customers_of_the_date_not_of_those_read() -> None:
    counts = {EARLIER: 70, CUTOFF: 50}
    histories = histories_of([Bought(0, before(40))], MOMENTS, TARGETS, n_customers=counts)
    found = histories.before(CUTOFF, horizon_days=HORIZON).usual_share
    assert found == pytest.approx([0.8, 0.5, 0.2])
    early = histories.before(EARLIER, horizon_days=HORIZON).usual_share
    assert early == pytest.approx([0.1])


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
    histories = Histories.of(rows, MOMENTS, TARGETS, {EARLIER: 0, CUTOFF: 0})
    found = histories.before(CUTOFF, horizon_days=HORIZON, closed_on=CLOSED)
    assert len(found) == 0
    assert found.by_target.n_days.shape == (0, 3)
    assert found.by_target.decayed.shape == (0, 3, len(HALF_LIVES_DAYS))
    assert found.anything.decayed.shape == (0, len(HALF_LIVES_DAYS))
    assert found.is_buyer is not None and found.is_buyer.shape == (0, 3)
    assert found.outcomes.tolist() == []


def test_a_date_without_targets_has_customers_without_columns() -> None:
    targets = {EARLIER: TARGETS[EARLIER], CUTOFF: Targets()}
    histories = histories_of([Bought(0, before(3), (WINE,))], MOMENTS, targets)
    found = histories.before(CUTOFF, horizon_days=HORIZON, closed_on=CLOSED)
    assert len(found) == 1
    assert found.by_target.n_days.shape == (1, 0)
    assert found.anything.n_days.tolist() == [1]
    assert found.outcomes.tolist() == []


def known(customers: Customers) -> dict[int, list[object]]:
    """Give what is known of each customer, by place."""
    parts = (
        customers.tenure_days,
        *(
            part
            for of in (customers.anything, customers.by_target)
            for part in (of.n_days, of.n_recent_days, of.silence_days, of.decayed)
        ),
    )
    rows = [[part[row].tolist() for part in parts] for row in range(len(customers))]
    return dict(zip(customers.places.tolist(), rows, strict=True))


def some_lines(n_customers: int, n_lines: int) -> list[Bought]:
    """Draw lines of all customers over half a year, some of them late, some of them cancelled."""
    random = np.random.default_rng(n_lines)
    ids = (FRUIT, MEAT, WINE, APPLES)
    lines = []
    for _ in range(n_lines):
        known_from = int(random.choice([0, 0, 0, 1, 2, 3]))
        known_to = int(random.choice([known_from + 1, 63, 63]))
        chosen = tuple(one for one in ids if random.random() < 0.4)
        day = CUTOFF + timedelta(days=int(random.integers(-120, 40)))
        lines.append(Bought(int(random.integers(n_customers)), day, chosen, known_from, known_to))
    return lines


def test_rows_in_chunks_slices_and_batches_give_the_same_customers() -> None:
    lines = some_lines(20, 150)
    rows, counts = rows_of(lines, TARGETS, 20), {EARLIER: 20, CUTOFF: 20}

    def read(part: pa.Table | pa.RecordBatch) -> dict[int, list[object]]:
        histories = Histories.of(part, MOMENTS, TARGETS, counts)
        return known(histories.before(CUTOFF, horizon_days=HORIZON))

    whole = read(rows)
    assert read(pa.concat_tables([rows.slice(0, 7), rows.slice(7)])) == whole
    (batch,) = rows.to_batches()
    for part in (rows.slice(7), batch.slice(7)):
        assert {7 + place: row for place, row in read(part).items()} == {
            place: row for place, row in whole.items() if place >= 7
        }


@pytest.mark.parametrize("n_lines", [30, 400])
@pytest.mark.parametrize("day", [EARLIER, CUTOFF])
def test_everything_is_what_going_through_the_lines_one_by_one_gives(
    n_lines: int, day: date
) -> None:
    lines, moment = some_lines(15, n_lines), MOMENTS.index(day)
    histories = histories_of(lines, MOMENTS, TARGETS, n=15)
    closes = day + timedelta(days=28)
    found = histories.before(day, horizon_days=HORIZON, closed_on=closes)

    ids = TARGETS[day].ids
    assert set(ids) < set(all_ids(TARGETS))
    days: dict[tuple[int, str], set[int]] = defaultdict(set)
    bought = set()
    for line in lines:
        ago = (day - line.day).days - 1
        for one in ("any", *line.ids):
            if line.known_from <= moment < line.known_to and ago >= 0:
                days[line.customer, one].add(ago)
            closed = line.known_from <= moment + 1 < line.known_to
            if closed and day <= line.day < day + timedelta(days=HORIZON):
                bought.add((line.customer, one))

    customers = sorted({customer for customer, _ in days})
    assert found.places.tolist() == customers
    assert found.tenure_days.tolist() == [max(days[one, "any"]) for one in customers]

    def check(place: tuple[int, ...], at: set[int], of: str) -> None:
        part = found.anything if of == "any" else found.by_target
        assert part.n_days[place] == len(at)
        assert part.n_recent_days[place] == len([ago for ago in at if ago < 84])
        assert part.silence_days[place] == min(at, default=-1)
        expected = [sum(2 ** (-ago / half) for ago in at) for half in (7, 21, 60, 180)]
        assert part.decayed[place] == pytest.approx(expected)

    assert found.is_buyer is not None
    for row, customer in enumerate(customers):
        check((row,), days[customer, "any"], "any")
        for column, one in enumerate(ids):
            check((row, column), days[customer, one], one)
            assert found.is_buyer[row, column] == ((customer, one) in bought)
