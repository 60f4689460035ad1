"""One run at a time on a lake that is a local path."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import psutil
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from crm_spark.errors import BusyError, EnvironmentFault
from crm_spark.runtime.progress import log

# Java notices that its Python is gone at once, and ends what it is at.
SECONDS_TO_END = 60.0

# File systems of one machine's own disks and memory. On others, such as those of networks and of
# virtual machines' hosts, a lock may not be seen by every process that writes there.
_OF_ONE_MACHINE = frozenset("apfs btrfs ext2 ext3 ext4 f2fs hfs overlay tmpfs xfs zfs".split())  # noqa: SIM905

# The roots that whoever calls has locked, and whether its Java process holds a lock of its own.
_locked: ContextVar[Mapping[str, bool]] = ContextVar("_locked", default={})  # noqa: B039


@contextmanager
def lake_lock(spark: SparkSession, root: str, *, job: str) -> Iterator[None]:
    """Let one run at a time work on a lake that is a local path.

    The kernel frees the lock when the process dies. Elsewhere Delta's own conflict detection
    decides. A run that already holds the lock may enter again. Raises BusyError.
    """
    local = local_path(root)
    if local is None or str(local) in _locked.get():
        yield
        return
    try:
        local.mkdir(parents=True, exist_ok=True)
        handle = (local / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(f"storage.root {root} cannot be written: {error}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().strip() or "another run"
            raise BusyError(
                f"{holder} is working on {root}: try again when it has ended"
            ) from error
        with _lock_of_java(spark, local) as is_alone:
            handle.truncate(0)
            handle.write(f"{job} (process {os.getpid()})")
            handle.flush()
            token = _locked.set({**_locked.get(), str(local): is_alone})
            try:
                yield
            finally:
                _locked.reset(token)


def is_alone_on(root: str) -> bool:
    """Tell whether no other run can write the lake until the caller has given up its lock."""
    local = local_path(root)
    return local is not None and _locked.get().get(str(local), False)


@contextmanager
def _lock_of_java(spark: SparkSession, local: Path) -> Iterator[bool]:
    """Let Java hold a lock as well: of a run that was killed it may still be writing.

    Gives False where locks do not keep all others out, or cannot be had. Raises BusyError.
    """
    if _file_system(local) not in _OF_ONE_MACHINE:
        yield False
        return
    jvm: Any = spark._jvm
    # A file of its own: to a network's file system both locks may be of one kind.
    file = jvm.java.io.RandomAccessFile(str(local / ".lock_of_java"), "rw")
    try:
        try:
            is_locked = _locked_in_time(file.getChannel(), local)
        except Py4JError:
            yield False
            return
        if not is_locked:
            raise BusyError(f"a run that was cut off is still ending on {local}: try again later")
        yield True
    finally:
        file.close()


def _locked_in_time(channel: Any, local: Path) -> bool:
    """Lock a file of Java's, as soon as a process that is about to end has given it up."""
    until = time.monotonic() + SECONDS_TO_END
    while channel.tryLock() is None:
        if time.monotonic() > until:
            return False
        log.info("waiting for what is left of a run on %s that was cut off", local)
        time.sleep(min(2.0, SECONDS_TO_END))
    return True


def _file_system(path: Path) -> str | None:
    """Give the kind of file system that a folder lies on; None where that is not known."""
    mounts = {mount.mountpoint: mount.fstype for mount in psutil.disk_partitions(all=True)}
    places = (str(folder) for folder in (path.resolve(), *path.resolve().parents))
    return next((mounts[place] for place in places if place in mounts), None)


def local_path(root: str) -> Path | None:
    """Give the path of a lake on this machine's own filesystem, else None."""
    parsed = urlparse(root)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return None if "://" in root or parsed.scheme in ("s3a", "dbfs") else Path(root).resolve()
