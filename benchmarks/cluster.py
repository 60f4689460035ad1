"""A Spark cluster on this machine: driver and executors are processes of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyspark

from benchmarks.data import Sample, config_with
from benchmarks.measure import Run, run_job

EXECUTOR_MEGABYTES = 3072
_JAVA = "-XX:+UseSerialGC -XX:-DontCompileHugeMethods"
# A heap that is given back shows what the driver holds, instead of what it was once given.
_SMALL_HEAP = "-XX:MinHeapFreeRatio=10 -XX:MaxHeapFreeRatio=20"


def properties(n_executors: int, cores: int) -> dict[str, str]:
    """Give the Spark properties of a cluster of so many executors, each with so many cores."""
    return {
        "spark.master": f"local-cluster[{n_executors},{cores},{EXECUTOR_MEGABYTES}]",
        "spark.executor.memory": f"{EXECUTOR_MEGABYTES}m",
        # Begins with all executors there.
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        # An executor of one core is to keep one thread of the machine busy, with its compiler and
        # its collector.
        "spark.executor.extraJavaOptions": f"{_JAVA} -XX:ActiveProcessorCount={cores}",
        "spark.driver.extraJavaOptions": f"{_JAVA} {_SMALL_HEAP}",
        "spark.driver.memory": "2g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # As for sessions on one machine.
        "spark.sql.shuffle.partitions": "8",
        "spark.buffer.pageSize": "2m",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.python.sql.dataFrameDebugging.enabled": "false",
    }


def config_on_cluster(source: Sample, target: Path, *, n_executors: int, cores: int) -> str:
    """Write the configuration of a sample, on a cluster; give its path."""
    return config_with(source, target, spark=properties(n_executors, cores))


def run_on_cluster(*arguments: str) -> Run:
    """Run a job, and take away the copies of jars that its executors leave in Spark's folder."""
    left = Path(pyspark.__file__).parent / "work"
    before = set(left.iterdir()) if left.exists() else set()
    try:
        return run_job(*arguments)
    finally:
        for folder in set(left.iterdir()) - before if left.exists() else ():
            shutil.rmtree(folder, ignore_errors=True)
