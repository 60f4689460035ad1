"""Classes of the JVM that are asked for once."""

from __future__ import annotations

from typing import Any

import pytest
from py4j.java_gateway import JavaClass, JVMView
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.runtime.gateway import remember_classes


def test_columns_ask_the_jvm_for_no_class_twice(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_classes(spark)
    F.abs(F.col("a")) + F.lit(1)  # whatever is looked up for the first time
    asked: list[str] = []
    for kind in (JVMView, JavaClass):
        look_up = kind.__getattr__

        def note(self: Any, name: str, look_up: Any = look_up) -> Any:
            asked.append(name)
            return look_up(self, name)

        monkeypatch.setattr(kind, "__getattr__", note)
    made = F.abs(F.col("a")) + F.lit(1)
    assert asked == []
    assert spark.sql("select -2 as a").select(made.alias("b")).collect()[0]["b"] == 3


def test_a_session_without_a_jvm_is_left_as_it_is() -> None:
    class Remote:
        """A session as Spark Connect has it."""

    remember_classes(Remote())  # type: ignore[arg-type]
    assert not vars(Remote())
