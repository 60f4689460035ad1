"""Files that lack a column of others: taken with nulls, or rejected with the reason."""

from __future__ import annotations

from typing import Literal

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.ingest.planning.fit import Fit, fit_files
from crm_spark.ingest.reading.schema import SourceSchema
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import SourceSection

BASE = "who string, no string, at timestamp, total double"


def source_of(
    columns: dict[str, str] | None = None,
    where: str | None = None,
    kind: Literal["csv", "json"] = "csv",
) -> Source:
    mapping = {"customer_id": "who", "order_id": "no", "ordered_at": "at", "amount": "total"}
    section = SourceSection(
        path="files", format=kind, where=where, columns={**mapping, **(columns or {})}
    )
    return Source("transactions", section, "UTC")


def fit(spark: SparkSession, source: Source, known: tuple[str, ...] = (), **files: str) -> Fit:
    """Fit files by name, each with its columns."""
    rows: dict[tuple[str, ...], DataFrame] = {
        (name,): spark.createDataFrame([], columns) for name, columns in files.items()
    }
    return fit_files(source, rows, [SourceSchema(ddl) for ddl in known])


OPTIONAL = {"discount_amount": "discount"}


def test_columns_in_another_order_more_of_them_and_other_types_do_no_harm(
    spark: SparkSession,
) -> None:
    found = fit(
        spark,
        source_of(),
        first=BASE,
        second="total decimal(9,2), note string, at timestamp, no bigint, who double",
    )
    assert found == Fit()


def test_an_optional_column_that_a_file_lacks_is_null(spark: SparkSession) -> None:
    found = fit(spark, source_of(OPTIONAL), first=f"{BASE}, discount double", second=BASE)
    assert found.rejected == {}
    assert found.absent["second"].simpleString() == "struct<discount:double>"
    assert "first" not in found.absent


@pytest.mark.parametrize(
    ("columns", "where", "key"),
    [({"amount": "total - discount"}, None, "columns.amount"), ({}, "discount < 1", "where")],
)
def test_a_file_without_a_column_that_is_needed_is_rejected(
    columns: dict[str, str], where: str | None, key: str, spark: SparkSession
) -> None:
    found = fit(spark, source_of(columns, where), first=f"{BASE}, discount double", second=BASE)
    assert found.rejected == {"second": f"it has no column discount, which {key} reads"}


def test_an_expression_that_gives_null_by_itself_says_nothing_of_a_column_that_is_not_there(
    spark: SparkSession,
) -> None:
    files = {"first": f"{BASE}, kind string", "second": f"{BASE}, type string"}
    for columns, where in [
        ({"is_return": "case when kind = 'R' then true else false end"}, None),
        ({}, "if(kind = 'paid', true, false)"),
    ]:
        assert list(fit(spark, source_of(columns, where), **files).rejected) == ["second"]


def test_a_column_that_looks_renamed_rejects_the_file_unless_the_mapping_says_what_to_do(
    spark: SparkSession,
) -> None:
    files = {"first": f"{BASE}, discount double", "second": f"{BASE}, `off %` double"}
    found = fit(spark, source_of(OPTIONAL), **files)
    assert list(found.rejected) == ["second"]
    assert "coalesce(discount, `off %`)" in found.rejected["second"]
    for text in ("coalesce(discount)", "coalesce(discount, `off %`)"):
        assert fit(spark, source_of({"discount_amount": text}), **files).rejected == {}
    # In JSON a field that no row has is not written.
    assert fit(spark, source_of(OPTIONAL, kind="json"), **files).rejected == {}


def test_the_outcome_is_the_same_whichever_files_were_loaded_before(spark: SparkSession) -> None:
    with_it, without = f"{BASE}, discount double", f"{BASE}, off double"
    source = source_of(OPTIONAL)
    at_once = fit(spark, source, first=with_it, second=without)
    later = fit(spark, source, (with_it,), second=without)
    assert later.rejected == at_once.rejected
    assert fit(spark, source, (without,), first=with_it) == Fit()


def test_what_fits_no_file_is_a_fault_of_the_mapping(spark: SparkSession) -> None:
    found = fit(spark, source_of({"product_id": "item"}), first=BASE, second=f"{BASE}, sku string")
    (fault,) = found.faults
    assert fault.startswith("columns.product_id: 'item'")
    assert found.rejected == {}


def test_where_no_file_has_all_columns_they_have_to_be_joined(spark: SparkSession) -> None:
    found = fit(spark, source_of(), orders="who string, no string, at timestamp", items="total int")
    (fault,) = found.faults
    assert "not joined: join them first" in fault


def test_a_type_that_an_expression_cannot_take_rejects_the_files_that_have_it(
    spark: SparkSession,
) -> None:
    other = BASE.replace("at timestamp", "at array<string>")
    found = fit(spark, source_of(), first=BASE, second=other)
    assert list(found.rejected) == ["second"]
    assert found.rejected["second"].startswith("columns.ordered_at: 'at'")


def test_a_field_within_a_column_that_some_files_lack_is_null_there(spark: SparkSession) -> None:
    files = {
        "first": "buyer struct<id:bigint,mail:string>, no string, at timestamp, total double",
        "second": "buyer struct<mail:string>, no string, at timestamp, total double",
        "third": "buyer void, no string, at timestamp, total double",
    }
    either = source_of({"customer_id": "coalesce(cast(buyer.id as string), buyer.mail)"})
    found = fit(spark, either, **files)
    assert (found.faults, found.rejected) == ((), {})
    assert {file: columns.simpleString() for file, columns in found.reshaped.items()} == {
        "second": "struct<buyer:struct<mail:string,id:bigint>>",
        "third": "struct<buyer:struct<id:bigint,mail:string>>",
    }
    # Rows without a value are rejected one by one, a file without the field as a whole.
    needed = fit(spark, source_of({"customer_id": "buyer.id"}), **files)
    assert list(needed.rejected) == ["second"]
    assert needed.rejected["second"].startswith("columns.customer_id: 'buyer.id': No such struct")
    optional = source_of({"customer_id": "buyer.mail", "channel": "buyer.id"})
    assert fit(spark, optional, **files).rejected == {}
    # Whichever files were loaded before.
    first = files.pop("first")
    assert fit(spark, either, (first,), **files).rejected == {}
    assert list(fit(spark, source_of({"customer_id": "buyer.id"}), (first,), **files).rejected) == [
        "second"
    ]
