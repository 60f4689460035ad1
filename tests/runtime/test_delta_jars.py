"""How a session gets Delta: from files that are here and whole, else as a package to fetch."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from crm_spark.runtime.delta_jars import DELTA_PACKAGE, fetched_jars
from crm_spark.runtime.session import _jar_settings

PACKAGES = "spark.jars.packages"
CLASS_PATH = "spark.driver.extraClassPath"


@pytest.fixture
def fetched(tmp_path: Path) -> dict[str, str]:
    """Give the property that names a folder in which both jars are."""
    (tmp_path / "jars").mkdir()
    for artifact in ("delta-spark_4.2_2.13", "delta-storage"):
        with zipfile.ZipFile(tmp_path / "jars" / f"io.delta_{artifact}-4.4.0.jar", "w") as jar:
            jar.writestr("some.class", "bytes " * 1000)
    return {"spark.jars.ivy": str(tmp_path)}


def _names(class_path: str) -> list[str]:
    return [Path(jar).name for jar in class_path.split(os.pathsep)]


JARS = ["io.delta_delta-spark_4.2_2.13-4.4.0.jar", "io.delta_delta-storage-4.4.0.jar"]


@pytest.mark.parametrize("master", ["local", "local[*]", "local[2]"])
def test_a_session_of_one_process_takes_the_jars_that_are_here(
    fetched: dict[str, str], master: str
) -> None:
    settings = _jar_settings(master, fetched)
    assert list(settings) == [CLASS_PATH]
    assert _names(settings[CLASS_PATH]) == JARS


def test_a_class_path_of_the_users_own_stays(fetched: dict[str, str]) -> None:
    settings = _jar_settings("local[2]", {**fetched, CLASS_PATH: "/opt/other.jar"})
    assert _names(settings[CLASS_PATH]) == ["other.jar", *JARS]


@pytest.mark.parametrize("master", ["spark://host:7077", "local-cluster[2,1,1024]", "yarn"])
def test_executors_elsewhere_get_the_package(fetched: dict[str, str], master: str) -> None:
    assert _jar_settings(master, fetched) == {PACKAGES: DELTA_PACKAGE}


def test_further_packages_are_fetched_together_with_delta(fetched: dict[str, str]) -> None:
    other = "org.apache.hadoop:hadoop-aws:3.5.0"
    settings = _jar_settings("local[2]", {**fetched, PACKAGES: other})
    assert settings == {PACKAGES: f"{other},{DELTA_PACKAGE}"}


@pytest.mark.parametrize("given", [{PACKAGES: DELTA_PACKAGE}, {"spark.jars": "/opt/delta.jar"}])
def test_delta_that_the_user_names_is_taken(fetched: dict[str, str], given: dict[str, str]) -> None:
    assert _jar_settings("local[2]", {**fetched, **given}) == {}


def test_a_jar_that_is_missing_or_cut_off_is_fetched(fetched: dict[str, str]) -> None:
    folder = Path(fetched["spark.jars.ivy"])
    jar = folder / "jars" / JARS[0]
    assert len(fetched_jars(str(folder))) == len(JARS)
    jar.write_bytes(jar.read_bytes()[:100])
    assert _jar_settings("local[2]", fetched) == {PACKAGES: DELTA_PACKAGE}
    jar.unlink()
    assert _jar_settings("local[2]", fetched) == {PACKAGES: DELTA_PACKAGE}
