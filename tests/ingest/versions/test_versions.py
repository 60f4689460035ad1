"""Versions: what a delivery does to the stored rows, whatever its order and grouping."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.versions.changes import changes
from crm_spark.ingest.versions.effect import NO_ROWS, Effect, measure
from crm_spark.ingest.versions.resolve import (
    CONFLICT,
    DUPLICATE,
    IS_STORED,
    KEPT,
    STATUS,
    Identity,
    add_content_hashes,
    close_versions,
    resolve,
)
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.state import UNTOUCHED
from crm_spark.tables.core import PRODUCTS, TRANSACTIONS

BY_LINE = Identity(TRANSACTIONS, has_id=True, can_close=True)
BY_ORDER = Identity(TRANSACTIONS, has_id=False, can_close=True)
PLAIN = Identity(TRANSACTIONS, has_id=False, can_close=False)
NOON = datetime(2017, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """What a row of a source says; the day is that of its arrival."""

    order: str
    day: int
    product: str = "apple"
    line: str | None = None
    is_deleted: bool = False
    replaces_order: bool = False


def frame(spark: SparkSession, said: Sequence[Said], file: str = "a", run: str = "r") -> DataFrame:
    """Give the rows as ingest hands them over: mapped, filled in, hashed."""
    names = TRANSACTIONS.schema.names
    rows = []
    for row in said:
        cells = {
            "customer_id": "c",
            "order_id": row.order,
            "line_id": row.line,
            "product_id": row.product,
            "ordered_at": NOON,
            "arrived_at": NOON + timedelta(days=row.day),
            "amount": Decimal(1),
            "is_return": False,
            "is_deleted": row.is_deleted,
            "replaces_order": row.replaces_order,
            "is_zero_amount": False,
            "is_zero_quantity": False,
            "source_file": file,
            "run_id": run,
        }
        rows.append(tuple(cells.get(name) for name in names))
    schema = T.StructType([T.StructField(f.name, f.dataType) for f in TRANSACTIONS.schema])
    return add_content_hashes(spark.createDataFrame(rows, schema), TRANSACTIONS)


def load_all(spark: SparkSession, said: Sequence[Said], identity: Identity) -> list[Row]:
    """Give the table of one load of all rows."""
    kept = resolve(frame(spark, said), None, identity).where(F.col(STATUS) == KEPT)
    return close_versions(kept, identity).collect()


@dataclass(frozen=True)
class Batched:
    """A table after several batches: its rows, and what was said of it from the changes alone."""

    rows: list[Row]
    checksum: str
    changed_from: datetime


def load_batches(
    spark: SparkSession, batches: Sequence[Sequence[Said]], identity: Identity
) -> list[Batched]:
    """Give the table after each batch, as the lake's append or merge leaves it."""
    stored: dict[tuple[object, ...], Row] = {}
    checksum, tables = NO_ROWS, []
    columns = frame(spark, batches[0]).columns
    schema = _open(frame(spark, batches[0]).schema)
    for number, batch in enumerate(batches):
        rows = [tuple(row[name] for name in columns) for row in stored.values()]
        before = spark.createDataFrame(rows, schema).drop("_content_hash", "_second_hash")
        new = frame(spark, batch, file=str(number), run=f"r{number}")
        made = changes(new, before, identity, run_id=f"r{number}")
        written, removed = made.written.collect(), made.removed.collect()
        for row in removed:
            del stored[key_of(row)]
        for row in written:
            stored[key_of(row)] = row
        effect = measure(made, TRANSACTIONS)
        checksum = effect.checksum_after(checksum)
        tables.append(Batched(list(stored.values()), checksum, effect.changed_from))
    return tables


def key_of(row: Row) -> tuple[object, ...]:
    """Give what a row is told from all others by."""
    return tuple(row[name] for name in TRANSACTIONS.key)


def checksum_of(spark: SparkSession, rows: Sequence[Row]) -> str:
    """Give the content checksum of a whole table."""
    names = TRANSACTIONS.schema.names
    frame = spark.createDataFrame(
        [tuple(row[name] for name in names) for row in rows], _open(TRANSACTIONS.schema)
    )
    return content_checksum(frame, TRANSACTIONS)


def _open(schema: T.StructType) -> T.StructType:
    """Give the schema with every column nullable: stored rows carry no hashes."""
    return T.StructType([T.StructField(field.name, field.dataType) for field in schema])


Seen = Counter[tuple[object, ...]]


def seen(rows: Sequence[Row]) -> Seen:
    """Count rows by all that is their content."""
    names = ("order_id", "arrived_at", "superseded_at", "product_id", "is_deleted")
    return Counter(tuple(row[name] for name in names) for row in rows)


def visible_on(rows: Sequence[Row], day: int) -> Counter[tuple[str, str]]:
    """Count what a snapshot of that day's noon sees, by order and product."""
    at = NOON + timedelta(days=day)
    return Counter(
        (row["order_id"], row["product_id"])
        for row in rows
        if row["arrived_at"].astimezone(UTC) < at
        and (row["superseded_at"] is None or row["superseded_at"].astimezone(UTC) >= at)
    )


# --- one load ------------------------------------------------------------------------------------


def test_a_later_row_of_a_line_closes_the_one_before_and_a_deletion_closes_itself(
    spark: SparkSession,
) -> None:
    said = [
        Said("1", 1, "apple", "l"),
        Said("1", 3, "pear", "l"),
        Said("1", 5, "pear", "l", is_deleted=True),
        Said("1", 7, "plum", "l"),
        Said("1", 2, "milk", "other"),
    ]
    rows = load_all(spark, said, BY_LINE)
    milk = ("1", "milk")
    assert [visible_on(rows, day) for day in range(1, 9)] == [
        Counter(),
        Counter({("1", "apple"): 1}),
        Counter({("1", "apple"): 1, milk: 1}),
        Counter({("1", "pear"): 1, milk: 1}),
        Counter({("1", "pear"): 1, milk: 1}),
        Counter({milk: 1}),
        Counter({milk: 1}),
        Counter({("1", "plum"): 1, milk: 1}),
    ]


def test_without_a_line_id_a_delivery_replaces_its_order_only_where_it_says_so(
    spark: SparkSession,
) -> None:
    said = [
        Said("1", 1, "apple"),
        Said("1", 1, "pear"),
        Said("1", 2, "milk"),  # a late line
        Said("1", 4, "apple", replaces_order=True),
        Said("1", 4, "plum", replaces_order=True),
        Said("1", 6, is_deleted=True),
        Said("2", 1, "soap"),
    ]
    rows = load_all(spark, said, BY_ORDER)
    soap = ("2", "soap")
    assert visible_on(rows, 3) == Counter(
        {("1", "apple"): 1, ("1", "pear"): 1, ("1", "milk"): 1, soap: 1}
    )
    assert visible_on(rows, 5) == Counter({("1", "apple"): 1, ("1", "plum"): 1, soap: 1})
    assert visible_on(rows, 7) == Counter({soap: 1})


def test_identical_lines_are_kept_and_have_ids_of_their_own_unless_they_count_once(
    spark: SparkSession,
) -> None:
    said = [Said("1", 1)] * 3 + [Said("1", 1, "pear")]
    assert len({row["line_id"] for row in load_all(spark, said, PLAIN)}) == 4
    once = Identity(TRANSACTIONS, has_id=False, can_close=False, keeps_identical=False)
    assert visible_on(load_all(spark, said, once), 9) == Counter(
        {("1", "apple"): 1, ("1", "pear"): 1}
    )


def test_of_one_id_and_arrival_copies_are_duplicates_and_other_content_contradicts(
    spark: SparkSession,
) -> None:
    said = [
        Said("1", 1, "apple", "same"),
        Said("1", 1, "apple", "same"),
        Said("1", 1, "apple", "other"),
        Said("1", 1, "pear", "other"),
        Said("1", 1, "apple", "both"),
        Said("1", 1, "apple", "both"),
        Said("1", 1, "pear", "both"),
        Said("1", 1, "apple", "corrected"),
        Said("1", 2, "pear", "corrected"),
    ]
    found: dict[str, Counter[str]] = {}
    for row in resolve(frame(spark, said), None, BY_LINE).collect():
        found.setdefault(row["line_id"], Counter())[row[STATUS]] += 1
    assert found["same"] == Counter({KEPT: 1, DUPLICATE: 1})
    assert found["other"] == Counter({KEPT: 1, CONFLICT: 1})
    # Either the apples are used and the pear contradicts, or the pear is and both apples do.
    assert found["both"] in (
        Counter({KEPT: 1, DUPLICATE: 1, CONFLICT: 1}),
        Counter({KEPT: 1, CONFLICT: 2}),
    )
    assert found["corrected"] == Counter({KEPT: 2})


def test_a_null_beside_a_value_is_other_content(spark: SparkSession) -> None:
    identity = Identity(PRODUCTS, has_id=True, can_close=False)
    names = [column.name for column in PRODUCTS.columns]
    rows = [
        tuple({"product_id": "p", "product_name": name, "source_file": "a"}.get(n) for n in names)
        for name in ("soap", None, None)
    ]
    df = add_content_hashes(spark.createDataFrame(rows, PRODUCTS.schema), PRODUCTS)
    statuses = Counter(row[STATUS] for row in resolve(df, None, identity).collect())
    assert statuses[KEPT] == 1
    assert statuses[CONFLICT] >= 1


def test_lines_of_an_order_are_numbered_the_same_whatever_the_partitioning(
    spark: SparkSession,
) -> None:
    draw = random.Random(11)
    said = [Said(draw.choice("12"), draw.randrange(3), draw.choice("xy")) for _ in range(60)]
    shuffled = frame(spark, draw.sample(said, len(said))).repartition(5)
    names = ("order_id", "line_id", "arrived_at", "product_id")
    tables = [
        {tuple(row[name] for name in names) for row in rows}
        for rows in (resolve(shuffled, None, PLAIN).collect(), load_all(spark, said, PLAIN))
    ]
    assert tables[0] == tables[1]
    numbers: dict[str, list[int]] = {}
    for order, number, *_ in tables[0]:
        numbers.setdefault(str(order), []).append(int(str(number)))
    assert {order: sorted(found) for order, found in numbers.items()} == {
        order: list(range(1, len(found) + 1)) for order, found in numbers.items()
    }


def test_a_stored_line_keeps_its_number_and_new_ones_follow(spark: SparkSession) -> None:
    said = [Said("1", day, product) for day, product in ((1, "b"), (2, "a"), (3, "b"), (4, "c"))]
    tables = load_batches(spark, [said[:2], said[2:3], [said[3], said[3]]], PLAIN)
    numbers = [{key_of(row): row["product_id"] for row in table.rows} for table in tables]
    for before, after in pairwise(numbers):
        assert before.items() <= after.items()
    found = sorted(int(row["line_id"]) for row in tables[-1].rows)
    assert found == [1, 2, 3, 4, 5]


# --- batches -------------------------------------------------------------------------------------


def drawn(draw: random.Random, identity: Identity) -> list[Said]:
    """Draw deliveries of many lines and orders from so few values that they meet."""
    said = []
    for _ in range(150):
        order = str(draw.randrange(12))
        said.append(
            Said(
                order,
                draw.randrange(6),
                draw.choice(["apple", "pear"]),
                line=f"{order}-{draw.randrange(4)}" if identity.has_id else None,
                is_deleted=identity.can_close and draw.random() < 0.1,
                replaces_order=identity is BY_ORDER and draw.random() < 0.2,
            )
        )
    return said


def grouped(said: Sequence[Said], draw: random.Random, n: int) -> list[list[Said]]:
    batches: list[list[Said]] = [[] for _ in range(n)]
    for row in said:
        batches[draw.randrange(n)].append(row)
    return [batch for batch in batches if batch]


IDENTITIES = {"by line": BY_LINE, "by order": BY_ORDER, "plain": PLAIN}


@pytest.mark.parametrize("name", IDENTITIES)
def test_any_grouping_and_order_of_deliveries_gives_the_table_of_one_load(
    spark: SparkSession, name: str
) -> None:
    identity = IDENTITIES[name]
    draw = random.Random(f"said {name}")
    said = drawn(draw, identity)
    expected = seen(load_all(spark, said, identity))
    assert sum(expected.values()) > 60
    for _ in range(2):
        tables = load_batches(spark, grouped(said, draw, 3), identity)
        assert seen(tables[-1].rows) == expected
        assert tables[-1].checksum == checksum_of(spark, tables[-1].rows)
        for before, after in pairwise(tables):
            for day in range(8):
                if NOON + timedelta(days=day) <= after.changed_from:
                    assert visible_on(after.rows, day) == visible_on(before.rows, day)


def test_a_row_that_touches_no_stored_row_leaves_them_alone(spark: SparkSession) -> None:
    stored = load_all(spark, [Said("1", 1, "apple", "l")], BY_LINE)
    columns = frame(spark, [Said("1", 1)]).columns
    before = spark.createDataFrame(
        [tuple(row[name] for name in columns) for row in stored],
        frame(spark, [Said("1", 1)]).schema,
    )
    before = before.drop("_content_hash", "_second_hash")
    made = changes(frame(spark, [Said("2", 1, "apple", "m")]), before, BY_LINE, run_id="second")
    assert [(row["line_id"], row[IS_STORED]) for row in made.written.collect()] == [("m", False)]
    assert made.removed.collect() == []


# --- what an increment touches -------------------------------------------------------------------


def effect_of(spark: SparkSession, first: Sequence[Said], second: Sequence[Said]) -> Effect:
    """Give the effect of a second delivery on the table of a first one."""
    columns = frame(spark, first).columns
    rows = [tuple(row[name] for name in columns) for row in load_all(spark, first, BY_LINE)]
    before = spark.createDataFrame(rows, _open(frame(spark, first).schema))
    before = before.drop("_content_hash", "_second_hash")
    made = changes(frame(spark, second, run="second"), before, BY_LINE, run_id="second")
    return measure(made, TRANSACTIONS)


@pytest.mark.parametrize(
    ("second", "day"),
    [
        ([Said("2", 4, "apple", "m")], 4),
        ([Said("1", 3, "pear", "l"), Said("2", 9, "milk", "m")], 3),
        ([Said("1", 0, "pear", "l")], 0),
        ([Said("1", 7, "pear", "l", is_deleted=True)], 7),
        ([Said("1", 1, "apple", "l")], None),
        ([], None),
    ],
    ids=["new line", "correction", "earlier version", "deletion", "repeated", "nothing"],
)
def test_a_delivery_touches_what_it_adds_and_what_it_closes_from_then_on(
    spark: SparkSession, second: list[Said], day: int | None
) -> None:
    effect = effect_of(spark, [Said("1", 1, "apple", "l")], second)
    expected = UNTOUCHED if day is None else NOON + timedelta(days=day)
    assert effect.changed_from == expected
    assert effect.is_none == (day is None)


def test_a_row_that_gives_way_is_touched_from_its_own_time_and_its_customer_may_be_lost(
    spark: SparkSession,
) -> None:
    said = [Said("1", 1, "apple", "l"), Said("1", 1, "pear", "l")]
    kept = load_all(spark, said, BY_LINE)[0]["product_id"]
    loser, winner = sorted(said, key=lambda row: row.product == kept)
    effect = effect_of(spark, [loser], [winner])
    assert (effect.n_displaced, effect.is_customer_lost) == (1, False)
    assert effect.changed_from == NOON + timedelta(days=1)
    assert effect.checksum_after(checksum_of(spark, load_all(spark, [loser], BY_LINE))) == (
        checksum_of(spark, load_all(spark, [winner], BY_LINE))
    )
