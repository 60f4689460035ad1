"""Two runs on one table at once, where no file lock keeps them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from lake.cut_points import cut_point
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from crm_spark.errors import BusyError
from crm_spark.features.rfm_tables import RFM_CUT_POINTS
from crm_spark.lake.contract import Column
from crm_spark.lake.delta import Lake
from crm_spark.lake.storage import StorageSection
from crm_spark.tables.ops import REJECTIONS

OLD, NEW = date(2024, 1, 1), date(2024, 1, 8)
Write = Callable[[Lake, DataFrame], object]


def _lake(spark: SparkSession, root: Path, run_id: str) -> Lake:
    return Lake(spark, StorageSection(root=str(root / "lake")), run_id)


def _values(lake: Lake) -> list[tuple[date, int, float]]:
    rows = lake.read(RFM_CUT_POINTS).collect()
    return sorted((row["as_of_date"], row["position"], row["value"]) for row in rows)


WRITES: dict[str, Write] = {
    "append": lambda lake, rows: lake.append(RFM_CUT_POINTS, rows),
    "overwrite": lambda lake, rows: lake.overwrite(RFM_CUT_POINTS, rows),
    "replace dates": lambda lake, rows: lake.replace_dates(RFM_CUT_POINTS, rows, [NEW]),
    "merge": lambda lake, rows: lake.merge(RFM_CUT_POINTS, rows, rows.limit(0)),
    "delete dates": lambda lake, _: lake.delete_dates(RFM_CUT_POINTS, [OLD, NEW]),
}
each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


@each_write
def test_the_run_that_looked_before_anothers_write_changes_nothing(
    spark: SparkSession, tmp_path: Path, write: Write
) -> None:
    _lake(spark, tmp_path, "before").append(RFM_CUT_POINTS, cut_point(spark, OLD, 1.0))
    winner, loser = (_lake(spark, tmp_path, run_id) for run_id in ("winner", "loser"))
    assert _values(loser) == _values(winner) == [(OLD, 1, 1.0)]
    write(winner, cut_point(spark, NEW, 2.0))
    standing, version = _values(winner), winner.version(RFM_CUT_POINTS)
    with pytest.raises(BusyError, match=r"another run wrote scores.rfm_cut_points"):
        write(loser, cut_point(spark, NEW, 3.0))
    assert _values(winner) == standing
    assert winner.version(RFM_CUT_POINTS) == version
    # The winner goes on, and so does a run that begins now.
    winner.append(RFM_CUT_POINTS, cut_point(spark, NEW, 4.0, position=2))
    _lake(spark, tmp_path, "next").append(RFM_CUT_POINTS, cut_point(spark, NEW, 5.0, position=3))
    assert _values(winner) == sorted([*standing, (NEW, 2, 4.0), (NEW, 3, 5.0)])


def _write_in_between(loser: object, step: str, others_write: Callable[[], object]) -> None:
    """Let another run write when the loser has done a step of its own write."""
    own: Any = getattr(loser, step)

    def interrupted(*arguments: Any) -> Any:
        result = own(*arguments)
        others_write()
        return result

    setattr(loser, step, interrupted)


@each_write
def test_a_write_between_the_look_and_the_commit_is_not_written_over(
    spark: SparkSession, tmp_path: Path, write: Write
) -> None:
    winner, loser = (_lake(spark, tmp_path, run_id) for run_id in ("winner", "loser"))
    winner.append(RFM_CUT_POINTS, cut_point(spark, OLD, 1.0))
    _write_in_between(loser._guard, "base", lambda: write(winner, cut_point(spark, NEW, 2.0)))
    with pytest.raises(BusyError, match=r"another run wrote scores.rfm_cut_points"):
        write(loser, cut_point(spark, NEW, 3.0))
    expected = {
        WRITES["delete dates"]: [],
        WRITES["overwrite"]: [(NEW, 1, 2.0)],
    }.get(write, [(OLD, 1, 1.0), (NEW, 1, 2.0)])
    assert _values(winner) == expected


def test_of_two_first_writes_one_stands_alone(spark: SparkSession, tmp_path: Path) -> None:
    winner, loser = (_lake(spark, tmp_path, run_id) for run_id in ("winner", "loser"))
    assert not loser.exists(RFM_CUT_POINTS)
    _write_in_between(
        loser._guard, "base", lambda: winner.append(RFM_CUT_POINTS, cut_point(spark, NEW, 2.0))
    )
    with pytest.raises(BusyError):
        loser.append(RFM_CUT_POINTS, cut_point(spark, NEW, 3.0))
    assert _values(winner) == [(NEW, 1, 2.0)]


def test_a_first_write_that_fails_leaves_the_rows_of_a_run_that_wrote_meanwhile(
    spark: SparkSession, tmp_path: Path
) -> None:
    winner, loser = (_lake(spark, tmp_path, run_id) for run_id in ("winner", "loser"))
    _write_in_between(
        loser, "_create", lambda: winner.append(RFM_CUT_POINTS, cut_point(spark, NEW, 2.0))
    )
    beyond = cut_point(spark, NEW, 1.0, position=5)
    with pytest.raises(Exception):  # noqa: B017 - whichever fault is seen first
        loser.append(RFM_CUT_POINTS, beyond)
    assert _values(_lake(spark, tmp_path, "next")) == [(NEW, 1, 2.0)]


def test_a_table_whose_first_write_failed_does_not_exist_and_is_written_by_the_next(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = _lake(spark, tmp_path, "failed")
    with pytest.raises(Exception, match="position_range"):
        lake.append(RFM_CUT_POINTS, cut_point(spark, NEW, 1.0, position=5))
    for run in (lake, _lake(spark, tmp_path, "next")):
        assert not run.exists(RFM_CUT_POINTS)
    _lake(spark, tmp_path, "next").append(RFM_CUT_POINTS, cut_point(spark, NEW, 1.0))
    assert _values(_lake(spark, tmp_path, "reader")) == [(NEW, 1, 1.0)]
    with pytest.raises(BusyError):
        lake.append(RFM_CUT_POINTS, cut_point(spark, NEW, 2.0))


def test_upkeep_stops_no_run(spark: SparkSession, tmp_path: Path) -> None:
    first, other = (_lake(spark, tmp_path, run_id) for run_id in ("first", "other"))
    for position in (1, 2):
        first.append(RFM_CUT_POINTS, cut_point(spark, OLD, 1.0, position))
    assert len(_values(other)) == 2
    later = StorageSection(root=str(tmp_path / "lake"), keep_versions_days=60)
    assert Lake(spark, later, "upkeep").maintain(RFM_CUT_POINTS).files_after == 1
    other.replace_dates(RFM_CUT_POINTS, cut_point(spark, NEW, 3.0), [NEW])
    with pytest.raises(BusyError):
        first.append(RFM_CUT_POINTS, cut_point(spark, NEW, 4.0, position=3))
    assert _values(other) == [(OLD, 1, 1.0), (OLD, 2, 1.0), (NEW, 1, 3.0)]


def test_a_write_without_rows_is_a_commit_of_its_run(spark: SparkSession, tmp_path: Path) -> None:
    lake = _lake(spark, tmp_path, "empty")
    written = lake.replace_dates(RFM_CUT_POINTS, cut_point(spark, NEW, 1.0).limit(0), [NEW])
    assert written.rows == 0
    (commit,) = lake.commits_since(RFM_CUT_POINTS, 0) or []
    assert (commit.version, commit.run_id, commit.dates) == (written.version, "empty", (NEW,))


def test_runs_add_to_the_logs_of_ops_beside_one_another(
    spark: SparkSession, tmp_path: Path
) -> None:
    first, other = (_lake(spark, tmp_path, run_id) for run_id in ("first", "other"))
    empty = spark.createDataFrame([], REJECTIONS.schema)
    for lake in (first, other):
        assert not lake.exists(REJECTIONS)
    row = {field.name: None for field in REJECTIONS.schema.fields if field.nullable}
    needed = [field for field in REJECTIONS.schema.fields if not field.nullable]
    example = {"string": "x", "bigint": 1, "date": NEW}
    row |= {field.name: example[field.dataType.simpleString()] for field in needed}
    for lake in (first, other, first):
        lake.append(REJECTIONS, spark.createDataFrame([row], REJECTIONS.schema))
    assert first.append(REJECTIONS, empty).rows == 0
    assert first.read(REJECTIONS).count() == 3


def test_commits_name_the_dates_that_they_are_for(spark: SparkSession, tmp_path: Path) -> None:
    lake = _lake(spark, tmp_path, "run")
    rows = cut_point(spark, OLD, 1.0)
    lake.append(RFM_CUT_POINTS, rows)
    lake.replace_dates(RFM_CUT_POINTS, rows, [NEW, OLD])
    lake.merge(RFM_CUT_POINTS, cut_point(spark, OLD, 2.0), rows.limit(0), dates=[OLD])
    lake.delete_dates(RFM_CUT_POINTS, [OLD])
    commits = lake.commits_since(RFM_CUT_POINTS, 0)
    assert commits is not None
    assert [(commit.run_id, commit.dates) for commit in reversed(commits)] == [
        ("run", ()),
        ("run", (OLD, NEW)),
        ("run", (OLD,)),
        ("run", (OLD,)),
    ]


def test_a_merge_takes_columns_that_the_contract_has_gained(
    spark: SparkSession, tmp_path: Path
) -> None:
    note = Column("note", T.StringType(), "What was noted of the cut.")
    weight = Column("weight", T.DoubleType(), "How much it counts.")
    wider = replace(RFM_CUT_POINTS, columns=(*RFM_CUT_POINTS.columns, note, weight))
    lake = _lake(spark, tmp_path, "run")
    kept = [cut_point(spark, OLD, 1.0, position) for position in (1, 2, 3)]
    for rows in kept:
        lake.append(RFM_CUT_POINTS, rows)
    new = [
        (OLD, "n_orders", 1, 1.0, "run", "seen", None),
        (OLD, "n_orders", 2, 1.0, "run", None, None),
        (NEW, "n_orders", 1, 2.0, "run", None, 0.5),
    ]
    later = _lake(spark, tmp_path, "later")
    read = later.read(wider)
    assert read.schema["weight"].dataType == T.DoubleType()
    assert read.where("note IS NULL AND weight IS NULL").count() == 3
    written = later.merge(
        wider,
        spark.createDataFrame(new, wider.schema).select("*"),
        kept[2],
        unless_same=wider.content_columns,
    )
    assert written.rows == 2  # the second is as it was
    rows = later.read(wider).orderBy("as_of_date", "position").collect()
    assert [(row["as_of_date"], row["position"], row["note"], row["weight"]) for row in rows] == [
        (OLD, 1, "seen", None),
        (OLD, 2, None, None),
        (NEW, 1, None, 0.5),
    ]
    fields = later.read(wider).schema
    assert [field.name for field in fields] == [column.name for column in wider.columns]
    assert fields["note"].metadata["comment"] == note.comment
    assert fields["weight"].metadata["comment"] == weight.comment
