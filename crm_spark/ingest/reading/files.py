"""Files of a source: listed once, told apart by content, and which of them cannot be read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any
from urllib.parse import unquote

from pyspark.sql import SparkSession

from crm_spark.errors import DataError, EnvironmentFault
from crm_spark.ingest.mapping.expressions import CUT_DECIMALS
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.sources import SourceSection
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.runtime.progress import log

_LISTING_OPTIONS = ("pathGlobFilter", "recursiveFileLookup", "modifiedBefore", "modifiedAfter")
_FAILED_FILE = re.compile(
    r"\[FAILED_READ_FILE[^\]]*\] Encountered error while reading file (\S+?)\.\s"
)
_CUT_DECIMALS = re.compile(re.escape(CUT_DECIMALS) + r" (.+?)(?: SQLSTATE.*)?$", re.MULTILINE)

# Files that cannot be read, by URI, with the reason.
BrokenFiles = dict[str, str]


@dataclass(frozen=True)
class SourceFile:
    """A file of a source: its URI, its length, and when it was changed (ms since 1970)."""

    uri: str
    n_bytes: int
    modified_at: int


def list_files(spark: SparkSession, section: SourceSection) -> tuple[SourceFile, ...]:
    """Give the files of a source of files, in the order of their names; no file is opened.

    Raises DataError for a path that is missing, EnvironmentFault where it cannot be reached.
    """
    _require_paths(spark, section)
    options = {key: str(section.options[key]) for key in _LISTING_OPTIONS if key in section.options}
    df = spark.read.format("binaryFile").options(**options).load(section.paths)
    # Spark's own listing of the folders knows length and change of every file already.
    relation: Any = df._jdf.queryExecution().analyzed()
    statuses = relation.relation().location().allFiles()
    files = [_source_file(statuses.apply(place)) for place in range(statuses.length())]
    return tuple(sorted(set(files), key=lambda file: file.uri))


def _source_file(status: Any) -> SourceFile:
    uri = str(status.getPath().toUri().toString())
    return SourceFile(uri, int(status.getLen()), int(status.getModificationTime()))


def comparable(file: str) -> str:
    """Spark writes one file as file:/a%20b, file:///a%20b or file:/a b; give one of them."""
    return unquote(re.sub(r"^file:/+", "/", file))


def is_below(spark: SparkSession, section: SourceSection, file: str) -> bool:
    """Whether the source's paths, which may be globs, name a file or a folder above it."""
    for path in section.paths:
        place = comparable(HadoopFile(spark, path).qualified()).rstrip("/")
        if file == place or file.startswith(f"{place}/") or fnmatch(file, f"{place}*"):
            return True
    return False


def content_of(spark: SparkSession, uri: str) -> str:
    """Give the SHA-256 of a file."""
    return HadoopFile(spark, uri, is_uri=True).sha256()


def readable_files(
    section: SourceSection, uris: Iterable[str], broken: BrokenFiles
) -> tuple[str, ...]:
    """Leave out the files that cannot be read. Raises DataError where none is left."""
    left = tuple(uri for uri in uris if not is_broken(uri, broken))
    if not left:
        reasons = "; ".join(f"{file} cannot be read: {why}" for file, why in broken.items())
        raise DataError(f"source {section.description}: {reasons or 'it holds no file'}")
    return left


def is_broken(uri: str, broken: BrokenFiles) -> bool:
    """Whether a file is among those that cannot be read."""
    return comparable(uri) in {comparable(file) for file in broken}


def without_broken_files(
    broken: BrokenFiles,
    action: Callable[[], None],
    inspect: Callable[[], BrokenFiles] = dict,
) -> None:
    """Do `action`, leaving out whole, and naming, each file that turns out to be unreadable.

    At the first of them `inspect` looks for all others, so that the action is not begun again for
    each.
    """
    is_inspected = False
    while True:
        try:
            action()
            return
        except Exception as error:
            refuse_cut_decimals(error)
            failed = broken_file(error)
            if failed is None or is_broken(failed[0], broken):
                raise
            found = {} if is_inspected else inspect()
            is_inspected = True
            if not is_broken(failed[0], found):
                found[failed[0]] = failed[1]
            for file, why in found.items():
                if not is_broken(file, broken):
                    broken[file] = why
                    log.warning("%s cannot be read and is rejected whole: %s", file, why)


def refuse_cut_decimals(error: Exception) -> None:
    """Raise DataError where a row has shown that an expression cuts decimals off."""
    if found := _CUT_DECIMALS.search(str(error)):
        raise DataError(f"the mapping does not fit the data: {found[1]}") from error


def broken_file(error: BaseException) -> tuple[str, str] | None:
    """Give the file that an action failed to read, and why; None where it failed otherwise."""
    text = str(error)
    match = _FAILED_FILE.search(text)
    if not match:
        return None
    causes = re.findall(r"Caused by: ([^\n]+)", text)
    return match[1], (causes[-1] if causes else "it cannot be read").strip()


def _require_paths(spark: SparkSession, section: SourceSection) -> None:
    for path in section.paths:
        try:
            is_found = HadoopFile(spark, path).is_found()
        except Exception as error:
            message = f"source {path} cannot be reached: {first_line(error)}"
            raise EnvironmentFault(message) from error
        if not is_found:
            is_relative = not os.path.isabs(path) and ":" not in path
            where = f" (looked in {os.getcwd()})" if is_relative else ""
            raise DataError(f"source {path} does not exist{where}")
