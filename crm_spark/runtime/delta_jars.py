"""Delta Lake's jars: the package that Spark fetches, and where it lies once that is done."""

from __future__ import annotations

import zipfile
from pathlib import Path

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
# Of some thirty jars that come with the package, Spark has most itself, in newer versions, and the
# others serve catalogues of tables that are no folders.
_GROUP, _SPARK, _VERSION = DELTA_PACKAGE.split(":")
_NEEDED = [f"{_GROUP}_{artifact}-{_VERSION}.jar" for artifact in (_SPARK, "delta-storage")]
# Where Spark 4.2 keeps what it fetched, unless spark.jars.ivy names another folder.
_DEFAULT_FOLDER = "~/.ivy2.5.2"


def fetched_jars(folder: str | None = None) -> list[str]:
    """Give the jars that a driver needs, from the `folder` of spark.jars.ivy.

    An empty list where one of them is not there, or not whole: Spark has to fetch the package.
    """
    jars = [Path(folder or _DEFAULT_FOLDER).expanduser() / "jars" / name for name in _NEEDED]
    # A jar is read from its end: what a killed copy left has none.
    return [str(jar) for jar in jars] if all(map(zipfile.is_zipfile, jars)) else []
