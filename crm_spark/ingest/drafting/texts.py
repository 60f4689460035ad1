"""Text files: a sample of their bytes, read as a person would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

from pyspark.sql import SparkSession

from crm_spark.errors import DataError
from crm_spark.ingest.drafting.dialect import Parsed, parse, parse_rows
from crm_spark.ingest.drafting.encoding import Encoding, encoding_of
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.files import SourceFile
from crm_spark.ingest.reading.place import Format
from crm_spark.lake.hadoop import HadoopFile

_HEAD, _PART = 1 << 20, 1 << 18
_PACKED_PLACES = (8 << 20, 32 << 20, 96 << 20)
_PACKED = (".gz", ".bz2", ".zst", ".deflate", ".snappy", ".lz4", ".xz")
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"ORC", "orc"),
    (b"PK\x03\x04", "zip"),
    (b"\xd0\xcf\x11\xe0", "xls"),
    (b"\x1f\x8b", "packed"),
    (b"BZh", "packed"),
    (b"\x28\xb5\x2f\xfd", "packed"),
    (b"%PDF", "pdf"),
)
_REFUSED = {
    "zip": "is a zip archive: unpack it, and name the files in it",
    "xlsx": "is a workbook of Excel: save its sheet as CSV UTF-8, and name that",
    "xls": "is a workbook of Excel: save its sheet as CSV UTF-8, and name that",
    "packed": "is packed, but its name does not say how: end it in .gz, .bz2 or .zst",
    "pdf": "is a PDF: export the table it shows as CSV",
}


@dataclass(frozen=True)
class Opened:
    """The first bytes of a file, parts of its later ones, and the format they show."""

    file: SourceFile
    format: Format
    head: bytes
    later: tuple[bytes, ...] = ()
    options: tuple[tuple[str, str | bool], ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether the file goes on behind its first bytes."""
        return len(self.head) == _HEAD


def open_file(spark: SparkSession, file: SourceFile) -> Opened:
    """Open a file. Raises DataError for one that is no table, with what to do."""
    is_packed = file.uri.lower().endswith(_PACKED)
    places = [] if file.n_bytes <= _HEAD and not is_packed else _places(file, is_packed=is_packed)
    try:
        source = HadoopFile(spark, file.uri, is_uri=True)
        head = source.parts([0], _HEAD)[0]
        kind = format_of(head, file.uri)
        is_long = kind == "csv" and len(head) == _HEAD
        later = source.parts(places, _PART) if is_long and not encoding_of(head).is_wide else []
    except Exception as error:
        raise DataError(f"{file.uri} cannot be read: {first_line(error)}") from error
    if kind in _REFUSED:
        raise DataError(f"{file.uri} {_REFUSED[kind]}")
    options: tuple[tuple[str, str | bool], ...] = ()
    if kind == "json" and not is_json_lines(head):
        options = (("multiLine", True),)
    return Opened(file, cast(Format, kind), head, tuple(later), options)


def _places(file: SourceFile, *, is_packed: bool) -> list[int]:
    """Give places that lie far apart: files are often in the order of their dates."""
    if is_packed:
        return list(_PACKED_PLACES)
    third = file.n_bytes // 3
    places = [third, 2 * third, file.n_bytes - _PART]
    return [place for place in places if place > _HEAD]


def format_of(head: bytes, name: str) -> str:
    """Tell the format of a file from its first bytes."""
    found = next((kind for mark, kind in _MAGIC if head.startswith(mark)), None)
    if found == "zip":
        is_workbook = name.lower().endswith((".xlsx", ".xlsm")) or b"[Content_Types].xml" in head
        return "xlsx" if is_workbook else "zip"
    if found:
        return found
    return "json" if _is_json(encoding_of(head).decode(head)) else "csv"


def _is_json(text: str) -> bool:
    start = text.lstrip()
    if start[:1] not in ("{", "["):
        return False
    follows = start[1:].lstrip()[:1]
    return follows in ('"', "}", "") if start[0] == "{" else follows in ("{", "]", "")


def is_json_lines(head: bytes) -> bool:
    """Whether each line is an object by itself; else the file is one document."""
    lines = [line for line in encoding_of(head).decode(head).splitlines() if line.strip()]
    whole = lines[:-1] if len(head) == _HEAD else lines
    try:
        return bool(whole) and all(isinstance(json.loads(line), dict) for line in whole[:20])
    except ValueError:
        return False


@dataclass(frozen=True)
class TextFile:
    """A delimited text file: its encoding, its fields, and rows from further behind."""

    file: SourceFile
    encoding: Encoding
    parsed: Parsed
    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, those of its folders, too."""
        return (*self.parsed.names, *self.file.folder_columns)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Its rows, with what its folders say."""
        values = tuple(text.partition("=")[2] for text in self.file.folder_values)
        return [(*row, *values) for row in self.parsed.rows]


def text_file(opened: Opened) -> TextFile | None:
    """Read a delimited text file; None for one that is empty."""
    encoding = encoding_of(opened.head)
    text = encoding.decode(opened.head)
    if not text.strip("\ufeff\r\n \t"):
        return None
    parsed = parse(text.lstrip("\ufeff"), is_cut=opened.is_cut)
    later = [
        row
        for part in opened.later
        for row in parse_rows(encoding.decode(part), parsed.dialect, len(parsed.names))
    ]
    whole = Parsed(parsed.dialect, parsed.names, (*parsed.rows, *later), parsed.n_misfits)
    return TextFile(opened.file, encoding, whole, text)
