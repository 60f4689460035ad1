"""What lies at a path: told from what the files hold, packed or not, whatever they are called."""

from __future__ import annotations

import bz2
import gzip
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from drafts import source
from pyspark.sql import SparkSession

from crm_spark.errors import DataError
from crm_spark.ingest.drafting.draft import draft_of
from crm_spark.ingest.drafting.find import find_tables

LINES = "order_id,customer_id,order_date,total\n" + "".join(
    f"{n},c{n % 5},{1 + n % 12}/{1 + n % 28}/2019,1.50\n" for n in range(40)
)


def test_packed_files_and_those_of_any_name_are_read(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(LINES.encode()))
    (tmp_path / "b.csv.bz2").write_bytes(bz2.compress(LINES.encode()))
    (tmp_path / "c.tsv").write_text(LINES.replace(",", "\t"))
    (tmp_path / "export").write_text(LINES)
    for name in ("a.csv.gz", "b.csv.bz2", "c.tsv", "export"):
        (table,) = find_tables(spark, str(tmp_path / name)).samples
        assert [column.name for column in table.columns] == LINES.splitlines()[0].split(",")
        assert (table.n_rows, table.reading.format) == (40, "csv")


def test_days_beyond_12_far_behind_in_a_file_are_found(spark: SparkSession, tmp_path: Path) -> None:
    header, early = "order_id,customer_id,order_date,total\n", "7,c1,01/02/2019 10:11:12,1.50\n"
    text = header + early * 60_000 + "8,c2,13/02/2019 10:11:12,1.50\n" + early * 10
    (tmp_path / "plain.csv").write_text(text)
    (table,) = find_tables(spark, str(tmp_path / "plain.csv")).samples
    stamp = table.columns[2].stamp
    assert stamp is not None
    assert (stamp.patterns, stamp.is_doubtful) == (("d/M/yyyy H:mm:ss",), False)


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("a.xlsx", b"PK\x03\x04[Content_Types].xml", "save its sheet as CSV UTF-8"),
        ("a.csv", b"PK\x03\x04rest", "unpack it"),
        ("a.xls", b"\xd0\xcf\x11\xe0rest", "save its sheet as CSV UTF-8"),
        ("a.csv", gzip.compress(b"a,b\n", mtime=0), "end it in .gz"),
        ("a.csv.gz", b"no gzip", "cannot be read"),
        ("a.csv", b"", "holds no row"),
        ("a.csv", b"\n \n", "holds no row"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(
    name: str, content: bytes, advice: str, spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=advice):
        find_tables(spark, str(tmp_path / name))


def test_what_is_not_there_is_said(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        find_tables(spark, str(tmp_path / "nothing"))


def test_what_cannot_be_used_in_a_folder_is_named_and_the_rest_is_drafted(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "orders.csv").write_text(LINES)
    (tmp_path / "README.md").write_text("# Read, me\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 cut off")
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as packed:
        packed.writestr("x.csv", "a,b\n")
    found = find_tables(spark, str(tmp_path))
    draft = draft_of(found, str(tmp_path))
    assert source(draft)["path"] == f"{tmp_path}/orders.csv"
    assert len(found.unusable) == 2
    shown = " ".join(line.strip("# ") for line in draft.text.splitlines())
    assert "unpack it" in shown
    assert "footer is missing" in shown


def test_tables_of_other_formats_are_read_by_spark(spark: SparkSession, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "customer": ["c1", "c2"],
            "invoice": [1, 2],
            "day": pd.to_datetime(["2019-01-02", "2019-01-03"]),
            "total": [1.5, 2.5],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    rows = spark.read.parquet(str(tmp_path / "a.parquet"))
    rows.select("customer", "invoice", "total").write.orc(str(tmp_path / "b"))
    frame.astype(str).to_json(tmp_path / "c.jsonl", orient="records", lines=True)
    frame.astype(str).to_json(tmp_path / "d.json", orient="records", indent=1)
    (tmp_path / "e.json").write_text(
        json.dumps({"orders": json.loads((tmp_path / "d.json").read_text())}, indent=1)
    )
    formats = {}
    for name in ("a.parquet", "b", "c.jsonl", "d.json", "e.json"):
        (table,) = find_tables(spark, str(tmp_path / name)).samples
        formats[name] = (table.reading.format, dict(table.reading.options))
        assert (table.n_rows, {column.name for column in table.columns} - {"day"}) == (
            2,
            {"customer", "invoice", "total"},
        )
    assert formats == {
        "a.parquet": ("parquet", {}),
        "b": ("orc", {}),
        "c.jsonl": ("json", {}),
        "d.json": ("json", {"multiLine": True}),
        "e.json": ("json", {"multiLine": True}),
    }


def test_a_delta_table_is_known_by_its_log_and_a_table_by_its_name(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = spark.createDataFrame(
        [("c1", 1, "2019-01-02", 1.5)], "customer string, invoice int, day string, total double"
    )
    rows.write.format("delta").save(str(tmp_path / "orders"))
    draft = draft_of(find_tables(spark, str(tmp_path / "orders")), "orders")
    assert source(draft)["format"] == "delta"
    assert source(draft)["columns"]["ordered_at"] == "to_timestamp(day)"
    rows.createOrReplaceTempView("drafted_orders")
    try:
        draft = draft_of(find_tables(spark, "drafted_orders"), "drafted_orders")
    finally:
        spark.catalog.dropTempView("drafted_orders")
    assert source(draft)["table"] == "drafted_orders"
    assert "format" not in source(draft)
