"""Headers of CSV files, read as Spark reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.csv_options import (
    CORRUPT_RECORD,
    WIDE,
    as_text,
    is_option_true,
    is_read_as_a_whole,
)
from crm_spark.ingest.reading.place import Place
from crm_spark.ingest.reading.schema import quoted
from crm_spark.lake.hadoop import HadoopFile

# Excel's own first line, which says its separator.
_NOTE_OF_EXCEL = re.compile(r'"?sep=.?"?[,;]*', re.IGNORECASE)
_MARK = 1 << 24
_EXPORT = "export it as CSV"
# How the first bytes of other kinds of file read as text, what they are, and what to do.
_OTHER_KINDS = {
    "pk\x03\x04": ("a workbook of Excel, or another packed file,", _EXPORT),
    # D0 CF 11 E0 A1 B1; in UTF-8 the last three bytes are one character.
    "\ufffd\ufffd\x11\ufffd": ("an old workbook of Excel", _EXPORT),
    "\ufffd\ufffd\x11\u0871": ("an old workbook of Excel", _EXPORT),
    "\xd0\xcf\x11\xe0": ("an old workbook of Excel", _EXPORT),
    "\x1f\ufffd": ("packed by gzip", "end its name in .gz"),
    "\x1f\x8b": ("packed by gzip", "end its name in .gz"),
    "%pdf": ("a PDF", _EXPORT),
    "<html": ("a web page", _EXPORT),
    "<!doctype": ("a web page", _EXPORT),
    "<table": ("a web page", _EXPORT),
    "<?xml": ("XML", _EXPORT),
    "par1": ("a parquet file", "give format: parquet to a source of its own"),
    '[{"': ("JSON", "give format: json to a source of its own"),
    '{"': ("JSON", "give format: json to a source of its own"),
}


@dataclass(frozen=True)
class CsvHead:
    """The names of a file's columns, and the records above its rows, which are none of them.

    `lines` are these records as text, `cells` what they hold.
    """

    names: tuple[str, ...] = ()
    lines: frozenset[str] = frozenset()
    cells: frozenset[tuple[str | None, ...]] = frozenset()


class CsvHeaders:
    """Reads the first records of files by the parser, and the options, that Spark reads all by."""

    def __init__(self, spark: SparkSession, place: Place) -> None:
        self._spark = spark
        jvm: Any = spark._jvm
        options = place.section.options
        given = {key: as_text(value) for key, value in options.items()}
        self._n_skipped = place.section.skip_lines
        self._is_multiline = is_read_as_a_whole(options)
        self._has_header = is_option_true(options, "header")
        try:
            java_options = jvm.PythonUtils.toScalaMap(given)
            csv = jvm.org.apache.spark.sql.catalyst.csv.CSVOptions(java_options, False, "UTC")
            self._charset = str(csv.charset())
            self._comment = chr(ord(csv.comment())) if csv.isCommentSet() else None
            self._parser = jvm.com.univocity.parsers.csv.CsvParser(csv.asParserSettings())
        except Exception as error:
            text = f"source {place.description} cannot be read: options: {first_line(error)}"
            raise DataError(text) from error

    def head(self, uri: str) -> CsvHead:
        """Give what stands above the rows of a file; nothing of an empty file.

        Without a header the columns are _c0, _c1 and so on. Raises what the filesystem raises, and
        ValueError for an encoding that the file shows not to have.
        """
        file = HadoopFile(self._spark, uri, is_uri=True)
        with file.reader(self._charset) as reader:
            above = self._lines_above(reader)
            line = None if self._is_multiline else self._next_line(reader)
            cells = self._record(reader) if self._is_multiline else self._cells(line)
        self._require_text(cells)
        self._require_encoding(cells)
        if not self._has_header:
            names = [f"_c{place}" for place in range(len(cells))]
        else:
            names = safe_names(cells)
            if line is not None and above:
                above.append(line)
        # In files that are read as a whole the header is known by its cells alone.
        records = [tuple(self._cells(text)) for text in above]
        if above and self._has_header:
            records.append(tuple(cells))
        return CsvHead(tuple(names), frozenset(above), frozenset(records))

    def first_records(self, uri: str, n: int) -> list[list[str | None]]:
        """Give the cells of a file's first lines, of each by itself."""
        with HadoopFile(self._spark, uri, is_uri=True).reader(self._charset) as reader:
            lines = [reader.readLine() for _ in range(n)]
        return [self._cells(line) for line in lines if line is not None]

    def _lines_above(self, reader: Any) -> list[str]:
        """Read what is to be skipped, and give it without what Spark skips by itself."""
        reader.mark(_MARK)
        is_note = _NOTE_OF_EXCEL.fullmatch(str(reader.readLine() or "").lstrip("\ufeff"))
        reader.reset()
        n_skipped = max(self._n_skipped, 1 if is_note else 0)
        lines = [reader.readLine() for _ in range(n_skipped)]
        return [line.lstrip("\ufeff") for line in lines if line is not None and self._counts(line)]

    def _next_line(self, reader: Any) -> str | None:
        while (line := reader.readLine()) is not None:
            if self._counts(line):
                return str(line.lstrip("\ufeff"))
        return None

    def _counts(self, line: str) -> bool:
        is_comment = self._comment is not None and line.startswith(self._comment)
        return bool(line.lstrip("\ufeff").strip()) and not is_comment

    def _record(self, reader: Any) -> list[str | None]:
        self._parser.beginParsing(reader)
        record = self._parser.parseNext()
        self._parser.stopParsing()
        return [] if record is None else _without_mark(list(record))

    def _cells(self, line: str | None) -> list[str | None]:
        record = None if line is None else self._parser.parseLine(line)
        return [] if record is None else _without_mark(list(record))

    def _require_text(self, cells: Sequence[str | None]) -> None:
        """Refuse files that are no text, whatever their name says."""
        start = (cells[0] or "") if cells else ""
        for mark, (what, todo) in _OTHER_KINDS.items():
            if start.lower().startswith(mark):
                raise ValueError(f"it is {what} and no CSV: {todo}")

    def _require_encoding(self, cells: Sequence[str | None]) -> None:
        """Refuse UTF-16 that is read as something else: every other character is none."""
        if any(cell and "\x00" in cell for cell in cells):
            if self._charset.upper().startswith(WIDE):
                return
            raise ValueError(
                f"it is no {self._charset}, but looks like UTF-16: give options: "
                "{encoding: UTF-16}"
            )


def without_head(rows: DataFrame, heads: Iterable[CsvHead]) -> DataFrame:
    """Leave out the records above the rows of files that were read with them."""
    given = list(heads)
    lines = sorted({line for head in given for line in head.lines})
    columns = [name for name in rows.columns if name != CORRUPT_RECORD]
    cells = {cells for head in given for cells in head.cells if len(cells) == len(columns)}
    is_above = F.lit(False)
    if lines:
        as_it_came = F.regexp_replace(F.col(CORRUPT_RECORD), r"^\ufeff|[\r\n]+$", "")
        is_above = F.coalesce(as_it_came.isin(lines), F.lit(False))
    for record in sorted(cells, key=str):
        # Of an empty cell Spark makes null.
        same = [
            F.coalesce(F.col(quoted(name)), F.lit("")) == F.lit(cell or "")
            for name, cell in zip(columns, record, strict=True)
        ]
        is_above = is_above | reduce(and_, same)
    return rows.where(~is_above) if lines or cells else rows


def safe_names(cells: Sequence[str | None]) -> list[str]:
    """Name columns as Spark does: _c0 where a cell is empty, name2 where it is repeated."""
    lowered = [cell.lower() for cell in cells if cell]
    repeated = {name for name in lowered if lowered.count(name) > 1}
    return [
        f"_c{place}" if not cell else f"{cell}{place}" if cell.lower() in repeated else cell
        for place, cell in enumerate(cells)
    ]


def _without_mark(cells: list[str | None]) -> list[str | None]:
    return [cells[0].lstrip("\ufeff") if cells[0] else cells[0], *cells[1:]] if cells else []
