"""A test's tier is where it lies and what it asks for, and a unit test cannot start Spark."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def tier(request: pytest.FixtureRequest) -> list[str]:
    return [mark.name for mark in request.node.iter_markers()]


def test_a_test_that_asks_for_no_session_is_of_the_unit_tier(
    request: pytest.FixtureRequest,
) -> None:
    assert tier(request) == ["unit"]


def test_a_test_that_asks_for_the_session_is_of_the_spark_tier(
    request: pytest.FixtureRequest, spark: SparkSession
) -> None:
    assert tier(request) == ["spark"]
    assert spark.range(2).count() == 2


def test_a_unit_test_neither_starts_a_session_nor_uses_one_that_is_there() -> None:
    assert SparkSession.getActiveSession() is None
    with pytest.raises(AssertionError, match="a unit test starts no Spark"):
        SparkSession.builder.master("local[1]").getOrCreate()
    with pytest.raises(AssertionError):
        F.col("amount")


@pytest.mark.parametrize(
    "command", [["java", "-version"], [sys.executable, "-m", "crm_spark", "--help"]]
)
def test_a_unit_test_starts_no_java_and_no_job_as_a_process(command: list[str]) -> None:
    with pytest.raises(AssertionError, match="a unit test starts no Spark"):
        subprocess.run(command, check=False)
    assert subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0
