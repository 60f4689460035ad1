"""The summary of what could not be used, by table, day and reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.lake.run import Finished, LakeRun
from crm_spark.lake.state import Output, Target
from crm_spark.tables.core import SOURCE_TABLES, rejected
from crm_spark.tables.ops import REJECTIONS

GENERATION = 1


def write_rejections(run: LakeRun) -> None:
    """Write ops.rejections anew where it is not of the rejected rows as they are, if any ever was.

    Of these also the runs count, which their checksums leave out: versions are compared.
    """
    outputs = [Output(rejected(table).name) for table in SOURCE_TABLES.values()]
    reads = tuple(output for output in outputs if run.state.is_whole(output))
    target = Target(Output(REJECTIONS.name), reads=reads, generation=GENERATION)
    row = run.state.newest(target.output)
    is_due = row is None or not run.state.is_whole(target.output)
    if row is not None and not is_due and row.inputs == run.state.input_versions(target):
        return
    if row is None and not _n_rejected(run, reads):
        return
    summed = rejections(_rejected_rows(run), _days_of_runs(run))
    written = run.note(REJECTIONS, run.lake.overwrite(REJECTIONS, run.stamp(summed)))
    run.finish(Finished(target, written.version, written.content_checksum))


def rejections(rows: DataFrame, days: DataFrame) -> DataFrame:
    """Count rejected rows: table_name, rejected_on, reason, n_rows, n_taken_back.

    Reads rejected rows with their table_name, and `days`, when each run was: run_id, rejected_on.
    """
    reasons = rows.select(
        "table_name",
        "run_id",
        F.col("replay_run_id").isNull().alias("_is_open"),
        F.explode("reasons").alias("reason"),
    )
    return (
        reasons.join(F.broadcast(days), "run_id", "left")
        .withColumn("reason", without_figures(F.col("reason")))
        .groupBy("table_name", "rejected_on", "reason")
        .agg(
            F.count(F.lit(1)).alias("n_rows"),
            F.count_if(~F.col("_is_open")).alias("n_taken_back"),
        )
    )


def without_figures(reason: Column) -> Column:
    """Give a reason without the values that it quotes: of these there are few."""
    return F.regexp_replace(reason, r"\d[\d.,:-]*", "#")


def _n_rejected(run: LakeRun, outputs: Sequence[Output]) -> int:
    rows = [run.state.newest(output) for output in outputs]
    return sum(row.n_rows for row in rows if row)


def _rejected_rows(run: LakeRun) -> DataFrame:
    parts = []
    for table in SOURCE_TABLES.values():
        kept = rejected(table)
        if run.state.is_whole(Output(kept.name)):
            parts.append(run.lake.read(kept).withColumn("table_name", F.lit(table.name)))
    return reduce(DataFrame.unionByName, parts)


def _days_of_runs(run: LakeRun) -> DataFrame:
    """Give the local day on which each run finished a load."""
    finished: dict[str, datetime | None] = {}
    for table in SOURCE_TABLES.values():
        for row in run.state.rows(Output(table.name)):
            finished.setdefault(row.run_id, row.finished_at)
    runs = run.spark.createDataFrame(list(finished.items()), "run_id string, finished_at timestamp")
    return runs.select("run_id", F.to_date("finished_at").alias("rejected_on"))
