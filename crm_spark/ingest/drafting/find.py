"""What lies at a path, or under a table's name: the tables, each with a sample of its rows."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import SparkSession

from crm_spark.errors import DataError, listed
from crm_spark.ingest.drafting.groups import grouped, paths_of
from crm_spark.ingest.drafting.table import Reading, Sample
from crm_spark.ingest.drafting.tables import text_sample
from crm_spark.ingest.drafting.texts import Opened, TextFile, open_file, text_file
from crm_spark.ingest.drafting.typed import file_samples, table_sample
from crm_spark.ingest.reading.broken import is_broken
from crm_spark.ingest.reading.files import Listing, SourceFile, list_files
from crm_spark.ingest.reading.place import PlaceSection
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.runtime.progress import log

_MOST_FILES = 24
_OF_TABLES = (
    *(".csv", ".tsv", ".txt", ".tab", ".psv", ".dat", ".json", ".jsonl", ".ndjson", ".parquet"),
    *(".orc", ".gz", ".bz2", ".zst", ".zip", ".xlsx", ".xls", ".avro"),
)


@dataclass(frozen=True)
class Seen:
    """The tables that were found, and what cannot be used, with the reason."""

    samples: tuple[Sample, ...]
    unusable: tuple[str, ...] = ()


def find_tables(spark: SparkSession, path: str) -> Seen:
    """Look at what a path or a name stands for. Raises DataError where nothing can be read."""
    if _is_delta(spark, path):
        name = path.rstrip("/").rpartition("/")[2]
        return Seen((table_sample(spark, name, Reading((path,), format="delta")),))
    if not HadoopFile(spark, path).is_found() and _is_table(spark, path):
        name = path.rpartition(".")[2]
        return Seen((table_sample(spark, name, Reading(table=path)),))
    return _of_files(spark, path)


def _is_delta(spark: SparkSession, path: str) -> bool:
    try:
        return bool(HadoopFile(spark, f"{path.rstrip('/')}/_delta_log").names())
    except Exception:  # noqa: BLE001 - what it is, the listing says
        return False


def _is_table(spark: SparkSession, name: str) -> bool:
    try:
        return bool(spark.catalog.tableExists(name))
    except Exception:  # noqa: BLE001 - a name that cannot be one of a table
        return False


def _of_files(spark: SparkSession, path: str) -> Seen:
    listing = list_files(spark, PlaceSection(path=path, format="csv"))
    files = _files_of_tables(listing)
    unusable = [f"{file}: {why}" for file, why in listing.broken.items()]
    opened: list[Opened] = []
    for file in _spread(files):
        try:
            opened.append(open_file(spark, file))
        except DataError as error:
            unusable.append(str(error))
            log.warning("%s", error)
    # Files that no source can open are none to keep away from.
    able = [file for file in listing.files if not is_broken(file.uri, listing.broken)]
    left_out = [file for file in able if file not in files]
    refused = [file for file in _spread(files) if file not in [one.file for one in opened]]
    samples = _samples(spark, path, opened, [*left_out, *refused], unusable)
    if not samples:
        faults = unusable or [f"{path} holds no row"]
        raise DataError(listed("there is nothing to draft from", faults))
    return Seen(tuple(samples), tuple(unusable))


def _files_of_tables(listing: Listing) -> list[SourceFile]:
    """Leave out what is no table by its name, such as a README; a file named alone may be any."""
    files = [file for file in listing.files if not is_broken(file.uri, listing.broken)]
    named = [file for file in files if file.uri.lower().endswith(_OF_TABLES)]
    return named or files


def _spread(files: list[SourceFile]) -> list[SourceFile]:
    """Choose files to look into, the first and the last among them."""
    if len(files) <= _MOST_FILES:
        return files
    last = len(files) - 1
    return [files[place * last // (_MOST_FILES - 1)] for place in range(_MOST_FILES)]


def _samples(
    spark: SparkSession,
    path: str,
    opened: list[Opened],
    left_out: list[SourceFile],
    unusable: list[str],
) -> list[Sample]:
    """Put what was opened into tables; what Spark cannot read goes to `unusable`."""
    texts = [found for one in opened if one.format == "csv" and (found := text_file(one))]
    empty = {one.file for one in opened if one.format == "csv"} - {one.file for one in texts}
    given = [one.file for one in opened if one.file not in empty]
    samples = []
    for group in grouped(texts, lambda one: one.names):
        own = [one.file for one in group]
        paths = paths_of(path, own, _apart(own, given, left_out))
        samples.append(text_sample(_with_rows(group), paths))
    kinds = {(one.format, one.options) for one in opened if one.format != "csv"}
    for kind in sorted(kinds):
        of_kind = [one for one in opened if (one.format, one.options) == kind]
        own = [one.file for one in of_kind]
        try:
            tables, broken = file_samples(spark, path, of_kind, _apart(own, given, left_out))
        except DataError as error:
            unusable.append(str(error))
            continue
        samples += tables
        unusable += broken
    return samples


def _apart(
    own: list[SourceFile], given: list[SourceFile], left_out: list[SourceFile]
) -> list[SourceFile]:
    return [*(file for file in given if file not in own), *left_out]


def _with_rows(group: list[TextFile]) -> list[TextFile]:
    return [one for one in group if one.parsed.rows] or group
