"""The only place that builds or finds a Spark session, and that looks at the cost of its work."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from pydantic import ConfigDict, RootModel
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from crm_spark.errors import ConfigError, EnvironmentFault
from crm_spark.runtime.delta_jars import DELTA_PACKAGE, fetched_jars
from crm_spark.runtime.gateway import remember_classes
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import Cost
from crm_spark.runtime.stages import StageWatch

DELTA_SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
OLDEST_JAVA = 17

# Settings of results and of plain sense, the same under every launcher. They can be set while a
# session runs, so a hosted one takes them too.
RUNTIME_SETTINGS = {
    # A broken CSV line is only recognised when all of its columns are parsed.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    # Parquet stamps in nanoseconds, as pandas writes them, are read as BIGINT and can be mapped.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    # Any encoding that Java knows, as windows-1252, not just the few that every Java has to.
    "spark.sql.legacy.javaCharsets": "true",
    # Java's own letter cases: those of ICU take a second to set up in every process.
    "spark.sql.icu.caseMappings.enabled": "false",
    # What stands in the name of a folder, as in store=007, is text.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # The snapshot has about a hundred aggregates; beyond 100 columns Spark would interpret them.
    "spark.sql.codegen.maxFields": "500",
    # Of rows that lie in order a list is collected as they come, not in two hash tables.
    "spark.sql.execution.replaceHashWithSortAgg": "true",
}
LOCAL_SETTINGS = {
    # Errors of expressions are ours to explain; the call-site capture only costs.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.databricks.delta.snapshotPartitions": "2",
    # Beside each commit Delta would list the files of the table once more: it reads that list for
    # nothing but to check it, and runs a job to begin it with each new table.
    "spark.databricks.delta.allFilesInCrc.enabled": "false",
    "spark.sql.shuffle.partitions": "8",
    # Each sort and hash table holds a page at least. By default a page is 1/16 of a task's memory,
    # and a stage of the snapshot with 16 of them would find none left, however much there is.
    "spark.buffer.pageSize": "2m",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    # The code that Spark makes of a mapping or of the snapshot is one long method, which Java would
    # leave to its interpreter.
    "spark.driver.defaultJavaOptions": "-XX:-DontCompileHugeMethods",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}


# Hadoop's settings of YARN, MapReduce, remote calls and fail-over. Those of storage stay.
_OF_CLUSTERS = ("yarn.", "mapreduce.job", "mapreduce.map", "mapreduce.reduce", "ipc.", "ha.")

# Compiling code, and planning anew between stages, take longer than so few rows do.
FEW_ROWS = 20_000
_FOR_FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "8",
}


class SparkSection(RootModel[dict[str, str | int | float | bool]]):
    """Spark properties for a session that we start; under spark-submit they go before the job."""

    model_config = ConfigDict(frozen=True)
    root: dict[str, str | int | float | bool] = {}

    def as_properties(self) -> dict[str, str]:
        """Give the properties as Spark writes them."""
        return {
            key: str(value).lower() if isinstance(value, bool) else str(value)
            for key, value in self.root.items()
        }


def is_submitted() -> bool:
    """Tell whether spark-submit started this process."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


@contextmanager
def open_session(
    name: str, *, time_zone: str = "UTC", properties: dict[str, str] | None = None
) -> Iterator[SparkSession]:
    """Give a Spark session: the hosted one, spark-submit's, or one of our own.

    A session that was there before is never stopped. Raises EnvironmentFault where Java is missing
    or too old, Delta is not on the classpath, or Spark cannot start.
    """
    hosted = SparkSession.getActiveSession()
    if hosted is None and not is_submitted():
        check_java()
    try:
        spark = hosted or _start(name, properties or {})
    except (PySparkException, Exception) as error:  # py4j wraps whatever the JVM throws
        if isinstance(error, EnvironmentFault):
            raise
        raise EnvironmentFault(f"Spark cannot start: {_reason(error)}") from error
    try:
        _require_delta(spark)
        if hosted is None and str(spark.sparkContext.master).startswith("local"):
            _write_no_checksum_files(spark)
            _forget_settings_of_clusters(spark)
        remember_classes(spark)
        for key, value in {**RUNTIME_SETTINGS, "spark.sql.session.timeZone": time_zone}.items():
            spark.conf.set(key, value)
        yield spark
    finally:
        if hosted is None:
            spark.stop()


@contextmanager
def quick_for_few_rows(spark: SparkSession, n_rows: int | None) -> Iterator[None]:
    """Let Spark interpret its plans while it works on few rows; results are the same.

    More than FEW_ROWS, or None where their number is not known, leave the session as it is.
    """
    if n_rows is None or n_rows > FEW_ROWS:
        yield
        return
    with session_settings(spark, _FOR_FEW_ROWS):
        yield


@contextmanager
def session_settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Give a session other settings, all of which have a value, for a while; put them back."""
    before = {key: str(spark.conf.get(key)) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, former in before.items():
            spark.conf.set(key, former)


def _start(name: str, properties: dict[str, str]) -> SparkSession:
    builder = SparkSession.builder.appName(f"crm_spark {name}")
    if is_submitted():
        if properties:
            log.info("spark: section is not used under spark-submit: give --conf or a file there")
        for key, value in DELTA_SETTINGS.items():
            builder = builder.config(key, value)
        return _quiet(builder.getOrCreate())
    # Workers of a virtual environment that was not activated would run the system's Python.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = properties.get("spark.master") or os.environ.get("SPARK_MASTER") or "local[*]"
    if master.startswith("local"):
        # Spark looks the machine's own name up before it reads any setting, and may not find it.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {**_self_started_settings(master), **properties, "spark.master": master}
    settings |= _jar_settings(master, properties)
    for key, value in settings.items():
        builder = builder.config(key, value)
    with _spark_log_apart():
        spark = _quiet(builder.getOrCreate())
    if not master.startswith("local"):
        spark.sparkContext.addPyFile(_zip_of_this_package())
    return spark


def _jar_settings(master: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Give the settings by which a session has Delta: as files that are here, or as a package.

    A package is asked for anew at each start, and all of its jars are given to the session's own
    executor one by one: five of the fifteen seconds that a start may take. Executors elsewhere need
    that, and so do further packages.
    """
    packages = properties.get("spark.jars.packages", "")
    if "delta-spark" in packages or "spark.jars" in properties:
        return {}
    is_one_process = re.fullmatch(r"local(\[.*\])?", master) is not None
    jars = fetched_jars(properties.get("spark.jars.ivy")) if is_one_process else []
    if packages or not jars:
        return {"spark.jars.packages": ",".join(filter(None, [packages, DELTA_PACKAGE]))}
    others = properties.get("spark.driver.extraClassPath")
    return {"spark.driver.extraClassPath": os.pathsep.join(filter(None, [others, *jars]))}


def _self_started_settings(master: str) -> dict[str, str]:
    if not master.startswith("local"):
        return dict(DELTA_SETTINGS)
    # A laptop's driver is also its executor: half of the memory, since Python workers need some.
    gigabytes = max(1, min(8, psutil.virtual_memory().total // 2**31))
    return {**DELTA_SETTINGS, **LOCAL_SETTINGS, "spark.driver.memory": f"{gigabytes}g"}


@contextmanager
def _spark_log_apart() -> Iterator[None]:
    """Send what the JVM we start writes to standard error into a file of its own.

    A child keeps the standard error it was started with, so only the start needs the detour. A
    failed start shows the file's end.
    """
    if log.isEnabledFor(logging.DEBUG):
        yield
        return
    path = Path(tempfile.gettempdir()) / f"crm_spark_{os.getpid()}_spark.log"
    log.info("starting Spark, its own log is %s", path)
    stderr = os.dup(2)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    except BaseException:
        os.write(stderr, path.read_bytes()[-4000:])
        raise
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _write_no_checksum_files(spark: SparkSession) -> None:
    """Let no file on a local disk have a checksum beside it.

    Hadoop starts a process for each permission and for each look at a link, 26 of them for one row
    appended to a Delta table; half of them are for these checksums.
    """
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    conf.set("fs.AbstractFileSystem.file.impl", "org.apache.hadoop.fs.local.RawLocalFs")
    jvm: Any = spark._jvm
    jvm.org.apache.hadoop.fs.FileSystem.getLocal(conf).setWriteChecksum(False)


def _forget_settings_of_clusters(spark: SparkSession) -> None:
    """Take out of Hadoop's 1,100 settings those of services that a local session never starts.

    Spark sends them all with each scan, write and look into a Delta log: 10 ms each time.
    """
    jvm: Any = spark._jvm
    # Classes that bring settings of their own make Hadoop read all of them again: they come first.
    jvm.java.lang.Class.forName("org.apache.hadoop.mapred.JobConf")
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    written = jvm.java.io.StringWriter()
    jvm.org.apache.hadoop.conf.Configuration.dumpConfiguration(conf, written)
    for setting in json.loads(written.toString())["properties"]:
        if setting["key"].startswith(_OF_CLUSTERS):
            conf.unset(setting["key"])


def _quiet(spark: SparkSession) -> SparkSession:
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _zip_of_this_package() -> str:
    """Zip crm_spark for the executors of a remote master."""
    package = Path(__file__).parents[1]
    target = Path(tempfile.mkdtemp(prefix="crm_spark_")) / "crm_spark.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(package.parent))
    return str(target)


# At the start of its line: other lines echo options, which may hold anything.
_JAVA_VERSION = re.compile(r'^\w+ version "(\d+)(?:\.(\d+))?', re.MULTILINE)
# Every java reads options from these, and ends where it does not know one.
_JAVA_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")


def check_java() -> None:
    """Raise EnvironmentFault unless a Java of the right age would be started."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    wanted = f"Spark 4.2 needs Java {OLDEST_JAVA} or 21: install it, or point JAVA_HOME to it"
    if not java or not Path(java).exists():
        where = f"JAVA_HOME={home} holds no bin/java" if home else "no java on the PATH"
        raise EnvironmentFault(f"Java is missing ({where}). {wanted}")
    try:
        shown = subprocess.run(
            [java, "-version"],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFault(f"{java} does not run: {error}. {wanted}") from error
    said = f"{shown.stderr}\n{shown.stdout}"
    if shown.returncode:
        raise EnvironmentFault(
            f"{java} -version fails with exit code {shown.returncode} and says{_last_lines(said)}\n"
            f"{_options_hint() or wanted}"
        )
    match = _JAVA_VERSION.search(said)
    if not match:
        raise EnvironmentFault(f"{java} -version says no version, but{_last_lines(said)}\n{wanted}")
    major = int(match[2] or 0) if match[1] == "1" else int(match[1])
    if major < OLDEST_JAVA:
        raise EnvironmentFault(f"{java} is Java {major}. {wanted}")


def _last_lines(said: str, *, n: int = 6) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return "".join(f"\n  {line}" for line in lines[-n:]) or " nothing"


def _options_hint() -> str:
    given = [name for name in _JAVA_OPTIONS if os.environ.get(name)]
    return f"Java takes options from {' and '.join(given)}: correct them there" if given else ""


def _require_delta(spark: SparkSession) -> None:
    jvm: Any = spark._jvm
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        loader.loadClass("org.apache.spark.sql.delta.DeltaLog")
    except Exception as error:
        raise EnvironmentFault(
            "Delta Lake is not on the classpath: add\n"
            f"  --packages {DELTA_PACKAGE}\n"
            "to spark-submit, before the script's name"
        ) from error


def require_shared_tracking(spark: SparkSession, tracking_uri: str) -> None:
    """Refuse a file of this machine as the tracking store where the driver runs elsewhere."""
    mode = spark.sparkContext.getConf().get("spark.submit.deployMode", "client")
    if mode == "cluster" and tracking_uri.startswith("sqlite"):
        raise ConfigError(
            f"tracking.uri is {tracking_uri}: in cluster deploy mode the driver runs on another "
            "machine, which would keep the models; give the URI of a tracking server"
        )


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    errors = [line for line in lines if "Exception" in line or "Error" in line]
    return (errors or lines or [type(error).__name__])[0][:300]


class CostMeter:
    """Measures what the Spark work of one run costs, from the driver's own status store."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._watch = StageWatch(spark)

    def read(self) -> Cost:
        """Give the cost since this meter was made; nulls where Spark does not tell."""
        is_local = str(self._spark.sparkContext.master).startswith("local")
        memory = process_tree_memory() if is_local else None
        try:
            stages = self._watch.stages()
            return Cost(
                peak_memory_bytes=memory,
                shuffle_bytes=sum(info.shuffleWriteBytes() for info in stages),
                spill_bytes=sum(info.diskBytesSpilled() for info in stages),
                core_seconds=round(sum(info.executorRunTime() for info in stages) / 1000, 3),
            )
        except Exception as error:  # noqa: BLE001 - a hosted runtime may hide the store
            log.debug("the cost of the run cannot be read: %s", error)
            return Cost(peak_memory_bytes=memory)


def process_tree_memory() -> int | None:
    """Add up the peak resident memory of this process and its living descendants (Linux only)."""
    total = 0
    try:
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        for process in processes:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            peak = re.search(r"VmHWM:\s+(\d+) kB", status)
            total += int(peak[1]) * 1024 if peak else 0
    except (OSError, psutil.Error):
        return None
    return total or None
