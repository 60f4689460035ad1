r"""Nulls of databases: \N is null where it is the whole field, and nobody says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.reading.layout import Layout
from crm_spark.ingest.reading.place import PlaceSection
from crm_spark.ingest.reading.rows import read_files
from crm_spark.ingest.settings import Input

LINES = 'id,"a b"\n1,\\N\n2,"\\N"\n3,\\Nx\n4,\n'


def read(spark: SparkSession, folder: Path, options: dict[str, Any]) -> list[Row]:
    path = folder / "a.csv"
    path.write_text(LINES)
    section = PlaceSection(path=str(path), format="csv", options={"header": True, **options})
    layout = Layout("`id` string, `a b` string")
    rows = read_files(spark, Input("a", section, "UTC"), layout, [path.as_uri()])
    # What Spark knows of the file is there still.
    return rows.select("id", "a b", F.col("_metadata.file_name"), F.input_file_name()).collect()


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ({}, [None, None, "\\Nx", None]),
        ({"nullvalue": "NULL"}, ["\\N", "\\N", "\\Nx", None]),
        ({"nullValue": ""}, ["\\N", "\\N", "\\Nx", None]),
    ],
)
def test_a_whole_field_is_null_unless_the_user_says_what_is(
    options: dict[str, Any], values: list[str | None], spark: SparkSession, tmp_path: Path
) -> None:
    rows = read(spark, tmp_path, options)
    assert [row["a b"] or None for row in rows] == values
    assert {row["file_name"] for row in rows} == {"a.csv"}
    assert all(row[3].endswith("/a.csv") for row in rows)
