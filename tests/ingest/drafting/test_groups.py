"""Files of one table, and the paths that name them."""

from __future__ import annotations

import pytest

from crm_spark.ingest.drafting.groups import grouped, paths_of, table_name
from crm_spark.ingest.reading.files import SourceFile


def file(name: str, *, base: str | None = "file:/d") -> SourceFile:
    return SourceFile(f"file:/d/{name}", 1, 0, base)


def test_files_of_half_the_same_columns_are_of_one_table() -> None:
    names = {
        "a": ["customer", "invoice", "day", "qty"],
        "b": ["Customer", "invoice", "day", "quantity"],
        "c": ["sku", "title"],
        "d": ["customer", "sku"],
    }
    assert grouped(names, lambda name: names[name]) == [["a", "b"], ["c"], ["d"]]


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:/d/orders_2019-01.csv.gz", "orders"),
        ("file:/d/2019-01.csv", "source"),
        ("file:/d/Order%20Items.csv", "order_items"),
        ("file:/d/_x.csv", "x"),
    ],
)
def test_a_table_is_named_after_its_files(uri: str, name: str) -> None:
    assert table_name(uri) == name


def test_where_all_files_are_of_one_table_the_path_stays() -> None:
    assert paths_of("d/*.csv", [file("a.csv"), file("b.csv")], []) == ["d/*.csv"]


def test_one_file_among_others_is_named_by_itself() -> None:
    others = [file("customers.csv")]
    assert paths_of("/d", [file("orders.csv")], others) == ["/d/orders.csv"]
    assert paths_of("d/*", [file("orders.csv")], others) == ["d/orders.csv"]


def test_several_among_others_are_named_by_a_pattern_that_no_other_matches() -> None:
    own = [file("orders_1.csv"), file("orders_2.csv")]
    assert paths_of("d", own, [file("customers.csv")]) == ["d/orders_*.csv"]
    assert paths_of("d", own, [file("notes.txt")]) == ["d/*.csv"]
    assert paths_of("d", own, [file("orders_x.csv")]) == ["d/orders_1.csv", "d/orders_2.csv"]


def test_the_file_that_was_named_keeps_its_name() -> None:
    assert paths_of("x/orders.csv", [file("orders.csv", base=None)], [file("b.csv")]) == [
        "x/orders.csv"
    ]
