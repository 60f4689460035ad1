"""Histories of products: what a whole delivery adds to what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from crm_spark.ingest.versions.history import IS_NEW, HistoryRules, updated_history
from crm_spark.tables.core import PRODUCTS

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LOADED = 50


def at(day: int | None) -> datetime | None:
    return None if day is None else FIRST + timedelta(days=day)


@dataclass(frozen=True)
class Version:
    """A version of a product; days count from 2024, the first one's is None."""

    product: str
    department: str | None
    begin: int | None
    end: int | None = None
    is_new: bool = False


Delivered = tuple[str, str | None, int | None]


def frame(spark: SparkSession, rows: Sequence[Version]) -> DataFrame:
    cells = [
        {
            "product_id": row.product,
            "department": row.department,
            "valid_from": at(row.begin),
            "valid_to": at(row.end),
        }
        for row in rows
    ]
    names = PRODUCTS.schema.names
    schema = T.StructType([T.StructField(f.name, f.dataType) for f in PRODUCTS.schema])
    return spark.createDataFrame([tuple(row.get(name) for name in names) for row in cells], schema)


def updated(
    spark: SparkSession,
    known: Sequence[Version] | None,
    delivered: Sequence[Delivered],
    *,
    is_dated: bool = False,
    is_remapped: bool = False,
) -> set[Version]:
    loaded_at = at(LOADED)
    assert loaded_at is not None
    rules = HistoryRules(is_dated=is_dated, is_remapped=is_remapped, loaded_at=loaded_at)
    before = frame(spark, known) if known is not None else None
    rows = frame(spark, [Version(*row) for row in delivered])
    after = updated_history(before, rows, PRODUCTS, rules).collect()

    def day(stamp: datetime | None) -> int | None:
        return None if stamp is None else (stamp.astimezone(UTC) - FIRST).days

    found = [
        Version(
            row["product_id"],
            row["department"],
            day(row["valid_from"]),
            day(row["valid_to"]),
            row[IS_NEW],
        )
        for row in after
    ]
    assert len(found) == len(set(found))
    return set(found)


def new(product: str, department: str | None, begin: int | None, end: int | None = None) -> Version:
    return Version(product, department, begin, end, is_new=True)


def test_what_is_known_first_holds_for_all_earlier_dates_and_files_tell_what_followed(
    spark: SparkSession,
) -> None:
    delivered: list[Delivered] = [
        ("one file", "bath", 3),
        ("in two files alike", "bath", 3),
        ("in two files alike", "bath", 5),
        ("changed", "bath", 3),
        ("changed", "home", 5),
        ("changed back", "bath", 3),
        ("changed back", None, 5),
        ("changed back", "bath", 7),
        ("of a table", "bath", None),
    ]
    assert updated(spark, None, delivered) == {
        new("one file", "bath", None),
        new("in two files alike", "bath", None),
        new("changed", "bath", None, 5),
        new("changed", "home", 5),
        new("changed back", "bath", None, 5),
        new("changed back", None, 5, 7),
        new("changed back", "bath", 7),
        new("of a table", "bath", None),
    }


def test_a_later_delivery_adds_versions_and_what_it_repeats_or_lacks_stays(
    spark: SparkSession,
) -> None:
    known = [
        Version("same", "bath", None),
        Version("changed", "bath", None),
        Version("changed twice", "bath", None, 4),
        Version("changed twice", "home", 4),
        Version("all files again", "bath", None, 5),
        Version("all files again", "home", 5),
        Version("older file put back", "bath", None, 5),
        Version("older file put back", "home", 5),
        Version("gone", "bath", None),
        Version("of a table", "bath", None),
    ]
    delivered: list[Delivered] = [
        ("same", "bath", 9),
        ("changed", "home", 9),
        ("changed twice", "shop", 9),
        ("all files again", "bath", 3),
        ("all files again", "home", 5),
        ("all files again", "shop", 9),
        ("older file put back", "bath", 3),
        ("new", "bath", 9),
        ("of a table", "home", None),
    ]
    assert updated(spark, known, delivered) == {
        Version("same", "bath", None),
        Version("changed", "bath", None, 9),
        new("changed", "home", 9),
        Version("changed twice", "bath", None, 4),
        Version("changed twice", "home", 4, 9),
        new("changed twice", "shop", 9),
        Version("all files again", "bath", None, 5),
        Version("all files again", "home", 5, 9),
        new("all files again", "shop", 9),
        Version("older file put back", "bath", None, 5),
        Version("older file put back", "home", 5, LOADED),
        new("older file put back", "bath", LOADED),
        Version("gone", "bath", None),
        new("new", "bath", 9),
        Version("of a table", "bath", None, LOADED),
        new("of a table", "home", LOADED),
    }


def test_the_same_delivery_again_adds_nothing(spark: SparkSession) -> None:
    known = [
        Version("a", "bath", None, 5),
        Version("a", "home", 5),
        Version("b", None, None),
        Version("c", "bath", 9),
    ]
    delivered: list[Delivered] = [
        ("a", "bath", 3),
        ("a", "home", 5),
        ("b", None, 3),
        ("c", "bath", 9),
    ]
    assert updated(spark, known, delivered) == set(known)
    assert updated(spark, known, delivered, is_remapped=True) == set(known)


def test_another_mapping_rewrites_what_is_valid_now_at_its_own_time(spark: SparkSession) -> None:
    known = [
        Version("same", "bath", None),
        Version("other", "BATH", None),
        Version("with a past", "BATH", None, 5),
        Version("with a past", "HOME", 5),
        Version("gone", "BATH", None),
    ]
    delivered: list[Delivered] = [
        ("same", "bath", 3),
        ("other", "bath", 3),
        ("with a past", "home", 5),
        ("new", "bath", 9),
    ]
    assert updated(spark, known, delivered, is_remapped=True) == {
        Version("same", "bath", None),
        new("other", "bath", None),
        Version("with a past", "BATH", None, 5),
        new("with a past", "home", 5),
        Version("gone", "BATH", None),
        new("new", "bath", 9),
    }


@pytest.mark.parametrize("is_remapped", [False, True], ids=["continued", "remapped"])
def test_where_the_user_says_when_versions_began_these_are_the_versions(
    spark: SparkSession, is_remapped: bool
) -> None:
    known = [
        Version("a", "bath", None, 5),
        Version("a", "home", 5),
        Version("b", "bath", 2, 4),
        Version("b", "home", 4),
        Version("gone", "bath", None),
    ]
    delivered: list[Delivered] = [
        ("a", "bath", None),
        ("a", "attic", 3),
        ("a", "home", 5),
        ("b", "bath", 2),
        ("b", "shop", 4),
        ("new", None, 8),
    ]
    found = updated(spark, known, delivered, is_dated=True, is_remapped=is_remapped)
    versions = {
        ("a", "bath", None, 3),
        ("a", "attic", 3, 5),
        ("a", "home", 5, None),
        ("b", "bath", 2, 4),
        ("b", "shop", 4, None),
        ("new", None, 8, None),
    }
    stays = set() if is_remapped else {("gone", "bath", None, None)}
    assert {(row.product, row.department, row.begin, row.end) for row in found} == versions | stays
    if not is_remapped:
        changed = {(row.product, row.begin) for row in found if row.is_new}
        assert changed == {("a", 3), ("b", 4), ("new", 8)}
