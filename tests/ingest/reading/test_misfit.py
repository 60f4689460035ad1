"""What is said of records that do not fit their file, or hold whole lines of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.ingest.reading.misfit import mark_swallowed_lines, reason_of_misfit

START = "the row does not fit the file's header"
NO_QUOTES = "where quotes quote nothing, give options: {quote: ''}"
MULTILINE = f"{START}: a quote is not closed in its line: give options: {{multiLine: true}}"
NOTHING_QUOTED = f"{START}: a quote is not closed in its line: {NO_QUOTES}"
DOUBLED = f"{START}: quotes within a field are doubled: give options: {{escape: '\"'}}"
MIXED = f"{START}: line ends are mixed (CR LF and LF): make them one"
WHOLE: dict[str, Any] = {"multiLine": True}


def lines_in(n: int) -> str:
    """Give what is said of a record of so many lines."""
    return f"{START}: a quote that is not closed took in {n} lines: {NO_QUOTES}"


@pytest.mark.parametrize(
    ("record", "options", "reason"),
    [
        ('1,b1,"24 inch,30', {}, NOTHING_QUOTED),
        ('1\tb1\t"24 inch\t30', {"sep": "\\t"}, NOTHING_QUOTED),
        ('1,b1,"two', {}, MULTILINE),
        ('lines",40', {}, MULTILINE),
        ('1,b1,30,"24 inch', {}, f"{MULTILINE}; {NO_QUOTES}"),
        ('1,b1,"24 inch', {"quote": ""}, f"{START}: 4 columns, but 3 fields"),
        ('1,b1,"24 inch,30\n2,b2,Bowl,40\n', WHOLE, lines_in(2)),
        ('1,b1,"24 inch,30\n2,b2,"12 inch,40', WHOLE, lines_in(2)),
        ('1,b1,"two\nlines",40,5', WHOLE, f"{START} or format: 4 columns"),
        ('1,b1,"24 inch,30\nthe end', WHOLE, lines_in(2)),
        ('1,b1,"24 inch', WHOLE, f"{START} or format: 4 columns"),
        ('1,b1,"a ""b"", c\nd, e,3', WHOLE, DOUBLED),
        ('1,b1,"a ""b"", c\nd, e,3', {**WHOLE, "escape": '"'}, lines_in(2)),
        ("1,b1,a,30\n2,b2,b,40", WHOLE, MIXED),
        ('1,b1,"a",30\n2,b2,b,40', WHOLE, MIXED),
        ("1,b1,a\r\n", WHOLE, f"{START}: 4 columns, but 3 fields"),
        ("1,b1,a", {"encoding": "UTF-16"}, f"{START}: 4 columns, but 3 fields"),
    ],
)
def test_a_record_that_does_not_fit_says_why_and_what_mends_it(
    record: str, options: dict[str, Any], reason: str, spark: SparkSession
) -> None:
    rows = spark.createDataFrame([(record,)], f"{CORRUPT_RECORD} string")
    assert rows.select(reason_of_misfit(options, 4)).collect()[0][0] == reason


NAMES = ["nr", "who", "sku", "price"]


def read(spark: SparkSession, path: Path, content: str, **options: Any) -> DataFrame:
    """Read a file of NAMES as the ingest does."""
    path.write_bytes(content.encode())
    schema = ", ".join(f"{name} string" for name in [*NAMES, CORRUPT_RECORD])
    reader = spark.read.options(header="true", columnNameOfCorruptRecord=CORRUPT_RECORD, **options)
    return reader.schema(schema).csv(str(path))


HEADER = "nr,who,sku,price\n"


@pytest.mark.parametrize(
    ("content", "marked"),
    [
        (
            '1,b1,"24 inch,30\n2,b2,Bowl,40\n3,b3,"12 inch,50\n',
            ['1,b1,"24 inch,30\n2,b2,Bowl,40\n3,b3,"12 inch,50'],
        ),
        ('1,b1,"24 inch,30\n2,b2,"12 inch,40\n', ['1,b1,"24 inch,30\n2,b2,"12 inch,40']),
        ('1,b1,"24 inch,30\n2,b2,Bowl 12",40\n', ['1,b1,"24 inch,30\n2,b2,Bowl 12",40']),
        ('1,"b1,TEE,30\n2,b2",TEE,40\n', ['1,"b1,TEE,30\n2,b2",TEE,40']),
        ('1,b1,"two\nlines",30\n', []),
        ('1,b1,"a, b\nc, d, e",30\n', []),
        ('1,b1,"red,\nblue, green, x",30\n', []),  # as many commas, but in text
        ("1,b1,TEE,30\n2,b2,CAP,40\n", []),
    ],
)
def test_a_field_that_took_in_whole_lines_is_a_misfit(
    content: str, marked: list[str], spark: SparkSession, tmp_path: Path
) -> None:
    rows = read(spark, tmp_path / "a.csv", HEADER + content, multiLine="true")
    found = mark_swallowed_lines(rows, WHOLE, NAMES)
    assert found.columns == rows.columns
    records = found.where(f"{CORRUPT_RECORD} IS NOT NULL").select(
        CORRUPT_RECORD, reason_of_misfit(WHOLE, 4).alias("reason")
    )
    told = [(row[CORRUPT_RECORD], row["reason"]) for row in records.collect()]
    assert told == [(record, lines_in(record.count("\n") + 1)) for record in marked]


def test_files_that_are_read_by_lines_are_not_looked_into(spark: SparkSession) -> None:
    rows = spark.createDataFrame([], ", ".join(f"{name} string" for name in [*NAMES, "x"]))
    assert mark_swallowed_lines(rows, {}, NAMES) is rows
