"""Files of a source: listed once, and those that cannot be had of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from typing import Any

from pyspark.sql import SparkSession

from crm_spark.errors import DataError, EnvironmentFault
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.broken import BrokenFiles, comparable
from crm_spark.ingest.reading.place import PlaceSection
from crm_spark.lake.hadoop import HadoopFile

_LISTING_OPTIONS = ("pathGlobFilter", "recursiveFileLookup", "modifiedBefore", "modifiedAfter")
_GLOB = re.compile(r"[*?\[{]")
# Spark takes names that begin so for notes of programs; these are such notes.
_HIDDEN = ("_", ".")
_NOTES_OF_PROGRAMS = re.compile(
    r"_SUCCESS|_temporary|_metadata|_common_metadata|_delta_log|_spark_metadata|_started_.*"
    r"|_committed_.*|\.DS_Store|\._.*|.*\.crc|.*\._COPYING_"
)


@dataclass(frozen=True)
class SourceFile:
    """A file of a source: its URI, its length, and when it was changed (ms since 1970).

    Below the folder `base`, names of folders such as store=007 are columns of its rows.
    """

    uri: str
    n_bytes: int
    modified_at: int
    base: str | None = None

    @property
    def folder_columns(self) -> tuple[str, ...]:
        """The columns that stand in the names of its folders."""
        return tuple(folder.partition("=")[0] for folder in self.folder_values)

    @property
    def folder_values(self) -> tuple[str, ...]:
        """The names of its folders that are columns, as store=007."""
        if self.base is None:
            return ()
        folders = comparable(self.uri).removeprefix(comparable(self.base)).split("/")[:-1]
        return tuple(folder for folder in folders if "=" in folder)


@dataclass(frozen=True)
class Listing:
    """What lies in the paths of a source: its files, and those that are left out for their name."""

    files: tuple[SourceFile, ...] = ()
    hidden: tuple[str, ...] = ()
    broken: BrokenFiles = field(default_factory=dict)

    @cached_property
    def bases(self) -> frozenset[str]:
        """The folders that the source's paths name."""
        return frozenset(f"{comparable(file.base)}/" for file in self.files if file.base)


def together(listings: Iterable[Listing]) -> Listing:
    """Give what lies in several places at once."""
    given = list(listings)
    files = {file.uri: file for one in given for file in one.files}
    hidden = sorted({name for one in given for name in one.hidden})
    broken = {file: why for one in given for file, why in one.broken.items()}
    return Listing(tuple(files.values()), tuple(hidden), broken)


def list_files(spark: SparkSession, section: PlaceSection) -> Listing:
    """List the files of a source of files, in the order of their names; no file is opened.

    Raises DataError for a path that is missing or cannot be, EnvironmentFault where it cannot be
    reached.
    """
    found: dict[str, SourceFile] = {}
    hidden: set[str] = set()
    for path in section.paths:
        _require_path(spark, path)
        base = _base(spark, section, path)
        for file in _files_of(spark, section, path, base):
            found.setdefault(file.uri, file)
        hidden.update(_hidden_files(spark, path))
        if not section.options.get("recursiveFileLookup"):
            hidden.update(_folders_passed_over(spark, path))
    files = tuple(sorted(found.values(), key=lambda file: file.uri))
    broken = {comparable(file.uri): _COLON for file in files if _has_impossible_name(file)}
    return Listing(files, tuple(sorted(hidden)), broken)


_COLON = "a colon cannot stand in a file's name here: rename the file"


def _has_impossible_name(file: SourceFile) -> bool:
    """Whether Hadoop can list a file on a local disk, but not open it."""
    return file.uri.startswith("file:") and ":" in file.uri.rpartition("/")[2]


def _files_of(
    spark: SparkSession, section: PlaceSection, path: str, base: str | None
) -> list[SourceFile]:
    # Spark's own listing of the folders knows length and change of every file already.
    options = {key: str(section.options[key]) for key in _LISTING_OPTIONS if key in section.options}
    reader = spark.read.format("binaryFile").options(**options)
    try:
        df = reader.load(path)
    except Exception as error:
        if "onflicting partition column names" in str(error):
            text = f"source {path}: its folders differ in their names or depth: name them as paths"
            raise DataError(text) from error
        if not _is_impossible(error):
            raise EnvironmentFault(
                f"source {path} cannot be reached: {first_line(error)}"
            ) from error
        # A glob stumbles over names that a listing of the folder gives.
        df = reader.option("__globPaths__", "false").load(_matching(spark, path))
    relation: Any = df._jdf.queryExecution().analyzed()
    statuses = relation.relation().location().allFiles()
    return [_source_file(statuses.apply(place), base) for place in range(statuses.length())]


def _source_file(status: Any, base: str | None) -> SourceFile:
    uri = str(status.getPath().toUri().toString())
    return SourceFile(uri, int(status.getLen()), int(status.getModificationTime()), base)


def _matching(spark: SparkSession, path: str) -> list[str]:
    folder, _, pattern = path.rpartition("/")
    if _GLOB.search(folder):
        raise DataError(f"source {path}: a file below {folder} has a colon in its name: rename it")
    names = [name for name in HadoopFile(spark, folder).names(pattern) if name[0] not in _HIDDEN]
    return [f"{HadoopFile(spark, folder).qualified()}/{name}" for name in names]


def _base(spark: SparkSession, section: PlaceSection, path: str) -> str | None:
    """Give the folder below which names such as store=007 are columns."""
    if section.options.get("recursiveFileLookup"):
        return None
    if given := section.options.get("basePath"):
        return HadoopFile(spark, str(given)).qualified()
    fixed = []
    for part in path.split("/"):
        if _GLOB.search(part):
            break
        fixed.append(part)
    folder = HadoopFile(spark, "/".join(fixed) or ("/" if path.startswith("/") else "."))
    return folder.qualified() if folder.is_directory() else None


def _hidden_files(spark: SparkSession, path: str) -> list[str]:
    """Give the files that a path names, but Spark passes over for their name."""
    folder, pattern = path, "*"
    if _GLOB.search(path.rpartition("/")[2]):
        folder, _, pattern = path.rpartition("/")
    if _GLOB.search(folder):
        return []
    names = HadoopFile(spark, folder or ".").names(pattern)
    hidden = [name for name in names if name.startswith(_HIDDEN) and "=" not in name]
    places = [
        f"{folder}/{name}" if folder else name
        for name in hidden
        if not _NOTES_OF_PROGRAMS.fullmatch(name)
    ]
    return [place for place in places if not HadoopFile(spark, place).is_directory()]


def _folders_passed_over(spark: SparkSession, path: str) -> list[str]:
    """Give the folders of a folder whose files are not read, as their names are no columns.

    Where all are named so (store=007) they are columns, and none is passed over.
    """
    if _GLOB.search(path):
        return []
    names = [name for name in HadoopFile(spark, path).folders() if not name.startswith(_HIDDEN)]
    return [f"{path.rstrip('/')}/{name}/" for name in names if "=" not in name]


def is_below(spark: SparkSession, section: PlaceSection, file: str) -> bool:
    """Whether the source's paths, which may be globs, name a file or a folder above it."""
    for path in section.paths:
        place = comparable(HadoopFile(spark, path).qualified()).rstrip("/")
        if file == place or file.startswith(f"{place}/") or fnmatch(file, f"{place}*"):
            return True
    return False


def content_of(spark: SparkSession, uri: str) -> str:
    """Give the SHA-256 of what a file holds: packed or not, the same."""
    return HadoopFile(spark, uri, is_uri=True).sha256()


def _is_impossible(error: Exception) -> bool:
    """Whether a path cannot be had for a name in it: no use to try again."""
    return "Relative path in absolute URI" in str(error)


def _require_path(spark: SparkSession, path: str) -> None:
    try:
        is_found = HadoopFile(spark, path).is_found()
    except Exception as error:
        if _is_impossible(error):
            return
        message = f"source {path} cannot be reached: {first_line(error)}"
        raise EnvironmentFault(message) from error
    if not is_found:
        is_relative = not os.path.isabs(path) and ":" not in path
        where = f" (looked in {os.getcwd()})" if is_relative else ""
        raise DataError(f"source {path} does not exist{where}")
