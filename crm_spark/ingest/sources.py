"""Sources: what the user's tables are, and how their rows come in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, Literal
from urllib.parse import unquote
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from crm_spark.errors import ConfigError, DataError, EnvironmentFault, nearest
from crm_spark.ingest.cleaning import CleaningSection
from crm_spark.ingest.mapping import CORRUPT_RECORD, lenient_analysis
from crm_spark.lake.contract import Table
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.tables.core import SOURCE_TABLES

Format = Literal["csv", "json", "parquet", "orc", "delta", "jdbc", "table"]
FILE_FORMATS = ("csv", "json", "parquet", "orc")


def known_time_zone(value: str) -> str:
    """Give `value` back where it names a time zone; else say which one comes nearest."""
    if value in available_timezones():
        return value
    raise ValueError(f"{value!r} is no time zone{nearest(value, available_timezones())}")


class SourceSection(BaseModel):
    """One source table: where it is, how it is read, and how its columns become ours.

    `watermark` is an expression over the columns of a table or query whose value never falls: what
    is new has a higher one than all that was read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | list[str] | None = None
    table: str | None = None
    jdbc: dict[str, str | int] | None = None
    format: Format | None = None
    options: dict[str, str | int | float | bool] = {}
    time_zone: str | None = None
    where: str | None = None
    watermark: str | None = None
    columns: dict[str, str]
    cleaning: CleaningSection = Field(default_factory=CleaningSection)

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
        if self.watermark is not None and self.format in FILE_FORMATS:
            raise ValueError("a watermark is for tables and queries; of files the new are read")
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
    """Say which mapped columns of the raw `sources` section are unknown, missing or at odds."""
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
        faults += [f"{path}.{fault}" for fault in _closing_faults(table, columns)]
        faults += [f"sources.{name}.{fault}" for fault in _missing_faults(source or {}, known)]
    return faults


def _missing_faults(source: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """Say which columns of cleaning.missing are none of the table's, or are not mapped."""
    rules = source.get("cleaning")
    given = rules.get("missing") if isinstance(rules, dict) else None
    faults = []
    for key in given if isinstance(given, dict) else ():
        if key not in known:
            hint = nearest(str(key), known) or f", known: {', '.join(known)}"
            faults.append(f"cleaning.missing.{key}: unknown column{hint}")
        elif key not in source["columns"]:
            faults.append(f"cleaning.missing.{key}: is not mapped: map it to the constant instead")
    return faults


def _closing_faults(table: Table, columns: Mapping[str, str]) -> list[str]:
    """Say what corrections and deletions need that is not mapped."""
    own_id = table.key[0]
    faults = [
        f"{key}: needs arrived_at, mapped: a row closes what arrived before it"
        for key in ("is_deleted", "replaces_order")
        if key in columns and "arrived_at" not in columns
    ]
    if "replaces_order" in columns and own_id in columns:
        faults.append(
            f"replaces_order: is for orders without a mapped {own_id}; with one each row "
            "replaces its own line"
        )
    if "is_deleted" in columns and own_id not in columns and "order_id" not in columns:
        faults.append(f"is_deleted: needs {own_id}, mapped: it says what is void")
    return faults


class SourcesSection(BaseModel):
    """The sources by the name of the core table they fill; only transactions are needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transactions: SourceSection
    products: SourceSection | None = None
    customers: SourceSection | None = None
    events: SourceSection | None = None
    feedback: SourceSection | None = None
    campaign_contacts: SourceSection | None = None
    exchange_rates: SourceSection | None = None

    def given(self) -> dict[str, SourceSection]:
        """The sources that are mapped, transactions first."""
        return {name: getattr(self, name) for name in SOURCE_TABLES if getattr(self, name)}


@dataclass(frozen=True)
class SourceFile:
    """A file of a source: its URI, its length, and when it was changed (ms since 1970)."""

    uri: str
    n_bytes: int
    modified_at: int


def list_files(spark: SparkSession, source: SourceSection) -> list[SourceFile]:
    """Give the files of a source of files, in the order of their names; no file is opened.

    Raises DataError for a path that is missing, EnvironmentFault where it cannot be reached.
    """
    _require_paths(spark, source)
    return [
        SourceFile(uri, *HadoopFile(spark, uri, is_uri=True).length_and_change())
        for uri in _list_uris(spark, source)
    ]


def read_files(
    spark: SparkSession, source: SourceSection, uris: Sequence[str], *, time_zone: str
) -> DataFrame:
    """Give the rows of these files of a source. Raises DataError for an unreadable schema."""
    paths = [_decoded(spark, uri) for uri in uris]
    if len(source.paths) == 1 and len(paths) == len(_list_uris(spark, source)):
        paths = source.paths
    with lenient_analysis(spark, time_zone):
        df = _load_files(spark, source, paths, time_zone)
    if not [name for name in df.columns if name != CORRUPT_RECORD]:
        raise DataError(f"source {source.description} is empty: it has no column")
    return df


def read_whole_source(spark: SparkSession, source: SourceSection, *, time_zone: str) -> DataFrame:
    """Give all rows of a source, of whatever kind."""
    if source.format in FILE_FORMATS:
        uris = [file.uri for file in list_files(spark, source)]
        return read_files(spark, source, uris, time_zone=time_zone)
    return read_whole(spark, source)


def is_below(spark: SparkSession, source: SourceSection, file: str) -> bool:
    """Whether the source's paths, which may be globs, name a file or a folder above it."""
    for path in source.paths:
        place = comparable(HadoopFile(spark, path).qualified()).rstrip("/")
        if file == place or file.startswith(f"{place}/") or fnmatch(file, f"{place}*"):
            return True
    return False


def content_of(spark: SparkSession, uri: str) -> str:
    """Give the SHA-256 of a file."""
    return HadoopFile(spark, uri, is_uri=True).sha256()


def _list_uris(spark: SparkSession, source: SourceSection) -> list[str]:
    """Give the files below the paths, each once, as URIs."""
    listing = ("pathGlobFilter", "recursiveFileLookup", "modifiedBefore", "modifiedAfter")
    options = {key: str(held) for key, held in source.options.items() if key in listing}
    files = spark.read.format("binaryFile").options(**options).load(source.paths).inputFiles()
    return sorted(set(files))


def _decoded(spark: SparkSession, file: str) -> str:
    return HadoopFile(spark, file, is_uri=True).path


def comparable(file: str) -> str:
    """Spark writes one file as file:/a%20b, file:///a%20b or file:/a b; give one of them."""
    return unquote(re.sub(r"^file:/+", "/", file))


def read_whole(spark: SparkSession, source: SourceSection) -> DataFrame:
    """Give the rows of a table, a query or a Delta table, as it is now.

    Raises DataError for a table that is missing, EnvironmentFault for a database that does not
    answer.
    """
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
