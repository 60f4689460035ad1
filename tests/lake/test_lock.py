"""One run at a time on a lake of this machine: also after a kill, and beside other threads."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from lake.cut_points import cut_point
from pyspark.sql import DataFrame, SparkSession

from crm_spark.errors import BusyError
from crm_spark.features.rfm_tables import RFM_CUT_POINTS
from crm_spark.lake import lock
from crm_spark.lake.delta import Lake
from crm_spark.lake.lock import is_alone_on, lake_lock
from crm_spark.lake.storage import StorageSection

HOLD_THE_LOCK = """
import java.io.RandomAccessFile;
public class Hold {
    public static void main(String[] names) throws Exception {
        var lock = new RandomAccessFile(names[0], "rw").getChannel().lock();
        System.out.println("held");
        System.in.read();
    }
}
"""


def _lake(spark: SparkSession, root: Path, run_id: str = "run") -> Lake:
    return Lake(spark, StorageSection(root=str(root)), run_id)


def _no_cuts(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], RFM_CUT_POINTS.schema)


def _transactions(root: Path) -> list[str]:
    """Give the applications that number the table's commits."""
    folder = root / RFM_CUT_POINTS.name.replace(".", "/") / "_delta_log"
    lines = [
        json.loads(line)
        for file in sorted(folder.glob("*.json"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return [line["txn"]["appId"] for line in lines if "txn" in line]


def test_a_run_is_alone_while_it_has_the_lock_and_may_enter_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    root = str(tmp_path)
    assert not is_alone_on(root)
    with lake_lock(spark, root, job="run_pipeline"):
        assert is_alone_on(root)
        with lake_lock(spark, root, job="train_churn"):
            assert is_alone_on(root)
        assert is_alone_on(root)
        assert not is_alone_on(str(tmp_path / "other"))
    assert not is_alone_on(root)


def test_another_thread_of_the_process_is_another_run(spark: SparkSession, tmp_path: Path) -> None:
    found: list[object] = []

    def enter() -> None:
        found.append(is_alone_on(str(tmp_path)))
        try:
            with lake_lock(spark, str(tmp_path), job="train_churn"):
                found.append("entered")
        except BusyError as error:
            found.append(str(error))

    with lake_lock(spark, str(tmp_path), job="run_pipeline"):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    holder = f"run_pipeline (process {os.getpid()})"
    assert found == [False, f"{holder} is working on {tmp_path}: try again when it has ended"]


@contextmanager
def _another_java(file: Path, source: Path) -> Iterator[subprocess.Popen[str]]:
    source.write_text(HOLD_THE_LOCK, encoding="utf-8")
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if "JAVA_HOME" in os.environ else "java"
    command = [str(java), str(source), str(file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        try:
            yield holder
        finally:
            holder.kill()


def test_the_java_of_a_killed_run_keeps_others_out_until_it_has_ended(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "SECONDS_TO_END", 0.1)
    root = tmp_path / "lake"
    root.mkdir()
    with (
        _another_java(root / ".lock_of_java", tmp_path / "Hold.java"),
        pytest.raises(BusyError, match=r"cut off is still ending on .*lake: try again"),
        lake_lock(spark, str(root), job="run_pipeline"),
    ):
        pass
    with lake_lock(spark, str(root), job="run_pipeline"):
        assert is_alone_on(str(root))


def test_a_run_waits_for_what_is_left_of_a_killed_one(spark: SparkSession, tmp_path: Path) -> None:
    root = tmp_path / "lake"
    root.mkdir()
    with _another_java(root / ".lock_of_java", tmp_path / "Hold.java") as holder:
        threading.Timer(1.0, holder.kill).start()
        with lake_lock(spark, str(root), job="run_pipeline"):
            assert holder.poll() is not None
            assert is_alone_on(str(root))


def test_where_locks_may_not_keep_others_out_commits_are_numbered(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lake_lock(spark, str(tmp_path / "own"), job="score_rfm"):
        _lake(spark, tmp_path / "own").append(
            RFM_CUT_POINTS, cut_point(spark, date(2024, 1, 31), 2.0)
        )
    monkeypatch.setattr(lock, "_file_system", lambda _: "nfs4")
    with lake_lock(spark, str(tmp_path / "shared"), job="score_rfm"):
        assert not is_alone_on(str(tmp_path / "shared"))
        _lake(spark, tmp_path / "shared").append(
            RFM_CUT_POINTS, cut_point(spark, date(2024, 1, 31), 2.0)
        )
    numbered = [_transactions(tmp_path / name) for name in ("own", "shared")]
    assert numbered == [[], ["crm_spark.scores.rfm_cut_points"]]


def test_a_write_of_no_rows_over_none_is_a_commit_of_its_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    with lake_lock(spark, str(tmp_path), job="score_rfm"):
        lake = _lake(spark, tmp_path)
        first = lake.append(RFM_CUT_POINTS, _no_cuts(spark))
        again = lake.overwrite(RFM_CUT_POINTS, _no_cuts(spark))
    assert (first.rows, first.version, again.rows, again.version) == (0, 1, 0, 2)
    assert first.content_checksum == again.content_checksum
