"""The pipeline as an Airflow DAG: one task a job, so that each is retried and seen by itself.

Set the Airflow variables crm_spark_home (where jobs/, conf/ and dist/ lie), crm_spark_config (the
YAML file) and the Spark connection `spark_default`. Exit code 4 (another run is in the way) and 5
(environment) are worth another try; 2 and 3 (configuration, data) are not: spark-submit's code is
not passed on by the operator, so all are tried twice, which changes nothing in the tables.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

HOME = "{{ var.value.get('crm_spark_home', '/opt/crm_spark') }}"
CONFIG = "{{ var.value.get('crm_spark_config', '/opt/crm_spark/conf/prod.yml') }}"
DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"
# The midnight that ends the interval: what was known before it. Days are those of time_zone.
AS_OF = "{{ data_interval_end | ds }}"
# Written by scripts/build_docs from what the jobs declare: each job with those it waits for, and
# which of them run though one of these failed.
JOBS = json.loads(Path(__file__).with_name("crm_spark_jobs.json").read_text("utf-8"))

with DAG(
    dag_id="crm_spark",
    description="Churn, segments, recommendations and the report of each day",
    schedule="0 4 * * *",
    start_date=datetime(2025, 1, 1),  # noqa: DTZ001 - Airflow reads it in its own zone
    catchup=False,
    # Of two jobs on one lake the second ends with code 4: on a local path at once, elsewhere where
    # both write to a table.
    max_active_runs=1,
    max_active_tasks=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    tags=["crm_spark"],
) as dag:

    def job(name: str, *, has_date: bool = True) -> SparkSubmitOperator:
        """Give the task of one job."""
        date = ["--as-of", AS_OF] if has_date else []
        return SparkSubmitOperator(
            task_id=name,
            application=f"{HOME}/jobs/{name}.py",
            application_args=["--config", CONFIG, *date],
            packages=DELTA,
            py_files=f"{HOME}/dist/crm_spark.zip",
            properties_file=f"{HOME}/conf/spark/small_cluster.conf",
            name=f"crm_spark {name}",
        )

    tasks = {name: job(name, has_date=name != "ingest_sources") for name in JOBS["comes_after"]}
    for name, waits_for in JOBS["comes_after"].items():
        for other in waits_for:
            tasks[other] >> tasks[name]
    # Where one model cannot be had, the others still are, and the report says so.
    for name in JOBS["does_without"]:
        tasks[name].trigger_rule = "all_done"
    tasks["write_report"] >> job("maintain_tables", has_date=False)
