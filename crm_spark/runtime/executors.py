"""What the Python of the executors lacks, said in words that help."""

from __future__ import annotations

import re

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException, PySparkImportError

from crm_spark.errors import EnvironmentFault

_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
# What Spark's own code says in a worker that lacks one.
_MISSING_PACKAGE = re.compile(r"\[PACKAGE_NOT_INSTALLED\] (\w+)")


def missing_on_executors(error: BaseException) -> EnvironmentFault | None:
    """Give the fault where a worker ended as its Python lacks a module; None for other errors."""
    # The driver's own lack is no fault of theirs; what Spark cannot name comes as Java's error.
    if isinstance(error, PySparkImportError) or not isinstance(
        error, (PySparkException, Py4JJavaError)
    ):
        return None
    found = _MISSING_MODULE.search(str(error)) or _MISSING_PACKAGE.search(str(error))
    if found is None:
        return None
    return EnvironmentFault(
        f"the executors' Python has no module {found[1]}: models are scored there, and need what "
        "this project is installed with. Either install it on every node, or build "
        "dist/crm_spark_env.tar.gz with scripts/build_env and give it to spark-submit with "
        "--archives (conf/spark/small_cluster.conf says how); spark.pyspark.python is the Python "
        "that they run"
    )
