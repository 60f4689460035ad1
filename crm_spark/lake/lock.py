"""One run at a time on a lake that is a local path."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse

from crm_spark.errors import BusyError, EnvironmentFault

_locked_roots: set[str] = set()


@contextmanager
def lake_lock(root: str, *, job: str) -> Iterator[None]:
    """Let one process at a time work on a lake that is a local path.

    The kernel frees the lock when the process dies. Elsewhere Delta's own conflict detection
    decides. A run that already holds the lock may enter again. Raises BusyError.
    """
    local = local_path(root)
    if local is None or str(local) in _locked_roots:
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
        handle.truncate(0)
        handle.write(f"{job} (process {os.getpid()})")
        handle.flush()
        _locked_roots.add(str(local))
        try:
            yield
        finally:
            _locked_roots.discard(str(local))


def local_path(root: str) -> Path | None:
    """Give the path of a lake on this machine's own filesystem, else None."""
    parsed = urlparse(root)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return None if "://" in root or parsed.scheme in ("s3a", "dbfs") else Path(root).resolve()
