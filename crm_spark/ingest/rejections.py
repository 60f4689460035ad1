"""The summary of what could not be used, by table, day and reason."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.pipeline.lifecycle import Run
from crm_spark.tables.core import SOURCE_TABLES, rejected
from crm_spark.tables.ops import JOB_RUNS, REJECTIONS


def write_rejections(job: Run) -> None:
    """Write ops.rejections anew from all rows that are kept as rejected, if any ever was."""
    n_rejected = sum(counts.rows_rejected for counts in job.summary.tables.values())
    if not n_rejected and not job.lake.exists(REJECTIONS):
        return
    parts = []
    for table in SOURCE_TABLES.values():
        kept = rejected(table)
        if job.lake.exists(kept):
            parts.append(job.lake.read(kept).withColumn("table_name", F.lit(table.name)))
    if not parts:
        return
    rows = reduce(DataFrame.unionByName, parts).select(
        "table_name",
        "run_id",
        F.col("replay_run_id").isNull().alias("_is_open"),
        F.explode("reasons").alias("reason"),
    )
    summed = (
        rows.join(F.broadcast(_days_of_runs(job)), "run_id", "left")
        # Reasons quote the values that they object to: without figures there are few of them.
        .withColumn("reason", F.regexp_replace("reason", r"\d[\d.,:-]*", "#"))
        .groupBy("table_name", "rejected_on", "reason")
        .agg(
            F.count(F.lit(1)).alias("n_rows"),
            F.count_if(~F.col("_is_open")).alias("n_taken_back"),
        )
    )
    job.note(REJECTIONS, job.lake.overwrite(REJECTIONS, job.stamp(summed)))


def _days_of_runs(job: Run) -> DataFrame:
    """Give the local day on which each run began, this one included."""
    this = [(job.summary.run_id, job.summary.started_at)]
    runs = job.spark.createDataFrame(this, "run_id string, started_at timestamp")
    if job.lake.exists(JOB_RUNS):
        runs = runs.unionByName(job.lake.read(JOB_RUNS).select("run_id", "started_at"))
    return runs.select("run_id", F.to_date("started_at").alias("rejected_on"))
