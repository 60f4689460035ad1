"""Exports that come file by file: lost, changed, copied or taken back on the way.

Each case with its right values is in test_exports; scripts/prove exports delivers the files of
every case in all orders and groupings.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from system.exports import Export, values

from crm_spark.errors import DataError
from crm_spark.jobs import replay_rejected


def test_where_a_lost_file_has_to_stop_the_run_nothing_is_written(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "later_file_renamed_column", tmp_path)
    path = export.folder / export.config_name
    path.write_text(path.read_text() + "    cleaning: {broken_files: stop}\n")
    export.ingest()
    before = export.checksums()
    export.deliver()
    assert "2019-02.csv: it has no column qty" in export.refused(DataError)
    assert export.checksums() == before


def test_files_of_the_same_content_in_folders_that_say_otherwise_are_no_copies(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "hive_partition_zeros", tmp_path)
    content = next((export.folder / "input").rglob("*.csv")).read_text()
    for folder in ("store=007", "store=A5", "store=B6"):
        (export.folder / f"input/{folder}").mkdir(exist_ok=True)
        (export.folder / f"input/{folder}/same.csv").write_text(content)
    (export.folder / "input/store=B6/again.csv").write_text(content)
    counts = export.ingest()
    # One of the two in B6 is a copy, and in 007 the content was there under another name.
    stores = values(export.rows("store_id"), "store_id")
    assert sorted(stores) == ["007", "012", "A5", "B6"]
    assert counts.rows_duplicate == 2


def test_a_loaded_file_that_turns_unusable_keeps_its_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "parquet_int_then_double_ids", tmp_path)
    export.ingest()
    before = export.checksums()
    path = export.folder / "input/2019-01.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"files that were loaded cannot be used.*2019-01.parquet"):
        export.ingest()
    assert export.checksums() == before
    path.write_bytes(whole)
    export.ingest()
    assert export.checksums() == before


def test_rejected_rows_are_taken_back_by_the_columns_of_their_own_file(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "later_file_extra_column", tmp_path)
    for path in (export.folder / "input").iterdir():
        path.unlink()
    header = "customer,invoice,day,item,qty,total"
    lines = {n: f"c{n},i{n},2019-01-0{n} 10:00:00,a,1" for n in (1, 2, 3)}
    files = {
        "a.csv": f"{header},off\n{lines[1]},'10',1\n",
        "b.csv": f"{header}\n{lines[2]},'20'\n{lines[3]},30\n",
    }
    for name, text in files.items():
        (export.folder / "input" / name).write_text(text)
    path = export.folder / export.config_name
    path.write_text(path.read_text() + '      discount_amount: "off"\n')
    counts = export.ingest()
    assert (counts.rows_written, counts.rows_rejected) == (1, 2)
    path.write_text(
        path.read_text().replace("amount: total", "amount: translate(total, '\\'', '')")
    )
    replay_rejected.run(spark, export.config, None)
    found = {row["order_id"]: tuple(row)[1:] for row in export.rows(*OF_ORDER)}
    assert found == {"i1": (10, 1), "i2": (20, None), "i3": (30, None)}


OF_ORDER = ("order_id", "amount", "discount_amount")


def test_a_currency_that_comes_later_is_told_with_those_that_are_there(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "mixed_currencies", tmp_path)
    header, *lines = (export.folder / "input/orders.csv").read_text().splitlines()
    (export.folder / "input/orders.csv").unlink()
    found = []
    for place, line in enumerate(lines):
        (export.folder / f"input/{place}.csv").write_text(f"{header}\n{line}\n")
        export.ingest()
        found.append("mixed_currencies" in export.checks_by_name())
    assert found == [False, True, True]


def test_a_file_that_overlaps_with_what_is_there_is_told_with_its_own_share(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "overlapping_exports", tmp_path)
    for name in export.hold_back():
        export.deliver(name, source="held")
        export.ingest()
    assert "10 of the 20 rows" in export.checks_by_name()["overlapping_files"][1]
