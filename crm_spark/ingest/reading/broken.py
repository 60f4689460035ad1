"""Files that cannot be read: found, named, and left out whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from urllib.parse import unquote

from crm_spark.errors import DataError
from crm_spark.runtime.progress import log

_FAILED_FILE = re.compile(
    r"\[FAILED_READ_FILE[^\]]*\] Encountered error while reading file (\S+?)\.\s"
)

# Files that are rejected whole, by their comparable names, with the reason.
BrokenFiles = dict[str, str]


def without_broken_files(
    broken: BrokenFiles, files: Collection[str], action: Callable[[], None]
) -> None:
    """Do `action`, leaving out whole, and naming, each of the files that turns out unreadable.

    Most of them were found before, when their content was hashed and their columns were read.
    """
    names = {comparable(file) for file in files}
    while True:
        try:
            action()
            return
        except Exception as error:
            failed = broken_file(error)
            if failed is None or is_broken(failed[0], broken) or comparable(failed[0]) not in names:
                raise
            reject_files(broken, {failed[0]: failed[1]})


def reject_files(broken: BrokenFiles, found: BrokenFiles) -> None:
    """Add files to those that are rejected whole, and say so of each."""
    for file, why in found.items():
        if not is_broken(file, broken):
            broken[comparable(file)] = why
            log.warning("%s is rejected whole: %s", file, why)


def broken_file(error: BaseException) -> tuple[str, str] | None:
    """Give the file that an action failed to read, and why; None where it failed otherwise."""
    text = str(error)
    match = _FAILED_FILE.search(text)
    if not match:
        return None
    causes = re.findall(r"Caused by: ([^\n]+)", text)
    return match[1], cannot_be_read(causes[-1] if causes else "")


def is_broken(uri: str, broken: BrokenFiles) -> bool:
    """Whether a file is among those that are rejected whole."""
    return comparable(uri) in broken


def comparable(file: str) -> str:
    """Spark writes one file as file:/a%20b, file:///a%20b or file:/a b; give one of them."""
    return unquote(re.sub(r"^file:/+", "/", file))


def cannot_be_read(why: str) -> str:
    """Give the reason of a file that Spark or Hadoop fails on."""
    return f"the file cannot be read: {why.strip()}" if why.strip() else "the file cannot be read"


def readable(description: str, uris: Iterable[str], broken: BrokenFiles) -> tuple[str, ...]:
    """Leave out the files that are rejected. Raises DataError where none is left."""
    left = tuple(uri for uri in uris if not is_broken(uri, broken))
    if not left:
        reasons = "; ".join(f"{file}: {why}" for file, why in broken.items())
        raise DataError(f"source {description}: {reasons or 'it holds no file'}")
    return left
