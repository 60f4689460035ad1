"""Settings of a session: for few rows set for as long as they are worked on; of clusters, gone."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from crm_spark.runtime.session import FEW_ROWS, quick_for_few_rows

COMPILES = "spark.sql.codegen.wholeStage"
PARTITIONS = "spark.sql.shuffle.partitions"


@pytest.fixture
def usual(spark: SparkSession, request: pytest.FixtureRequest) -> SparkSession:
    """Give the session with settings as a cluster has them."""
    before = {key: str(spark.conf.get(key)) for key in (COMPILES, PARTITIONS)}

    def put_back() -> None:
        for key, value in before.items():
            spark.conf.set(key, value)

    request.addfinalizer(put_back)
    spark.conf.set(COMPILES, "true")
    spark.conf.set(PARTITIONS, "200")
    return spark


def _settings(spark: SparkSession) -> tuple[str, str]:
    return str(spark.conf.get(COMPILES)), str(spark.conf.get(PARTITIONS))


def test_few_rows_are_interpreted_and_the_settings_put_back_whatever_happens(
    usual: SparkSession,
) -> None:
    with pytest.raises(ValueError, match="fails"), quick_for_few_rows(usual, FEW_ROWS):
        assert _settings(usual) == ("false", "8")
        raise ValueError("fails")
    assert _settings(usual) == ("true", "200")


@pytest.mark.parametrize("n_rows", [FEW_ROWS + 1, None])
def test_more_rows_and_an_unknown_number_leave_the_session_as_it_is(
    usual: SparkSession, n_rows: int | None
) -> None:
    with quick_for_few_rows(usual, n_rows):
        assert _settings(usual) == ("true", "200")


def test_a_local_session_forgets_the_settings_of_clusters_and_keeps_those_of_storage(
    spark: SparkSession,
) -> None:
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    assert conf.getPropsWithPrefix("yarn.").isEmpty()
    assert conf.getPropsWithPrefix("mapreduce.job").isEmpty()
    assert not conf.getPropsWithPrefix("fs.s3a.").isEmpty()
    assert conf.get("fs.AbstractFileSystem.file.impl") == "org.apache.hadoop.fs.local.RawLocalFs"
    # What Spark copies it into for each scan has no more.
    copied = spark._jsparkSession.sessionState().newHadoopConf()
    assert copied.getPropsWithPrefix("yarn.").isEmpty()
