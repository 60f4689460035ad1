"""What a write counts where Spark repeated a task of it, and rows were observed twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.features.rfm_tables import RFM_CUT_POINTS
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.delta import Lake, Written
from crm_spark.lake.storage import StorageSection
from crm_spark.runtime.observed import ObservedCounts

OLD, NEW = date(2024, 1, 1), date(2024, 1, 8)
Write = Callable[[Lake, DataFrame], Written]
WRITES: dict[str, Write] = {
    "append": lambda lake, rows: lake.append(RFM_CUT_POINTS, rows),
    "overwrite": lambda lake, rows: lake.overwrite(RFM_CUT_POINTS, rows),
    "replace dates": lambda lake, rows: lake.replace_dates(RFM_CUT_POINTS, rows, [NEW]),
    "merge": lambda lake, rows: lake.merge(
        RFM_CUT_POINTS, rows, rows.limit(0), unless_same=RFM_CUT_POINTS.content_columns
    ),
}


def _cuts(spark: SparkSession, day: date, values: list[float]) -> DataFrame:
    rows = [(day, "n_orders", n, value, "run") for n, value in enumerate(values, start=1)]
    return spark.createDataFrame(rows, RFM_CUT_POINTS.schema)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_rows_and_checksum_are_those_of_the_write_alone(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    lake = Lake(spark, StorageSection(root=str(tmp_path / "lake")), "run")
    lake.append(RFM_CUT_POINTS, _cuts(spark, OLD, [1.0, 2.0, 3.0]))
    lake.append(RFM_CUT_POINTS, _cuts(spark, NEW, [1.0, 2.0]))
    observed = ObservedCounts.observed

    def observed_twice(counts: ObservedCounts) -> dict[str, Any]:
        once = observed(counts)
        return {name: value * 2 for name, value in once.items()} | {"hash_xor": 0}

    monkeypatch.setattr(ObservedCounts, "observed", observed_twice)
    monkeypatch.setattr(ObservedCounts, "may_count_twice", lambda _: True)
    rows = _cuts(spark, NEW, [1.0, 5.0, 6.0, 7.0])
    written = write(lake, rows)
    assert written.rows == (3 if write is WRITES["merge"] else 4)
    assert written.content_checksum == content_checksum(rows, RFM_CUT_POINTS)


def test_checksums_of_dates_that_may_be_of_repeated_rows_are_not_told(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(spark, StorageSection(root=str(tmp_path / "lake")), "run")
    observed = ObservedCounts.observed
    twice = lambda counts: {name: value * 2 for name, value in observed(counts).items()}  # noqa: E731
    monkeypatch.setattr(ObservedCounts, "observed", twice)
    monkeypatch.setattr(ObservedCounts, "may_count_twice", lambda _: True)
    rows = _cuts(spark, NEW, [1.0, 2.0]).unionByName(_cuts(spark, OLD, [3.0]))
    written = lake.replace_dates(RFM_CUT_POINTS, rows, [OLD, NEW])
    assert (written.rows, written.by_date) == (3, {})
