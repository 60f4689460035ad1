"""What differs between files, and between what is new and what was loaded before."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.ingest.planning.differences import schema_changes


def schema(**kinds: T.DataType) -> T.StructType:
    """Give columns of these types."""
    return T.StructType([T.StructField(name, kind) for name, kind in kinds.items()])


BEFORE = schema(customer=T.LongType(), total=T.LongType(), item=T.StringType())


def test_the_same_columns_in_another_order_are_no_change() -> None:
    turned = T.StructType(BEFORE.fields[::-1])
    assert schema_changes([turned], [BEFORE]) == []
    with_corrupt = schema(_corrupt_record=T.StringType(), **{f.name: f.dataType for f in BEFORE})
    assert schema_changes([BEFORE], [with_corrupt]) == []
    assert schema_changes([BEFORE], []) == []
    assert schema_changes([], [BEFORE]) == []


def test_columns_that_come_and_go_and_types_that_change_are_named() -> None:
    now = schema(customer=T.DoubleType(), total=T.LongType(), coupon=T.StringType())
    assert schema_changes([now], [BEFORE]) == [
        "they have coupon, which files before had not",
        "they have no item",
        "customer is double, and was bigint",
    ]


def test_what_any_file_had_before_is_no_change() -> None:
    with_coupon = schema(coupon=T.StringType(), customer=T.DoubleType())
    assert schema_changes([with_coupon], [BEFORE, with_coupon]) == ["they have no total, item"]


def test_of_many_columns_the_first_are_named() -> None:
    many = schema(**{f"c{number}": T.StringType() for number in range(20)})
    (line,) = schema_changes([many], [schema(c0=T.StringType())])
    assert line.startswith("they have c1, c2") and "and 11 more columns" in line
