"""Tell of long stages while they run: the lines of each case, as JSON.

Started by test_running_stages as a program of its own. Rows of running tasks come with an
executor's heartbeats, here each second. Spark's heartbeat thread ends for good once it meets a
task's counts just while they grow (SPARK-39696): rare, but the session of all tests beats for half
an hour, and a long life needs only one such moment.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.runtime.progress import stage
from crm_spark.runtime.session import open_session

N_ROWS = 800
PROPERTIES = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.executor.heartbeatInterval": "1s",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


class Messages(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def slowly(rows: DataFrame, milliseconds: int) -> DataFrame:
    """Give the same rows, each after a while."""
    sleep = F.reflect(F.lit("java.lang.Thread"), F.lit("sleep"), F.lit(milliseconds).cast("bigint"))
    return rows.withColumn("slept", sleep)


def lines_of(spark: SparkSession, rows: DataFrame) -> list[str]:
    """Give the lines that are told while rows are worked out."""
    messages, log = Messages(), logging.getLogger("crm_spark")
    log.addHandler(messages)
    with stage(spark, "x", seconds_between_lines=0.3):
        spark.range(3).repartition(2).count()  # an execution before, as Delta has them
        rows.write.format("noop").mode("overwrite").save()
    log.removeHandler(messages)
    return messages.texts[1:-1]


def main(folder: Path) -> dict[str, list[str]]:
    """Give the lines of each case."""
    logging.getLogger("crm_spark").setLevel(logging.INFO)
    found = {}
    with open_session("stages", time_zone="UTC", properties=PROPERTIES) as spark:
        shuffled = spark.range(0, N_ROWS, 1, 2).repartition(2, "id")
        for adaptive in ("false", "true"):
            spark.conf.set("spark.sql.adaptive.enabled", adaptive)
            found[f"shuffled, adaptive {adaptive}"] = lines_of(spark, slowly(shuffled, 10))
        path = str(folder / "rows")
        spark.range(0, N_ROWS, 1, 2).write.csv(path)
        found["of files"] = lines_of(spark, slowly(spark.read.csv(path), 10))
        cached = spark.range(0, N_ROWS, 1, 2).cache()
        cached.count()
        found["cached"] = lines_of(spark, slowly(cached, 5))
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
