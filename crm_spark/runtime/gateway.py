"""What PySpark asks the JVM for again and again, asked for once.

PySpark looks the class up anew for each function of a column, `functions` without its package: for
that Java searches all jars, then the packages that were imported. Of a plan of many columns these
are a third of the calls to the JVM.
"""

from __future__ import annotations

from typing import Any

from py4j.java_gateway import JavaClass, JavaMember
from pyspark.sql import SparkSession

# As PySpark writes them.
_ASKED_FOR = (
    "org.apache.spark.sql.functions",
    "org.apache.spark.sql.classic.SparkSession",
    "functions",
    "PythonSQLUtils",
    "PythonUtils",
)


def remember_classes(spark: SparkSession) -> None:
    """Let the view of a session's JVM keep the classes that columns are made with.

    Does nothing where the session has no JVM of its own, as under Spark Connect.
    """
    view: Any = getattr(spark, "_jvm", None)
    if view is None:
        return
    for name in _ASKED_FOR:
        if name not in view.__dict__:
            found = getattr(view, name)
            view.__dict__[name] = _RememberedClass(found._fqn, found._gateway_client)


class _RememberedClass(JavaClass):
    """A class of the JVM that asks for each of its static methods once."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if isinstance(found, JavaMember):
            self.__dict__[name] = found
        return found
