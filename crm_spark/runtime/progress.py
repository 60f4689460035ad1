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

from crm_spark.runtime.spark_progress import SparkProgress, progress_line

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger("crm_spark")

# Values read through ${env:NAME}. They may hide anywhere: in a path, a URL, a library's error.
_secrets: set[str] = set()

SECONDS_BETWEEN_LOG_LINES = 15.0
_SECONDS_ON_TERMINAL = 1.0


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
def stage(
    spark: SparkSession, name: str, *, seconds_between_lines: float = SECONDS_BETWEEN_LOG_LINES
) -> Iterator[None]:
    """Log the start, the end and the seconds of an action, and how far Spark is in between.

    The name is also the Spark job description, so that the Spark UI speaks of the same stage.
    """
    context = getattr(spark, "sparkContext", None)  # there is none under Spark Connect
    if context is not None:
        context.setJobDescription(name)
    finished = threading.Event()
    watched = (SparkProgress(spark), name, finished, seconds_between_lines)
    watcher = threading.Thread(target=_watch, args=watched, daemon=True)
    started = time.monotonic()
    log.info("%s ...", name)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join(timeout=2)
        if context is not None:
            context.setJobDescription("")
    log.info("%s: %.1f s", name, time.monotonic() - started)


def _watch(
    spark_progress: SparkProgress, name: str, finished: threading.Event, seconds_between: float
) -> None:
    """Show how far Spark is: live on a terminal, else a line now and then."""
    on_terminal = sys.stderr.isatty()
    started = time.monotonic()
    while not finished.wait(_SECONDS_ON_TERMINAL if on_terminal else seconds_between):
        progress = spark_progress.read()
        text = progress_line(name, time.monotonic() - started, progress)
        if on_terminal:
            sys.stderr.write(f"\r\x1b[2K{text[:98]}")
            sys.stderr.flush()
        else:
            log.info("%s", text)
    if on_terminal:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
