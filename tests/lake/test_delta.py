"""The lake: names for analysts, versions that mean rows, and retention."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import BusyError
from crm_spark.features.rfm_tables import RFM_CUT_POINTS
from crm_spark.features.tables import CUSTOMER_DEPARTMENTS
from crm_spark.lake.contract import ContractError, content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.lake.storage import StorageSection
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.pipeline.tables import ALL_TABLES
from crm_spark.tables.core import TRANSACTIONS, rejected
from crm_spark.tables.ops import JOB_RUNS

OLD, NEW = date(2024, 1, 1), date(2024, 1, 8)


def _cuts(spark: SparkSession, day: date, value: float) -> DataFrame:
    rows = [(day, "n_orders", position, value * position, "run") for position in (1, 2)]
    return spark.createDataFrame(rows, RFM_CUT_POINTS.schema)


def _lake(spark: SparkSession, root: Path, **others: object) -> Lake:
    return Lake(spark, StorageSection(root=str(root / "lake"), **others), "run")  # type: ignore[arg-type]


def test_the_latest_view_of_a_score_table_holds_the_newest_date_alone(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = _lake(spark, tmp_path, catalog="latest_test")
    lake.replace_dates(RFM_CUT_POINTS, _cuts(spark, NEW, 2.0), [NEW])
    lake.replace_dates(RFM_CUT_POINTS, _cuts(spark, OLD, 1.0), [OLD])
    try:
        whole = spark.table("latest_test_scores.rfm_cut_points")
        assert {row["as_of_date"] for row in whole.collect()} == {OLD, NEW}
        latest = spark.table("latest_test_scores.rfm_cut_points_latest").collect()
        assert sorted((row["as_of_date"], row["value"]) for row in latest) == [
            (NEW, 2.0),
            (NEW, 4.0),
        ]
    finally:
        spark.sql("DROP SCHEMA latest_test_scores CASCADE")


def test_a_write_of_several_dates_tells_the_checksum_of_each(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake, without_rows = _lake(spark, tmp_path), date(2024, 1, 15)
    lake.append(RFM_CUT_POINTS, _cuts(spark, NEW, 9.0))
    rows = _cuts(spark, OLD, 1.0).unionByName(_cuts(spark, NEW, 2.0))
    days = [NEW, OLD, without_rows]
    written = lake.replace_dates(RFM_CUT_POINTS, rows, days)
    assert written.by_date == lake.checksums_by_date(RFM_CUT_POINTS, days)
    assert len(set(written.by_date.values())) == 3
    assert written.content_checksum == content_checksum(rows, RFM_CUT_POINTS)
    of_one = lake.replace_dates(RFM_CUT_POINTS, _cuts(spark, NEW, 3.0), [NEW])
    assert of_one.by_date == lake.checksums_by_date(RFM_CUT_POINTS, [NEW])


def test_the_version_is_that_of_the_newest_write_whatever_maintenance_followed(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = _lake(spark, tmp_path, keep_versions_days=9)
    for value in (1.0, 2.0, 3.0):
        written = lake.append(RFM_CUT_POINTS, _cuts(spark, OLD, value).coalesce(1))
    done = lake.maintain(RFM_CUT_POINTS)
    assert (done.files_before, done.files_after) == (3, 1)
    newest = DeltaTable.forPath(spark, lake.path(RFM_CUT_POINTS)).history(1).collect()[0]
    assert newest["version"] > written.version
    assert lake.version(RFM_CUT_POINTS) == written.version
    assert lake.read(RFM_CUT_POINTS).count() == 6
    lake.delete_dates(RFM_CUT_POINTS, [OLD])
    assert lake.version(RFM_CUT_POINTS) > newest["version"]
    assert lake.dates(RFM_CUT_POINTS) == []


MOMENT = datetime(2024, 1, 8, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize("moment", [MOMENT, MOMENT.astimezone(None).replace(tzinfo=None)])
def test_rows_of_the_driver_are_read_back_as_they_were(
    spark: SparkSession, tmp_path: Path, moment: datetime
) -> None:
    lake = _lake(spark, tmp_path)
    counts = {"name": "core.transactions", "cleaned": [{"effect": "trimmed", "n_rows": 3}]}
    row = {"run_id": "r", "job": "j", "status": "failed", "started_at": moment, "seconds": 1}
    written = lake.append_rows(JOB_RUNS, [{**row, "tables": [counts]}, row])
    assert (written.rows, written.version) == (2, 1)
    (full,) = lake.read(JOB_RUNS).where("tables IS NOT NULL").toArrow().to_pylist()
    assert full["started_at"] == MOMENT
    assert (full["seconds"], full["error"], full["as_of_date"]) == (1.0, None, None)
    (table,) = full["tables"]
    assert table["name"] == "core.transactions" and table["rows_read"] is None
    assert table["cleaned"] == [{"effect": "trimmed", "n_rows": 3}]
    with pytest.raises(ContractError, match=r"ops\.job_runs has no column second\b"):
        lake.append_rows(JOB_RUNS, [{**row, "second": 1}])
    assert lake.read(JOB_RUNS).count() == 2


def test_no_file_of_a_local_lake_has_a_checksum_beside_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = _lake(spark, tmp_path)
    lake.overwrite(RFM_CUT_POINTS, _cuts(spark, OLD, 7.0))
    folder = Path(lake.path(RFM_CUT_POINTS))
    names = [file.name for file in folder.rglob("*") if file.is_file()]
    assert any(name.endswith(".parquet") for name in names)
    assert [name for name in names if name.startswith(".")] == []


def test_measures_of_an_overwrite_are_those_of_its_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = _lake(spark, tmp_path)
    lake.overwrite(RFM_CUT_POINTS, _cuts(spark, OLD, 7.0))
    measures = [F.max("value").alias("highest"), F.min("value").alias("lowest")]
    written = lake.overwrite(RFM_CUT_POINTS, _cuts(spark, NEW, 2.0), measures=measures)
    assert written.measured == {"highest": 4.0, "lowest": 2.0}
    assert written.content_checksum == content_checksum(lake.read(RFM_CUT_POINTS), RFM_CUT_POINTS)


def test_a_changed_retention_reaches_tables_that_are_there(
    spark: SparkSession, tmp_path: Path
) -> None:
    _lake(spark, tmp_path, keep_versions_days=9).append(RFM_CUT_POINTS, _cuts(spark, OLD, 1.0))
    later = _lake(spark, tmp_path, keep_versions_days=60)
    later.maintain(RFM_CUT_POINTS)
    detail = DeltaTable.forPath(spark, later.path(RFM_CUT_POINTS)).detail().collect()[0]
    assert detail["properties"]["delta.deletedFileRetentionDuration"] == "interval 60 days"
    assert detail["properties"]["delta.logRetentionDuration"] == "interval 60 days"


def test_the_log_tells_of_no_customer(spark: SparkSession, tmp_path: Path) -> None:
    lake = _lake(spark, tmp_path)
    table = rejected(TRANSACTIONS)
    text = '{"customer": "person-4711"}'
    rows = [(text, ["no date"], None, "file.csv", "run-1")]
    by_name = {"row": 0, "reasons": 1, "replay_run_id": 2, "source_file": 3, "run_id": 4}
    ordered = [tuple(row[by_name[name]] for name in table.schema.names) for row in rows]
    lake.append(table, spark.createDataFrame(ordered, table.schema))
    log = Path(lake.path(table)) / "_delta_log"
    log_text = "".join(file.read_text(encoding="utf-8") for file in log.glob("*.json"))
    assert "person-4711" not in log_text
    assert '\\"minValues\\":{\\"run_id\\":\\"run-1\\"}' in log_text


def test_commits_are_listed_as_far_as_the_log_reaches(spark: SparkSession, tmp_path: Path) -> None:
    lake = _lake(spark, tmp_path)
    for value in (1.0, 2.0, 3.0):
        lake.replace_dates(RFM_CUT_POINTS, _cuts(spark, NEW, value), [NEW])
    commits = lake.commits_since(RFM_CUT_POINTS, 1)
    assert commits is not None
    assert [(commit.version, commit.run_id) for commit in commits] == [(3, "run"), (2, "run")]
    assert lake.commits_since(RFM_CUT_POINTS, 3) == []
    path = lake.path(RFM_CUT_POINTS)
    jvm: Any = spark._jvm
    delta = jvm.org.apache.spark.sql.delta.DeltaLog
    delta.forTable(spark._jsparkSession, path).checkpoint()  # as Delta does before it cleans up
    log = Path(path) / "_delta_log"
    for version in (0, 1, 2):
        (log / f"{version:020d}.json").unlink()
    assert lake.commits_since(RFM_CUT_POINTS, 1) is None


def test_commits_of_other_programs_are_listed_as_such(spark: SparkSession, tmp_path: Path) -> None:
    lake = _lake(spark, tmp_path)
    lake.overwrite(RFM_CUT_POINTS, _cuts(spark, NEW, 1.0))
    (ours,) = lake.commits_since(RFM_CUT_POINTS, 0) or []
    assert (ours.run_id, ours.operation) == ("run", "WRITE")
    log = Path(lake.path(RFM_CUT_POINTS)) / "_delta_log"
    transaction = '{"txn":{"appId":"other","version":1}}\n'
    written = transaction + '{"commitInfo":{"operation":"UPDATE","userMetadata":"not ours"}}\n'
    maintained = transaction + '{"commitInfo":{"operation":"OPTIMIZE"}}\n'
    for version, text in enumerate((written, transaction, maintained), start=2):
        (log / f"{version:020d}.json").write_text(text, encoding="utf-8")
    commits = lake.commits_since(RFM_CUT_POINTS, 1) or []
    assert [(commit.version, commit.operation, commit.run_id) for commit in commits] == [
        (3, "", None),
        (2, "UPDATE", None),
    ]
    assert lake.version(RFM_CUT_POINTS) == 3


def test_a_table_whose_making_was_cut_off_is_made_by_the_next_write(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = _lake(spark, tmp_path)
    log = Path(lake.path(RFM_CUT_POINTS)) / "_delta_log"
    log.mkdir(parents=True)
    (log / ".00000000000000000000.json.17da09a6.tmp").write_text('{"commitInfo":', encoding="utf-8")
    assert not lake.exists(RFM_CUT_POINTS)
    assert lake.append(RFM_CUT_POINTS, _cuts(spark, NEW, 2.0)).rows == 2
    assert lake.exists(RFM_CUT_POINTS)
    assert lake.dates(RFM_CUT_POINTS) == [NEW]


def test_a_value_outside_its_range_is_refused_and_nothing_is_written(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = _lake(spark, tmp_path)
    good = [(NEW, "n_orders", 4, None, "run")]
    lake.append(RFM_CUT_POINTS, spark.createDataFrame(good, RFM_CUT_POINTS.schema))
    bad = spark.createDataFrame([(NEW, "n_orders", 5, 1.0, "run")], RFM_CUT_POINTS.schema)
    for write in (lake.append, lambda table, rows: lake.merge(table, rows, rows.limit(0))):
        with pytest.raises(Exception, match="position_range"):
            write(RFM_CUT_POINTS, bad)
    stored = lake.read(RFM_CUT_POINTS).collect()
    assert [row["position"] for row in stored] == [4]


def test_a_merge_writes_the_rows_that_differ_and_no_other(
    spark: SparkSession, tmp_path: Path
) -> None:
    def departments(run: str, spent: dict[str, float]) -> DataFrame:
        rows = [
            {
                "customer_id": "c",
                "as_of_date": NEW,
                "department": name,
                "n_orders": 1,
                "spend_amount": amount,
                "input_fingerprint": "f",
                "run_id": run,
            }
            for name, amount in spent.items()
        ]
        return spark.createDataFrame(rows, CUSTOMER_DEPARTMENTS.schema)

    lake = _lake(spark, tmp_path)
    columns = CUSTOMER_DEPARTMENTS.content_columns
    first = departments("first", {"a": 1.0, "b": 2.0, "d": 4.0})
    lake.append(CUSTOMER_DEPARTMENTS, first)
    second = departments("second", {"a": 1.0, "b": 2.5, "c": 3.0})
    gone = first.where("department = 'd'")
    written = lake.merge(CUSTOMER_DEPARTMENTS, second, gone, unless_same=columns)
    assert written.rows == 2
    stored = lake.read(CUSTOMER_DEPARTMENTS).orderBy("department").collect()
    values = [(row["department"], row["spend_amount"], row["run_id"]) for row in stored]
    assert values == [("a", 1.0, "first"), ("b", 2.5, "second"), ("c", 3.0, "second")]
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")}
    again = lake.merge(CUSTOMER_DEPARTMENTS, second, gone.limit(0), unless_same=columns)
    assert again.rows == 0
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")} == files


def test_an_unknown_value_is_within_every_range(spark: SparkSession, tmp_path: Path) -> None:
    churn = {"customer_id": "c1", "as_of_date": NEW}
    rows = spark.createDataFrame([churn], CUSTOMER_CHURN.schema)
    assert set(CUSTOMER_CHURN.constraints) == {"churn_probability_range", "churn_decile_range"}
    assert _lake(spark, tmp_path).append(CUSTOMER_CHURN, rows).rows == 1


def test_no_personal_column_of_any_table_has_statistics() -> None:
    personal = {"customer_id", "order_id", "row", "text", "age_group", "income_group"}
    assert {name for table in ALL_TABLES for name in table.statistics_columns}.isdisjoint(personal)
    assert all(table.statistics_columns for table in ALL_TABLES)


def test_a_table_without_rows_is_made_and_written_in_one_commit(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = rejected(TRANSACTIONS)
    lake = _lake(spark, tmp_path)
    written = lake.overwrite_with_none(table)
    assert lake.exists(table)
    assert lake.versions(table) == [written.version] == [0]
    assert lake.read(table).count() == written.rows == 0
    assert written.content_checksum == content_checksum(lake.read(table), table)
    described = {field.name: field.metadata["comment"] for field in lake.read(table).schema}
    assert described == {column.name: column.comment for column in table.columns}
    # Another run reads it as any other table, and replaces what it holds by nothing, too.
    again = Lake(spark, StorageSection(root=lake.root), "again")
    row = spark.createDataFrame([("{}", ["why"], "a.csv", None, "again")], table.schema)
    again.overwrite(table, row)
    assert again.overwrite_with_none(table).version == 2
    assert again.read(table).count() == 0


def test_a_table_that_another_run_has_made_meanwhile_is_not_replaced(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = rejected(TRANSACTIONS)
    first = _lake(spark, tmp_path)
    assert not first.exists(table)
    other = Lake(spark, StorageSection(root=first.root), "other")
    other.overwrite(table, spark.createDataFrame([("{}", ["why"], "a", None, "o")], table.schema))
    with pytest.raises(BusyError):
        first.overwrite_with_none(table)
    assert other.read(table).count() == 1
