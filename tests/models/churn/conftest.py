"""Customers with a planted cause, which the tests of training and of reasons share."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest
from models.churn.made_customers import persisted, planted_snapshots
from pyspark.sql import DataFrame, SparkSession


@pytest.fixture(scope="package")
def planted_table() -> pd.DataFrame:
    """Give customers of whom some leave for one cause."""
    return planted_snapshots()


@pytest.fixture(scope="package")
def planted(spark: SparkSession, planted_table: pd.DataFrame) -> Iterator[DataFrame]:
    """Give the same in Spark, kept while the package's tests run."""
    with persisted(spark, planted_table) as frame:
        yield frame
