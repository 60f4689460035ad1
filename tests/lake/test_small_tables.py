"""Small tables read without a Spark job: the rows that Spark reads, whatever the log looks like."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
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
    """Give all rows as Spark reads them."""
    rows = [row.asDict(recursive=True) for row in lake.read(table).orderBy("number").collect()]
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
    path = f"delta.`{lake.path(NOTES)}`"
    lake.spark.sql(f"ALTER TABLE {path} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    lake.spark.sql(f"DELETE FROM {path} WHERE number = 1")
    with pytest.raises(NotReadableError, match="newer reader"):
        SmallTable.at(lake.spark, lake.path(NOTES))
    assert sorted(lake.rows(NOTES), key=lambda row: row["number"]) == before[1:]


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
