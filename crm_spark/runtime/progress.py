"""What a person sees while a job runs: log lines on standard error, stages and their progress."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger("crm_spark")

# Values read through ${env:NAME}. They may hide anywhere: in a path, a URL, a library's error.
_secrets: set[str] = set()

SECONDS_BETWEEN_LOG_LINES = 15.0


def remember_secret(value: str) -> None:
    """Have `value` shown as *** in every log line, error and summary from now on."""
    if value:
        # As it is, and as it is written inside quotes.
        _secrets.update({value, repr(value)[1:-1], json.dumps(value)[1:-1]})


def redact(text: str) -> str:
    """Give `text` with every known secret replaced by ***."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logging(*, verbose: bool) -> None:
    """Send the log to standard error; called once, by main."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_RedactingFormatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    for chatty in ("py4j", "mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    # These repeat an error that is raised anyway, as one line of many kilobytes.
    for echo in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(echo).setLevel(logging.CRITICAL + 1)


@contextmanager
def stage(spark: SparkSession, name: str) -> Iterator[None]:
    """Log the start, the end and the seconds of an action, with its Spark tasks in between.

    The name is also the Spark job description, so that the Spark UI speaks of the same stage.
    """
    context = spark.sparkContext
    context.setJobDescription(name)
    finished = threading.Event()
    watcher = threading.Thread(target=_watch, args=(context, name, finished), daemon=True)
    started = time.monotonic()
    log.info("%s ...", name)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join(timeout=2)
        context.setJobDescription("")
    log.info("%s: %.1f s", name, time.monotonic() - started)


def _watch(context: object, name: str, finished: threading.Event) -> None:
    """Show how many Spark tasks are done: live on a terminal, else a line now and then."""
    on_terminal = sys.stderr.isatty()
    started = time.monotonic()
    while not finished.wait(0.5 if on_terminal else SECONDS_BETWEEN_LOG_LINES):
        try:
            tracker = context.statusTracker()  # type: ignore[attr-defined]
            active = tracker.getActiveStageIds()
            stages = [tracker.getStageInfo(stage_id) for stage_id in active]
        except Exception:  # noqa: BLE001 - progress is a courtesy: no failure of it may stop a job
            return
        done = sum(info.numCompletedTasks for info in stages if info)
        total = sum(info.numTasks for info in stages if info)
        tasks = f", {done} of {total} tasks of the active stages" if total else ""
        text = f"{name}: {time.monotonic() - started:.0f} s{tasks}"
        if on_terminal:
            sys.stderr.write(f"\r\x1b[2K{text[:98]}")
            sys.stderr.flush()
        else:
            log.info("%s", text)
    if on_terminal:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
