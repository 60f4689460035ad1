"""What is said where the executors' Python lacks a module."""

from __future__ import annotations

import pytest
from pyspark.errors import AnalysisException, PythonException

from crm_spark.runtime.executors import missing_on_executors

TRACE = """
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "scoring.py", line 7, in predict
{reason}
"""


@pytest.mark.parametrize(
    ("reason", "module"),
    [
        ("ModuleNotFoundError: No module named 'scipy'", "scipy"),
        ("ModuleNotFoundError: No module named 'crm_spark.models'", "crm_spark.models"),
        (
            "pyspark.errors.exceptions.base.PySparkImportError: [PACKAGE_NOT_INSTALLED] PyArrow >= "
            "18.0.0 must be installed; however, it was not found.",
            "PyArrow",
        ),
    ],
)
def test_the_module_is_named_with_what_to_do(reason: str, module: str) -> None:
    fault = missing_on_executors(PythonException(TRACE.format(reason=reason)))
    assert fault is not None
    assert f"has no module {module}:" in str(fault)
    assert "scripts/build_env" in str(fault)
    assert fault.exit_code == 5


@pytest.mark.parametrize(
    "error",
    [
        PythonException(TRACE.format(reason="ValueError: no module at all")),
        AnalysisException("cannot resolve"),
        # Of the driver, where the traceback says all.
        ModuleNotFoundError("No module named 'scipy'"),
    ],
)
def test_other_errors_stay_as_they_are(error: BaseException) -> None:
    assert missing_on_executors(error) is None
