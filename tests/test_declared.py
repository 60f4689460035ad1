"""What the docs and the scheduler say of the pipeline is what the jobs declare."""

from __future__ import annotations

import json
from pathlib import Path

from crm_spark.jobs.declared import declared_jobs, pipeline_page, scheduler_jobs
from crm_spark.pipeline.graph import in_order

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_page_of_the_pipeline_is_up_to_date() -> None:
    page = (REPOSITORY / "docs" / "pipeline.md").read_text(encoding="utf-8")
    assert page == pipeline_page(), "run scripts/build_docs"


def test_the_jobs_of_the_scheduler_are_up_to_date() -> None:
    path = REPOSITORY / "conf" / "deploy" / "airflow" / "crm_spark_jobs.json"
    assert path.read_text(encoding="utf-8") == scheduler_jobs(), "run scripts/build_docs"


def test_the_pipeline_goes_from_the_sources_to_the_report_model_by_model() -> None:
    order = in_order(declared_jobs())
    assert order[:3] == ["ingest_sources", "build_features", "score_rfm"]
    assert order[-1] == "write_report"
    assert order.index("score_churn") == order.index("train_churn") + 1


def test_no_job_waits_for_one_that_another_of_them_waits_for_anyhow() -> None:
    waits = json.loads(scheduler_jobs())["comes_after"]
    assert waits["score_churn"] == ["train_churn"]
    assert waits["build_features"] == ["ingest_sources"]


def test_a_job_runs_without_those_whose_tables_it_reads_only_where_they_are_there() -> None:
    found = json.loads(scheduler_jobs())
    assert {"score_value", "write_report"} <= set(found["does_without"])
    assert not {"score_churn", "raise_alerts", "build_features"} & set(found["does_without"])
    assert "score_churn" in found["comes_after"]["score_value"]
