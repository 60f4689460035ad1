"""Write while an executor is lost, on a cluster of two: what the writes counted, as JSON.

Started by test_executor_loss as a program of its own: one process has one Spark.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyspark
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.features.rfm_tables import RFM_CUT_POINTS
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.delta import Lake, Written
from crm_spark.lake.storage import StorageSection
from crm_spark.runtime.observed import ObservedCounts
from crm_spark.runtime.session import open_session

N_ROWS, N_TASKS, DAY = 400, 4, date(2024, 1, 1)
PROPERTIES = {
    "spark.master": "local-cluster[2,1,1024]",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.ui.enabled": "false",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.task.maxFailures": "8",
    "spark.sql.shuffle.partitions": str(N_TASKS),
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    # Between what is observed and the files stands a shuffle then.
    "spark.databricks.delta.optimizeWrite.enabled": "true",
}


def losing_an_executor(df: DataFrame, folder: Path) -> DataFrame:
    """Give the same rows; the first executor that begins a second task of them is killed."""
    folder.mkdir(parents=True)

    def lose(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # This process was forked by a daemon that the executor had started.
        executor = int(Path(f"/proc/{os.getppid()}/stat").read_text().rsplit(")", 1)[1].split()[1])
        ended, lost = folder / str(executor), folder / "lost"
        if ended.exists() and not lost.exists():
            lost.touch(exist_ok=False)
            os.kill(executor, signal.SIGKILL)
        yield from batches
        ended.touch()

    return df.mapInArrow(lose, df.schema)


def cuts(spark: SparkSession, value: float) -> DataFrame:
    """Give N_ROWS rows of the table, each with a key of its own."""
    return spark.range(0, N_ROWS, 1, N_TASKS).select(
        F.lit(DAY).alias("as_of_date"),
        F.concat(F.lit("measure "), F.col("id")).alias("measure"),
        F.lit(1).alias("position"),
        (F.col("id") + value).alias("value"),
        F.lit("run").alias("run_id"),
    )


def plain_counts(spark: SparkSession, folder: Path) -> dict[str, Any]:
    """Count before a shuffle and after it while an executor is lost on that side."""
    counts: dict[str, Any] = {}
    rows = spark.range(0, N_ROWS, 1, N_TASKS)
    count = F.count(F.lit(1)).alias("n")
    before = ObservedCounts(losing_an_executor(rows, folder / "map_side"), count)
    before.rows.repartition("id").write.parquet(str(folder / "before"))
    counts["before the shuffle"] = {**before.observed(), "exact": before.exact()["n"]}
    shuffled = losing_an_executor(rows.repartition("id"), folder / "result_side")
    after = ObservedCounts(shuffled, count)
    after.rows.write.parquet(str(folder / "after"))
    counts["after the shuffle"] = {**after.observed(), "exact": after.exact()["n"]}
    undisturbed = ObservedCounts(rows, count)
    undisturbed.rows.write.parquet(str(folder / "undisturbed"))
    counts["undisturbed"] = {
        **undisturbed.observed(),
        "may_count_twice": undisturbed.may_count_twice(),
    }
    return counts


def lake_writes(spark: SparkSession, folder: Path) -> dict[str, Any]:
    """Do each kind of write while an executor is lost, beside what it has to count."""
    lake = Lake(spark, StorageSection(root=str(folder / "lake")), "run")
    table = RFM_CUT_POINTS
    writes: dict[str, Callable[[DataFrame], Written]] = {
        "overwrite": lambda rows: lake.overwrite(table, rows),
        "merge": lambda rows: lake.merge(
            table, rows, rows.limit(0), unless_same=table.content_columns
        ),
    }
    found = {}
    for position, (name, write) in enumerate(writes.items()):
        rows = cuts(spark, float(position))
        written = write(losing_an_executor(rows, folder / name))
        found[name] = {
            "rows": written.rows,
            "checksum": written.content_checksum,
            "expected": content_checksum(rows, table),
            "was lost": (folder / name / "lost").exists(),
        }
    found["table"] = {"rows": lake.read(table).count()}
    return found


def main() -> None:
    """Print what was found as the last line."""
    folder = Path(sys.argv[1])
    with open_session("executor loss", properties=PROPERTIES) as spark:
        application = spark.sparkContext.applicationId
        found = {**plain_counts(spark, folder), **lake_writes(spark, folder)}
    shutil.rmtree(Path(pyspark.__file__).parent / "work" / str(application), ignore_errors=True)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
