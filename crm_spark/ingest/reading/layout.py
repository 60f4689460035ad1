"""Layouts: which columns the rows of a file have, told without reading its rows where it can be.

Files are never read by the columns of another: those of one layout are read together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import types as T
from pyspark.sql.readwriter import DataFrameReader

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.broken import (
    BrokenFiles,
    broken_file,
    cannot_be_read,
    comparable,
    reject_files,
)
from crm_spark.ingest.reading.csv import CORRUPT_RECORD, CsvHead, CsvHeaders, is_option_true
from crm_spark.ingest.reading.files import SourceFile
from crm_spark.ingest.reading.parquet import Footer, read_footer
from crm_spark.ingest.reading.place import Place
from crm_spark.ingest.reading.reader import file_reader, paths_of
from crm_spark.ingest.reading.schema import ddl_of, parsed
from crm_spark.ingest.reading.shapes import all_columns, differs_from_text, valueless
from crm_spark.lake.hadoop import HadoopFile

_NO_JSON_LINES = (
    "none of its lines is JSON by itself: where the file is one document, or one array, over many "
    "lines, give options: {multiLine: true}"
)
_MORE_IN_A_FILE = (
    "documents follow each other in it, of which multiLine reads the first alone: write one a line "
    "(jq -c . FILE) and leave multiLine out, or all of them as one array"
)
_MORE_IN_A_LINE = (
    "documents follow each other in one line, of which the first alone is read: write one a line "
    "(jq -c . FILE)"
)
# So many bytes of a file tell whether more than one document stands where one is read.
_JSON_HEAD = 1 << 20


@dataclass(frozen=True)
class Layout:
    """How the rows of a file lie in it: its columns, in its order, as DDL.

    `folder_columns` stand in the names of its folders below `base`. `nanoseconds` are columns of
    stamps that Spark reads as numbers, each with whether it is an instant. `head` is of one file:
    files that differ in no more than it are of one layout.
    """

    ddl: str
    base: str | None = None
    folder_columns: tuple[str, ...] = ()
    nanoseconds: tuple[tuple[str, bool], ...] = ()
    head: CsvHead = field(default_factory=CsvHead, compare=False)

    @property
    def schema(self) -> T.StructType:
        """The columns that stand in the file itself."""
        return parsed(self.ddl)


def read_layouts(
    spark: SparkSession, place: Place, files: Iterable[SourceFile], broken: BrokenFiles
) -> dict[str, Layout]:
    """Give the layout of each file, by URI; files that cannot be read go to `broken`.

    Raises DataError where the options do not fit a CSV file.
    """
    given = list(files)
    if place.section.format == "csv":
        return _of_csv(spark, place, given, broken)
    if place.section.format == "parquet":
        return _of_parquet(spark, place, given, broken)
    return _inferred(spark, place, given, broken)


def with_types_of_others(
    spark: SparkSession,
    place: Place,
    layouts: Mapping[str, Layout],
    others: Iterable[T.StructType] = (),
) -> dict[str, Layout]:
    """Give the layouts of JSON files, with the type of no value where a file has none in a column.

    Spark tells such a column to be text. It is looked at again where it is no text in others; those
    of `others` are the columns of files that were loaded.
    """
    if place.section.format != "json":
        return dict(layouts)
    columns = all_columns([*(layout.schema for layout in set(layouts.values())), *others])
    doubtful = {one for one in set(layouts.values()) if differs_from_text(one.schema, columns)}
    settled = dict(layouts)
    for uri, layout in layouts.items():
        if layout in doubtful:
            # All rows: a value in one that is not looked at would be lost.
            reader = _reader(spark, place).option("dropFieldIfAllNull", "true")
            reader = reader.option("samplingRatio", "1.0")
            with lenient_analysis(spark, place.time_zone):
                with_values = reader.load(paths_of(spark, [uri])).schema
            settled[uri] = replace(layout, ddl=ddl_of(valueless(layout.schema, with_values)))
    return settled


def _reader(spark: SparkSession, place: Place) -> DataFrameReader:
    return file_reader(spark, place).option("columnNameOfCorruptRecord", CORRUPT_RECORD)


def _of_csv(
    spark: SparkSession, place: Place, files: Sequence[SourceFile], broken: BrokenFiles
) -> dict[str, Layout]:
    if is_option_true(place.section.options, "inferSchema"):
        return _inferred(spark, place, files, broken)
    headers = CsvHeaders(spark, place)
    layouts = {}
    for file in files:
        try:
            head = headers.head(file.uri)
        except ValueError as error:
            reject_files(broken, {file.uri: str(error)})
            continue
        except Exception as error:  # noqa: BLE001 - whatever the filesystem or the codec says
            reject_files(broken, {file.uri: cannot_be_read(first_line(error))})
            continue
        # Columns of a CSV file are known by their place: none may be left out.
        apart = {CORRUPT_RECORD, *(name.lower() for name in file.folder_columns)}
        named = [
            f"_c{number}" if name.lower() in apart else name
            for number, name in enumerate(head.names)
        ]
        layout = _layout(T.StructType([_text(name) for name in named]), file)
        layouts[file.uri] = replace(layout, head=head)
    return layouts


def _text(name: str) -> T.StructField:
    return T.StructField(name, T.StringType())


def _of_parquet(
    spark: SparkSession, place: Place, files: Sequence[SourceFile], broken: BrokenFiles
) -> dict[str, Layout]:
    """Ask Spark for the columns of one file of each kind of footer."""
    footers: dict[str, Footer] = {}
    for file in files:
        try:
            footers[file.uri] = read_footer(spark, file.uri)
        except Exception as error:  # noqa: BLE001 - whatever the filesystem or the parser says
            reject_files(broken, {file.uri: cannot_be_read(first_line(error))})
    first = {footers[file.uri]: file for file in reversed(files) if file.uri in footers}
    inferred = _inferred(spark, place, list(first.values()), broken)
    layouts = {}
    for file in files:
        footer = footers.get(file.uri)
        if footer is None:
            continue
        known = inferred.get(first[footer].uri)
        if known is None:
            reject_files(broken, {file.uri: broken[comparable(first[footer].uri)]})
            continue
        layouts[file.uri] = _layout(known.schema, file, footer.nanoseconds)
    return layouts


def _inferred(
    spark: SparkSession, place: Place, files: Sequence[SourceFile], broken: BrokenFiles
) -> dict[str, Layout]:
    """Let Spark tell the columns of each file."""
    layouts: dict[str, Layout] = {}
    reader = _reader(spark, place)
    for file in files:
        try:
            with lenient_analysis(spark, place.time_zone):
                schema = reader.load(paths_of(spark, [file.uri])).schema
        except PySparkException as error:
            failed = broken_file(error)
            why = failed[1] if failed else cannot_be_read(first_line(error))
            reject_files(broken, {file.uri: why})
            continue
        layout = _layout(schema, file)
        if place.section.format == "json":
            if schema.fields and not layout.ddl:
                reject_files(broken, {file.uri: _NO_JSON_LINES})
                continue
            if fault := _documents_beyond_the_first(spark, place, file):
                reject_files(broken, {file.uri: fault})
                continue
        layouts[file.uri] = layout
    return layouts


def _documents_beyond_the_first(spark: SparkSession, place: Place, file: SourceFile) -> str | None:
    """Say so where JSON documents follow each other where Spark reads the first alone, in silence.

    Told from the beginning of the file; a first document that is longer is taken for the only one.
    """
    head = HadoopFile(spark, file.uri, is_uri=True).parts([0], _JSON_HEAD)[0]
    text = head.decode("utf-8-sig", errors="replace")
    is_one = is_option_true(place.section.options, "multiLine")
    # The last line may be cut off.
    documents = [text] if is_one else text.splitlines()[: -1 if len(head) == _JSON_HEAD else None]
    for one in documents:
        start = one.lstrip()
        try:
            _, end = json.JSONDecoder().raw_decode(start)
        except ValueError:
            continue
        if start[end:].strip():
            return _MORE_IN_A_FILE if is_one else _MORE_IN_A_LINE
    return None


def _layout(
    schema: T.StructType, file: SourceFile, nanoseconds: tuple[tuple[str, bool], ...] = ()
) -> Layout:
    folders = file.folder_columns
    apart = {CORRUPT_RECORD, *(name.lower() for name in folders)}
    own = T.StructType([field for field in schema.fields if field.name.lower() not in apart])
    return Layout(ddl_of(own), file.base if folders else None, folders, nanoseconds)
