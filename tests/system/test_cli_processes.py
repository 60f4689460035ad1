"""The command line as a process of its own: faults of the environment end before Spark starts."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest
from command_line import (
    REPOSITORY,
    SUMMARY_KEYS,
    Ended,
    assert_failed,
    assert_no_table_was_made,
    write_config,
)

from crm_spark.runtime.delta_jars import DELTA_PACKAGE


def run_apart(*arguments: str, timeout: float = 120, **environment: str) -> Ended:
    """Run the package as a process of its own, as a scheduler would."""
    done = subprocess.run(
        [sys.executable, "-m", "crm_spark", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def fake_java(folder: Path, *, version: str) -> tuple[str, Path]:
    """Give a JAVA_HOME whose java only tells `version`, and the file it leaves when started."""
    home, started = folder / "jdk", folder / "java_was_started"
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = "-version" ]; then echo \'openjdk version "{version}" 2018-10-16\' >&2\n'
        f"else touch '{started}'; exit 1; fi\n"
    )
    java.chmod(0o755)
    return str(home), started


def test_a_missing_java_ends_with_5_and_what_to_install(tmp_path: Path) -> None:
    home = tmp_path / "no_jdk"
    home.mkdir()
    path = write_config(tmp_path)
    ended = run_apart("check_config", "--config", path, JAVA_HOME=str(home))
    assert_failed(ended, code=5, job="check_config", folder=tmp_path, says="Java is missing")
    assert str(home) in ended.last_words
    assert re.search(r"needs Java 17 or 21.*install", ended.last_words)


@pytest.mark.parametrize(("version", "major"), [("11.0.2", 11), ("1.8.0_392", 8)])
def test_a_java_that_is_too_old_ends_with_5_and_what_to_install(
    version: str, major: int, tmp_path: Path
) -> None:
    home, started = fake_java(tmp_path, version=version)
    path = write_config(tmp_path)
    ended = run_apart("ingest_sources", "--config", path, JAVA_HOME=home)
    assert_failed(ended, code=5, job="ingest_sources", folder=tmp_path, says=f"is Java {major}.")
    assert re.search(r"needs Java 17 or 21.*install", ended.last_words)
    assert not started.exists()


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """Give the port of a server that accepts, and answers so or never."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)

        def serve() -> None:
            held = []
            while not stop.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                held.append(connection)
                if answer is not None:
                    connection.sendall(answer)
                    connection.close()
            for connection in held:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            stop.set()
            thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def run_with_tracking(folder: Path, uri: str) -> Ended:
    """Run a job with a tracking server at `uri`; assert that Spark was not started."""
    home, started = fake_java(folder, version="17.0.1")
    path = write_config(folder, tracking={"uri": uri})
    ended = run_apart("train_churn", "--config", path, timeout=60, JAVA_HOME=home)
    assert not started.exists()
    return ended


def test_a_tracking_server_that_is_down_ends_with_5_at_once(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{closed_port()}"
    ended = run_with_tracking(tmp_path, uri)
    assert_failed(ended, code=5, job="train_churn", folder=tmp_path, says=f"{uri} does not answer")
    assert "tracking.uri" in ended.last_words
    assert ended.summary["seconds"] < 3


def test_a_tracking_server_that_never_answers_ends_with_5_within_seconds(tmp_path: Path) -> None:
    with server(answer=None) as port:
        ended = run_with_tracking(tmp_path, f"http://127.0.0.1:{port}")
    assert_failed(ended, code=5, job="train_churn", folder=tmp_path, says="does not answer")
    assert 4 <= ended.summary["seconds"] <= 6.5


def test_something_else_on_the_port_of_the_tracking_server_ends_with_5(tmp_path: Path) -> None:
    with server(answer=b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        uri = f"http://127.0.0.1:{port}"
        ended = run_with_tracking(tmp_path, uri)
    assert_failed(ended, code=5, job="train_churn", folder=tmp_path, says=uri)


def test_the_password_of_a_tracking_server_is_not_shown(tmp_path: Path) -> None:
    ended = run_with_tracking(tmp_path, f"http://me:hunter22@127.0.0.1:{closed_port()}")
    assert_failed(ended, code=5, job="train_churn", folder=tmp_path, says="does not answer")
    assert "hunter22" not in ended.out + ended.err


def test_spark_submit_without_delta_ends_with_5_and_the_missing_flag(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    done = subprocess.run(
        [
            # Not the one beside python: its script breaks on a path with a space.
            str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
            *("--master", "local[1]", "--conf", "spark.ui.enabled=false"),
            *(str(REPOSITORY / "jobs" / "check_config.py"), "--config", path),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
        env={
            **{key: held for key, held in os.environ.items() if key != "SPARK_HOME"},
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": str(REPOSITORY),
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
    )
    ended = Ended(done.returncode, done.stdout, done.stderr)
    assert ended.code == 5, ended.err[-2000:]
    # spark-submit sends the script's standard error to standard output, so the order counts.
    assert list(ended.summary) == SUMMARY_KEYS
    assert (ended.summary["job"], ended.summary["status"]) == ("check_config", "failed")
    assert f"--packages {DELTA_PACKAGE}" in ended.summary["error"]
    assert "spark-submit" in ended.summary["error"]
    assert f"error: {ended.summary['error']}" in ended.out + ended.err
    assert_no_table_was_made(tmp_path)
