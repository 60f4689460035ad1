"""Columns of files that belong together: one without values, or fields, takes those of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from crm_spark.ingest.reading.layout import Layout, with_types_of_others
from crm_spark.ingest.reading.place import PlaceSection
from crm_spark.ingest.reading.schema import ddl_of, parsed
from crm_spark.ingest.reading.shapes import all_columns, as_it_came, reshaped, with_nulls
from crm_spark.ingest.settings import Input

WHOLE = "who struct<id:bigint,at:struct<city:string>>, items array<struct<sku:string,n:bigint>>"


def shape(own: str, *others: str, with_fields: bool = True) -> str:
    """Give what is changed of the first columns, among the others, however these are ordered."""
    found = {
        ddl_of(reshaped(parsed(own), all_columns(map(parsed, order)), with_fields=with_fields))
        for order in ([own, *others], [*reversed(others), own])
    }
    (only,) = found
    return only.replace("`", "")


def test_a_column_without_values_takes_the_type_of_others(spark: SparkSession) -> None:
    assert shape("who void, items void", WHOLE) == WHOLE
    assert shape("who void", "who string") == "who string"
    assert shape("who void", "who string", WHOLE) == WHOLE.partition(", items")[0]
    assert shape("WHO void", "who bigint") == "WHO bigint"
    assert shape("who void", "who void") == ""


def test_a_column_within_another_does_so_too(spark: SparkSession) -> None:
    assert shape("items array<void>", WHOLE) == WHOLE.partition(">>, ")[2]
    assert shape("who struct<id:bigint,at:void>", WHOLE) == WHOLE.partition(", items")[0]
    assert shape("items array<struct<n:void,sku:string>>", WHOLE) == (
        "items array<struct<n:bigint,sku:string>>"
    )


def test_fields_that_others_have_are_added_behind_its_own(spark: SparkSession) -> None:
    own = "who struct<mail:string,at:struct<zip:string>>"
    added = "who struct<mail:string,at:struct<zip:string,city:string>,id:bigint>"
    assert shape(own, WHOLE) == added
    assert shape(own, WHOLE, with_fields=False) == ""


def test_values_of_another_type_stay_what_they_are(spark: SparkSession) -> None:
    assert shape("who string, items array<string>", WHOLE) == ""
    assert shape("who struct<id:double>", "who struct<id:bigint>") == ""


def test_rows_have_nulls_where_others_have_more_and_stand_beside_as_they_came(
    spark: SparkSession,
) -> None:
    own = parsed("who struct<id:bigint>, items array<struct<sku:string>>, note void")
    columns = all_columns([own, parsed(f"{WHOLE}, note bigint, at date")])
    rows = spark.createDataFrame([((1,), [("a",), None], None), (None, None, None)], own)
    missing = T.StructType([columns["at"]])
    first, second = with_nulls(rows, missing, None, reshaped(own, columns)).collect()
    assert first.asDict(recursive=True) == {
        "who": {"id": 1, "at": None},
        "items": [{"sku": "a", "n": None}, None],
        "note": None,
        "at": None,
        as_it_came("who"): {"id": 1},
        as_it_came("items"): [{"sku": "a"}, None],
        as_it_came("note"): None,
    }
    assert set(second.asDict().values()) == {None}
    assert with_nulls(rows, None) is rows


@pytest.mark.parametrize(
    ("lines", "others", "found"),
    [
        ('{"who": null, "n": 1}', "who struct<id:bigint>", "n bigint, who void"),
        ('{"who": null}', "who string", "who string"),
        ('{"who": "ann"}', "who struct<id:bigint>", "who string"),
        ('{"who": null}\n{"who": "ann"}', "who struct<id:bigint>", "who string"),
        (
            '{"who": {"at": null, "id": null}}',
            "who struct<id:bigint,at:string>",
            "who struct<at:void,id:void>",
        ),
        ('{"items": []}', "items array<struct<sku:string>>", "items array<void>"),
        (
            '{"items": [{"sku": null, "n": 2}]}',
            "items array<struct<sku:bigint>>",
            "items array<struct<n:bigint,sku:void>>",
        ),
    ],
)
def test_what_is_null_in_all_rows_of_a_file_has_no_type_where_it_has_another_in_others(
    lines: str, others: str, found: str, spark: SparkSession, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(lines)
    options: dict[str, Any] = {"samplingRatio": 0.1}
    place = Input("a", PlaceSection(path=str(path), format="json", options=options), "UTC")
    inferred = spark.read.json(str(path)).schema
    layouts = {path.as_uri(): Layout(ddl_of(inferred))}
    (settled,) = with_types_of_others(spark, place, layouts, [parsed(others)]).values()
    assert settled.ddl.replace("`", "").startswith(found)
