"""What expressions raise when they run: the hint says what to write instead."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from crm_spark.ingest.mapping.trial import run_faults
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import SourceSection


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("to_number(x, '999.99')", "write try_to_number"),
        ("to_timestamp(x, 'EEE dd.MM.yyyy')", "no date is read by E"),
        ("to_timestamp(x, 'e dd.MM.yyyy')", "no date is read by e"),
        ("to_timestamp(x, 'MM/dd/YYYY')", "Y is the year of weeks: write yyyy"),
        ("to_timestamp(x, concat('w ', 'yyyy'))", "of its letters E, u, w"),
    ],
)
def test_what_an_expression_raises_is_a_fault_that_says_what_to_write(
    expression: str, hint: str, spark: SparkSession
) -> None:
    section = SourceSection(path="files", format="csv", columns={"amount": expression})
    rows = spark.createDataFrame([("$30.00",)], "x string")
    (fault,) = run_faults(Source("transactions", section, "UTC"), rows)
    assert fault.startswith(f"columns.amount: {expression!r}: ")
    assert hint in fault
    assert "for x = '$30.00'" in fault
