"""Headers of CSV files, and what is said of lines that do not fit them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from crm_spark.errors import DataError
from crm_spark.ingest.reading.csv import CORRUPT_RECORD, CsvHeaders, safe_names
from crm_spark.ingest.reading.misfit import reason_of_misfit
from crm_spark.ingest.reading.place import PlaceSection
from crm_spark.ingest.settings import Input


def headers_by(spark: SparkSession, options: dict[str, Any]) -> CsvHeaders:
    section = PlaceSection(path="orders.csv", format="csv", options=options)
    return CsvHeaders(spark, Input("orders", section, "UTC"))


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["a", "b"], ["a", "b"]),
        ([None, "a", ""], ["_c0", "a", "_c2"]),
        (["Name", "price", "name"], ["Name0", "price", "name2"]),
        ([], []),
    ],
)
def test_columns_without_a_name_of_their_own_are_named_by_their_place(
    cells: list[str | None], names: list[str]
) -> None:
    assert safe_names(cells) == names


HEADER = 'id,"a ""b""",price'


@pytest.mark.parametrize(
    ("content", "options", "names"),
    [
        (HEADER.encode(), {"escape": '"'}, ["id", 'a "b"', "price"]),
        (b"\xef\xbb\xbfid;price\n1;2\n", {"sep": ";"}, ["id", "price"]),
        (
            "id;größe\r\n1;2\r\n".encode("cp1252"),
            {"sep": ";", "encoding": "cp1252"},
            ["id", "größe"],
        ),
        ("id,price\n1,2\n".encode("utf-16"), {"encoding": "UTF-16"}, ["id", "price"]),
        (b"\n\n# told\nid\tprice\n", {"sep": "\\t", "comment": "#"}, ["id", "price"]),
        (b'"first\nline",price\n1,2\n', {"multiLine": True}, ["first\nline", "price"]),
        (b"", {}, []),
        (b"1,2,3\n", {"header": False}, ["_c0", "_c1", "_c2"]),
    ],
)
def test_headers_are_read_as_spark_reads_the_file(
    content: bytes, options: dict[str, Any], names: list[str], spark: SparkSession, tmp_path: Path
) -> None:
    headers = headers_by(spark, {"header": True, **options})
    for name, written in [("a b.csv", content), ("a.csv.gz", gzip.compress(content))]:
        path = tmp_path / name
        path.write_bytes(written)
        assert list(headers.head(path.as_uri()).names) == names


def test_an_option_that_cannot_be_is_named(spark: SparkSession) -> None:
    with pytest.raises(DataError, match=r"orders.csv cannot be read: options: .*klingon"):
        headers_by(spark, {"encoding": "klingon"})


MULTILINE = "give options: {multiLine: true}"
MISFIT = "the row does not fit the file's header"


@pytest.mark.parametrize(
    ("line", "options", "reason"),
    [
        ("1,2,3,4", {}, f"{MISFIT}: 3 columns, but 4 fields"),
        ("1;2", {"sep": ";"}, f"{MISFIT}: 3 columns, but 2 fields"),
        (
            '1,"2',
            {},
            f"{MISFIT}: a quote is not closed in its line: give options: {{multiLine: true}}",
        ),
        (
            '1,"a ""b"", c",3',
            {"multiLine": True},
            f"{MISFIT}: quotes within a field are doubled: give options: {{escape: '\"'}}",
        ),
        ('1,"2",3,4', {"escape": '"'}, f"{MISFIT} or format: 3 columns"),
    ],
)
def test_a_line_that_does_not_fit_says_why_and_which_option_mends_it(
    line: str, options: dict[str, Any], reason: str, spark: SparkSession
) -> None:
    rows = spark.createDataFrame([(line,)], f"{CORRUPT_RECORD} string")
    assert rows.select(reason_of_misfit(options, 3)).collect()[0][0] == reason
