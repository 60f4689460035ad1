"""Running commands as users do, and reading what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from crm_spark.lake.contract import Table, content_checksum

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

# Each leaves a row in ops.job_runs.
JOBS_OF_THE_DEMO = {
    "ingest_sources",
    "build_features",
    "score_rfm",
    "train_churn",
    "score_churn",
    "train_segments",
    "score_segments",
    "train_recommender",
    "recommend_products",
    "train_value",
    "score_value",
    "train_demand",
    "forecast_demand",
    "train_propensity",
    "score_propensity",
    "train_next_purchase",
    "score_next_purchase",
    "raise_alerts",
    "write_report",
    "run_pipeline",
}


@dataclass(frozen=True)
class Ended:
    """A finished command: its exit code, the summary on its last line, and what it said."""

    code: int
    summary: dict[str, Any]
    log: str

    def job(self, name: str) -> dict[str, Any]:
        """Give the summary of one job of a pipeline."""
        return next(job for job in self.summary["jobs"] if job["job"] == name)

    def checksums(self) -> dict[str, str]:
        """Give the content checksum of every table that the pipeline wrote."""
        return {
            name: counts["content_checksum"]
            for job in self.summary["jobs"]
            for name, counts in job["tables"].items()
        }


def found_by(program: str, folder: Path, *, timeout: int) -> Any:
    """Run a program of this folder in a process of its own, and give the JSON that it prints."""
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(program)), str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(REPOSITORY)},
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return json.loads(ended.stdout.splitlines()[-1])


def command(*arguments: str, timeout: int = 2400) -> Ended:
    """Run `python -m crm_spark ...` as a user would."""
    return ended([sys.executable, "-m", "crm_spark", *arguments], timeout=timeout)


def ended(line: list[str], *, timeout: int = 2400, **environment: str) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        line,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
    )
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "{}"
    return Ended(done.returncode, json.loads(last), done.stderr)


@dataclass(frozen=True)
class Lake:
    """A lake that a run left, and that run."""

    root: Path
    tracking: str
    run: Ended

    def read(self, spark: SparkSession, table: Table) -> DataFrame:
        """Give the rows of a table."""
        return spark.read.format("delta").load(str(self.root / table.name.replace(".", "/")))

    def checksum(self, spark: SparkSession, table: Table) -> str:
        """Give the content checksum of a table."""
        return content_checksum(self.read(spark, table), table)


def demo_overrides(folder: Path, data: Path, *others: str) -> list[str]:
    """Give the settings of the demo with its lake and tracking store in `folder`, and others."""
    overrides = {
        "storage.root": folder / "lake",
        "tracking.uri": f"sqlite:///{folder / 'mlflow.db'}",
        "sources.transactions.path": data / "transactions.parquet",
        "sources.products.path": data / "products.parquet",
        "sources.customers.path": data / "demographics.parquet",
        "sources.campaign_contacts.path": data / "campaign_contacts.parquet",
        "report.path": folder / "report.html",
    }
    return [*[f"{key}={value}" for key, value in overrides.items()], *others]


def demo_arguments(folder: Path, data: Path, *others: str) -> list[str]:
    """Give the arguments of the demo with such settings."""
    settings = demo_overrides(folder, data, *others)
    flags = [flag for setting in settings for flag in ("--set", setting)]
    return ["--config", "conf/demo.yml", "--as-of", "2017-12-01", *flags]
