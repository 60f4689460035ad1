"""Sources: what the user's tables are, and how their rows come in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import ConfigError, DataError, EnvironmentFault, nearest
from crm_spark.io.hadoop import HadoopFile
from crm_spark.progress import log
from crm_spark.tables.core import SOURCE_TABLES
from crm_spark.transforms.mapping import CORRUPT_RECORD, lenient_analysis

Format = Literal["csv", "json", "parquet", "orc", "delta", "jdbc", "table"]
FILE_FORMATS = ("csv", "json", "parquet", "orc")


def known_time_zone(value: str) -> str:
    """Give `value` back where it names a time zone; else say which one comes nearest."""
    if value in available_timezones():
        return value
    raise ValueError(f"{value!r} is no time zone{nearest(value, available_timezones())}")


class SourceSection(BaseModel):
    """One source table: where it is, how it is read, and how its columns become ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | list[str] | None = None
    table: str | None = None
    jdbc: dict[str, str | int] | None = None
    format: Format | None = None
    options: dict[str, str | int | float | bool] = {}
    time_zone: str | None = None
    where: str | None = None
    columns: dict[str, str]

    @field_validator("columns", mode="before")
    @classmethod
    def _expressions_are_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: held if held is None else str(held) for key, held in value.items()}
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone_is_known(cls, value: str | None) -> str | None:
        return known_time_zone(value) if value else value

    @model_validator(mode="after")
    def _has_one_place(self) -> SourceSection:
        given = [key for key in ("path", "table", "jdbc") if getattr(self, key)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"expected one of path, table and jdbc, found {found}")
        if given == ["path"] and self.format in (None, "jdbc", "table"):
            raise ValueError("a path needs format: csv, json, parquet, orc or delta")
        if self.jdbc is not None and not {"url"} <= set(self.jdbc):
            raise ValueError("jdbc needs at least url and dbtable (or query)")
        return self

    @property
    def paths(self) -> list[str]:
        """The paths, one or many."""
        if self.path is None:
            return []
        return [self.path] if isinstance(self.path, str) else list(self.path)

    @property
    def description(self) -> str:
        """What a message or a row calls this source; no URL, since it may hold a password."""
        if self.path is not None:
            return ", ".join(self.paths)
        if self.table is not None:
            return f"table {self.table}"
        assert self.jdbc is not None
        return f"jdbc {self.jdbc.get('dbtable', 'query')}"


def mapping_key_faults(sources: Any) -> list[str]:
    """Say which mapped columns of the raw `sources` section are unknown, and which are missing."""
    faults: list[str] = []
    for name, table in SOURCE_TABLES.items():
        source = sources.get(name) if isinstance(sources, dict) else None
        columns = source.get("columns") if isinstance(source, dict) else None
        if not isinstance(columns, dict):
            continue
        known = {column.name: column for column in table.columns if column.mapping}
        path = f"sources.{name}.columns"
        for key in columns:
            if key not in known:
                hint = nearest(str(key), known) or f", known: {', '.join(known)}"
                faults.append(f"{path}.{key}: unknown column{hint}")
        faults += [
            f"{path}.{key}: is missing ({column.comment})"
            for key, column in known.items()
            if column.mapping == "required" and key not in columns
        ]
    return faults


class SourcesSection(BaseModel):
    """The sources by the name of the core table they fill; only transactions are needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transactions: SourceSection
    products: SourceSection | None = None
    customers: SourceSection | None = None

    def given(self) -> dict[str, SourceSection]:
        """The sources that are mapped, transactions first."""
        return {name: getattr(self, name) for name in SOURCE_TABLES if getattr(self, name)}


@dataclass(frozen=True)
class SourceData:
    """A source ready to be read: its rows, and for files how often each content was given."""

    df: DataFrame
    source_file: Column
    files: tuple[str, ...] = ()
    copies: dict[str, int] = field(default_factory=dict)


def read_source(
    spark: SparkSession,
    source: SourceSection,
    *,
    time_zone: str,
    without: Mapping[str, str] | None = None,
) -> SourceData:
    """Give the rows of a source without the files in `without` and without copies of other files.

    `without` maps files that broke to the reason.

    Raises DataError for a missing path or an unreadable schema, EnvironmentFault for a database
    that does not answer.
    """
    if not source.path or source.format not in FILE_FORMATS:
        df = _read_whole(spark, source)
        return SourceData(df, F.lit(source.description))
    _require_paths(spark, source)
    without = without or {}
    found = [file for file in _list_files(spark, source) if not _is_among(file, without)]
    if not found:
        broken = [f"{file} cannot be read: {why}" for file, why in without.items()]
        told = "; ".join(broken) or "it holds no file"
        raise DataError(f"source {source.description}: {told}")
    kept, copies = _distinct_files(spark, found)
    are_all = len(source.paths) == 1 and not without and not copies
    paths = source.paths if are_all else [_decoded(spark, file) for file in kept]
    with lenient_analysis(spark, time_zone):
        df = _load_files(spark, source, paths, time_zone)
    if not [name for name in df.columns if name != CORRUPT_RECORD]:
        raise DataError(f"source {source.description} is empty: it has no column")
    for copied, times in copies.items():
        log.info("%s was given %d times: its content counts once", copied, times)
    by_path = {_decoded(spark, file): times for file, times in copies.items()}
    return SourceData(df, F.input_file_name(), tuple(kept), by_path)


def _list_files(spark: SparkSession, source: SourceSection) -> list[str]:
    """Give the files below the paths, each once, as URIs; no file is opened for it."""
    listing = ("pathGlobFilter", "recursiveFileLookup", "modifiedBefore", "modifiedAfter")
    options = {key: str(held) for key, held in source.options.items() if key in listing}
    files = spark.read.format("binaryFile").options(**options).load(source.paths).inputFiles()
    return sorted(set(files))


def _decoded(spark: SparkSession, file: str) -> str:
    return HadoopFile(spark, file, is_uri=True).path


def _is_among(file: str, others: Iterable[str]) -> bool:
    return _comparable(file) in {_comparable(other) for other in others}


def _comparable(file: str) -> str:
    """Spark writes one file as file:/a%20b, file:///a%20b or file:/a b."""
    return unquote(re.sub(r"^file:/+", "/", file))


def _read_whole(spark: SparkSession, source: SourceSection) -> DataFrame:
    options = {key: str(value) for key, value in source.options.items()}
    try:
        if source.table:
            return spark.read.options(**options).table(source.table)
        if source.jdbc:
            jdbc = {key: str(value) for key, value in source.jdbc.items()}
            # Stamps without a zone stay so, to be read in the source's time zone like any others.
            reader = spark.read.format("jdbc").option("preferTimestampNTZ", "true")
            return reader.options(**jdbc).options(**options).load()
        return spark.read.format("delta").options(**options).load(source.paths)
    except AnalysisException as error:
        raise DataError(f"source {source.description}: {_first_line(error)}") from error
    except Exception as error:
        told = _first_line(error)
        if "SQLSyntaxErrorException" in str(error):
            raise DataError(f"source {source.description}: the database says: {told}") from error
        raise EnvironmentFault(f"source {source.description} cannot be reached: {told}") from error


def _load_files(
    spark: SparkSession, source: SourceSection, paths: Sequence[str], time_zone: str
) -> DataFrame:
    assert source.format is not None
    options = {key: str(value) for key, value in source.options.items()}
    reader = spark.read.format(source.format).options(**options)
    if len(source.paths) == 1 and list(paths) != source.paths and "basePath" not in options:
        base = source.paths[0]
        if HadoopFile(spark, base).is_directory():
            reader = reader.option("basePath", base)
    try:
        if source.format in ("csv", "json"):
            reader = reader.option("timeZone", options.get("timeZone", time_zone))
        if source.format == "csv":
            return _load_csv(reader, list(paths))
        if source.format == "json":
            reader = reader.option("columnNameOfCorruptRecord", CORRUPT_RECORD)
        return reader.load(list(paths))
    except (AnalysisException, PySparkException) as error:
        if broken_file(error):
            raise
        message = f"source {source.description} cannot be read: {_first_line(error)}"
        raise DataError(message) from error


def _load_csv(reader: Any, paths: list[str]) -> DataFrame:
    """Read CSV so that a line with too few or too many columns is seen, not silently bent."""
    schema = reader.load(paths).schema
    with_corrupt = schema.add(CORRUPT_RECORD, "string")
    return (
        reader.option("mode", "PERMISSIVE")
        # A file whose header names other columns, or the same in another order, breaks when read.
        .option("enforceSchema", "false")
        .option("columnNameOfCorruptRecord", CORRUPT_RECORD)
        .schema(with_corrupt)
        .load(paths)
    )


def _require_paths(spark: SparkSession, source: SourceSection) -> None:
    for path in source.paths:
        try:
            is_found = HadoopFile(spark, path).is_found()
        except Exception as error:
            told = _first_line(error)
            raise EnvironmentFault(f"source {path} cannot be reached: {told}") from error
        if not is_found:
            is_relative = not os.path.isabs(path) and ":" not in path
            where = f" (looked in {os.getcwd()})" if is_relative else ""
            raise DataError(f"source {path} does not exist{where}")


def _distinct_files(spark: SparkSession, files: list[str]) -> tuple[list[str], dict[str, int]]:
    """Give the files of different content, and how often each was given where more than once.

    Only files of equal length can be equal, so only those are read and hashed.
    """
    by_length: dict[int, list[str]] = {}
    opened = {file: HadoopFile(spark, file, is_uri=True) for file in files}
    for file, held in opened.items():
        by_length.setdefault(held.length(), []).append(file)
    by_content: dict[str, list[str]] = {}
    for length, alike in by_length.items():
        for file in alike:
            digest = opened[file].sha256() if len(alike) > 1 else ""
            by_content.setdefault(f"{length}:{digest}", []).append(file)
    kept = sorted(alike[0] for alike in by_content.values())
    return kept, {alike[0]: len(alike) for alike in by_content.values() if len(alike) > 1}


_FAILED_FILE = re.compile(
    r"\[FAILED_READ_FILE[^\]]*\] Encountered error while reading file (\S+?)\.\s"
)


def broken_file(error: BaseException) -> tuple[str, str] | None:
    """Give the file that an action failed to read, and why; None where it failed otherwise."""
    text = str(error)
    match = _FAILED_FILE.search(text)
    if not match:
        return None
    causes = re.findall(r"Caused by: ([^\n]+)", text)
    return match[1] or match[2], (causes[-1] if causes else "it cannot be read").strip()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("An error occurred while calling")]
    text = (told or lines or [type(error).__name__])[0]
    text = re.sub(r"^:?\s*(?:[\w.$]+(?:Exception|Error)): ", "", text)
    return re.sub(r"^\[[A-Z_.]+\]\s*|\s*SQLSTATE: \w+.*$", "", text)


def read_text(spark: SparkSession, path: str) -> str:
    """Read a small text file from any Hadoop filesystem. Raises ConfigError where it is missing."""
    try:
        return HadoopFile(spark, path).text()
    except Exception as error:
        raise ConfigError(f"configuration file {path}: {_first_line(error)}") from error
