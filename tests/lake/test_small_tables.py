"""Small tables read without a Spark job: the rows that Spark reads, whatever the log looks like."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import DataError
from crm_spark.lake.contract import Column, Table
from crm_spark.lake.delta import Lake
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.lake.small_tables import NotReadableError, SmallTable
from crm_spark.lake.storage import StorageSection
from crm_spark.tables.core import TRANSACTIONS

_PART = T.StructType([T.StructField("name", T.StringType()), T.StructField("n", T.LongType())])
COLUMNS = (
    Column("number", T.IntegerType(), "Key", nullable=False),
    Column("text", T.StringType(), "Text"),
    Column("day", T.DateType(), "Day"),
    Column("moment", T.TimestampType(), "Moment"),
    Column("value", T.DoubleType(), "Value"),
    Column("parts", T.ArrayType(_PART), "Parts"),
)
NOTES = Table(name="ops.notes", comment="Notes", key=("number",), columns=COLUMNS)
LATER = Table(
    name="ops.notes",
    comment="Notes",
    key=("number",),
    columns=(*COLUMNS, Column("is_late", T.BooleanType(), "New")),
)


def note(number: int, **others: Any) -> dict[str, Any]:
    return {
        "number": number,
        "text": f"note {number} % é",
        "day": date(2024, 1, number),
        # The state knows the year 9999, which nanoseconds do not reach.
        "moment": datetime(9999, 1, 1, 12, 30, 0, number, tzinfo=UTC),
        "value": number / 3,
        "parts": [{"name": "a", "n": number}, {"name": None, "n": None}],
        **others,
    }


@pytest.fixture(params=["on this machine", "elsewhere"])
def lake(
    spark: SparkSession,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Lake:
    """Give a lake with three commits of notes, on a local filesystem or as if on another."""
    if request.param == "elsewhere":
        monkeypatch.setattr(HadoopFile, "is_local", lambda _: False)
    lake = Lake(spark, StorageSection(root=str(tmp_path)), "run")
    lake.append_rows(NOTES, [note(1), note(2)])
    lake.append_rows(NOTES, [note(3, text=None, day=None, moment=None, value=None, parts=None)])
    lake.append_rows(NOTES, [note(4, parts=[])])
    return lake


def by_spark(lake: Lake, table: Table = NOTES) -> list[dict[str, Any]]:
    """Give all rows as Delta reads them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("crm_spark.lake.delta.SMALL_FILES", -1)
        stored = lake.read(table)
    rows = [row.asDict(recursive=True) for row in stored.orderBy("number").collect()]
    for row in rows:
        row["moment"] = row["moment"] and row["moment"].astimezone(UTC)
    return rows


def directly(lake: Lake, monkeypatch: pytest.MonkeyPatch, table: Table = NOTES) -> list[Any]:
    """Give all rows as the driver reads them; Spark must not be asked."""
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "read", None)
        return sorted(lake.rows(table), key=lambda row: row["number"])


def test_rows_are_those_that_spark_reads(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    found = directly(lake, monkeypatch)
    assert found == by_spark(lake)
    assert found[0] == note(1)
    assert lake.rows(NOTES, pc.field("number") == 4) == [note(4, parts=[])]


def test_a_table_that_was_never_written_has_no_rows(spark: SparkSession, tmp_path: Path) -> None:
    assert Lake(spark, StorageSection(root=str(tmp_path)), "run").rows(NOTES) == []


def test_a_checkpoint_compaction_and_a_cleaned_log_change_no_row(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = by_spark(lake)
    lake.compact(NOTES)
    assert directly(lake, monkeypatch) == before
    jvm: Any = lake.spark._jvm
    log = jvm.org.apache.spark.sql.delta.DeltaLog
    log.forTable(lake.spark._jsparkSession, lake.path(NOTES)).checkpoint()
    assert directly(lake, monkeypatch) == before
    lake.append_rows(NOTES, [note(5)])
    for commit in sorted((Path(lake.path(NOTES)) / "_delta_log").glob("*.json"))[:3]:
        commit.unlink()
    assert directly(lake, monkeypatch) == [*before, note(5)] == by_spark(lake)


def test_a_column_that_came_later_is_null_in_earlier_rows(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [row["is_late"] for row in directly(lake, monkeypatch, LATER)] == [None] * 4
    lake.append_rows(LATER, [note(5, is_late=True)])
    found = directly(lake, monkeypatch, LATER)
    assert found == by_spark(lake, LATER)
    assert [row["is_late"] for row in found] == [None, None, None, None, True]


def test_what_the_driver_cannot_read_is_read_by_spark(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = by_spark(lake)
    alter(lake, NOTES, "delta.columnMapping.mode", "name")
    with pytest.raises(NotReadableError, match="newer reader"):
        SmallTable.at(lake.spark, lake.path(NOTES))
    assert sorted(lake.rows(NOTES), key=lambda row: row["number"]) == before


def alter(lake: Lake, table: Table, key: str, value: str) -> None:
    path = f"delta.`{lake.path(table)}`"
    lake.spark.sql(f"ALTER TABLE {path} SET TBLPROPERTIES ('{key}' = '{value}')")


DATED = Table(
    name="scores.notes",
    comment="Notes of dates",
    key=("number", "as_of_date"),
    columns=(
        *COLUMNS,
        Column("as_of_date", T.DateType(), "Date"),
        Column("shop", T.StringType(), "Shop"),
    ),
    partition_by=("as_of_date", "shop"),
)
SHOPS = ("a b", "c:d/e", "50 %", "[x]{y}*", None)


@pytest.fixture
def dated(spark: SparkSession, tmp_path: Path) -> Lake:
    """Give a lake with notes of two dates, each in a partition, below a root of unusual names."""
    lake = Lake(spark, StorageSection(root=str(tmp_path / "lake [1] {a,b} 50%20 é")), "run")
    rows = [
        {**note(number), "as_of_date": date(2024, 2, 1 + number % 2), "shop": SHOPS[number % 5]}
        for number in range(1, 9)
    ]
    rows[1] |= {"as_of_date": rows[0]["as_of_date"], "shop": rows[0]["shop"]}  # two in a file
    frame = spark.createDataFrame(
        [tuple(row[n] for n in DATED.schema.names) for row in rows], DATED.schema
    )
    for day in (1, 2):
        of_day = frame.where(F.col("as_of_date") == F.lit(date(2024, 2, day)))
        lake.replace_dates(DATED, of_day, [date(2024, 2, day)])
    return lake


def assert_read_alike(lake: Lake, table: Table, *, by_log: bool = True) -> int:
    """Check that a table read by its log is the one that Delta reads; give its number of rows."""
    found = lake.read(table)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("crm_spark.lake.delta.SMALL_FILES", -1)
        expected = lake.read(table)
    assert found.dtypes == expected.dtypes
    assert sorted(map(str, found.collect())) == sorted(map(str, expected.collect()))
    assert _files_listed_by(expected) == "TahoeLogFileIndex"
    if by_log:
        assert _files_listed_by(found) in ("InMemoryFileIndex", "none")
    else:
        assert _files_listed_by(found) == "TahoeLogFileIndex"
    return found.count()


def _files_listed_by(rows: DataFrame) -> str:
    """Give the name of what lists the files that Spark reads; a table without rows has none."""
    leaf = rows._jdf.queryExecution().analyzed().collectLeaves().head()
    if leaf.getClass().getSimpleName() != "LogicalRelation":
        return "none"
    return str(leaf.relation().location().getClass().getSimpleName())


def test_spark_reads_by_the_log_what_delta_reads(dated: Lake) -> None:
    assert assert_read_alike(dated, DATED) == 8
    dated.delete_dates(DATED, [date(2024, 2, 1)])
    assert assert_read_alike(dated, DATED) == 5
    rows = dated.read_date(DATED, date(2024, 2, 2)).where("shop = 'c:d/e'").collect()
    assert {row["number"] for row in rows} == {1, 2}
    dated.delete_dates(DATED, [date(2024, 2, 2)])
    assert assert_read_alike(dated, DATED) == 0


def test_what_was_read_by_the_log_stays_what_it_was(dated: Lake) -> None:
    before = dated.read(DATED)
    dated.replace_dates(DATED, before.where("number = 4"), [date(2024, 2, 1)])
    assert before.count() == 8
    assert dated.read(DATED).where("as_of_date = '2024-02-01'").count() == 1
    assert dated.read(DATED, dated.version(DATED) - 1).count() == 8


def test_rows_marked_as_deleted_are_left_to_delta_until_their_files_are_written_anew(
    dated: Lake,
) -> None:
    path = f"delta.`{dated.path(DATED)}`"
    alter(dated, DATED, "delta.enableDeletionVectors", "true")
    assert assert_read_alike(dated, DATED) == 8
    dated.spark.sql(f"DELETE FROM {path} WHERE number = 1")
    assert assert_read_alike(dated, DATED, by_log=False) == 7
    dated.spark.sql(f"REORG TABLE {path} APPLY (PURGE)")
    assert assert_read_alike(dated, DATED) == 7


@pytest.mark.parametrize("limit", [("SMALL_FILES", 1), ("SMALL_BYTES", 1000)])
def test_a_table_that_is_not_small_is_left_to_delta(
    dated: Lake, monkeypatch: pytest.MonkeyPatch, limit: tuple[str, int]
) -> None:
    monkeypatch.setattr(f"crm_spark.lake.delta.{limit[0]}", limit[1])
    assert assert_read_alike(dated, DATED, by_log=False) == 8


def test_a_table_of_which_delta_left_no_summary_is_left_to_delta(dated: Lake) -> None:
    for summary in (Path(dated.path(DATED)) / "_delta_log").glob("*.crc"):
        summary.unlink()
    assert assert_read_alike(dated, DATED, by_log=False) == 8


def test_a_table_that_needs_another_reader_is_left_to_delta(dated: Lake) -> None:
    alter(dated, DATED, "delta.columnMapping.mode", "name")
    assert assert_read_alike(dated, DATED, by_log=False) == 8


def test_a_column_that_the_table_lacks_is_null_however_it_is_read(dated: Lake) -> None:
    later = replace(DATED, columns=(*DATED.columns, Column("is_late", T.BooleanType(), "New")))
    assert assert_read_alike(dated, later) == 8


def test_a_log_with_a_gap_is_left_to_spark(lake: Lake) -> None:
    (Path(lake.path(NOTES)) / "_delta_log" / f"{1:020}.json").unlink()
    with pytest.raises(NotReadableError, match="begins at"):
        SmallTable.at(lake.spark, lake.path(NOTES))


def test_a_table_of_another_version_is_refused(lake: Lake) -> None:
    other = Table(name="ops.notes", comment="Notes", key=("number",), version=2, columns=COLUMNS)
    reader = Lake(lake.spark, StorageSection(root=lake.root), "reader")
    with pytest.raises(DataError, match=r"ops\.notes .* has version 1"):
        reader.rows(other)


def test_small_files_are_put_together_now_and_then(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_spark.lake.delta.APPENDS_BETWEEN_COMPACTIONS", 4)
    lake.append_rows(NOTES, [note(5)])
    assert DeltaTable.forPath(lake.spark, lake.path(NOTES)).detail().collect()[0]["numFiles"] == 1
    assert [row["number"] for row in directly(lake, monkeypatch)] == [1, 2, 3, 4, 5]


def test_tables_that_may_grow_with_customers_are_not_brought_to_the_driver(lake: Lake) -> None:
    with pytest.raises(ValueError, match=r"core\.transactions is not read by the driver"):
        lake.rows(TRANSACTIONS)
