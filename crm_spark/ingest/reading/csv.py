"""Headers of CSV files, read as Spark reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.ingest.messages import first_line
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.words import counted

# The column of a line that does not fit its file: the line as it came.
CORRUPT_RECORD = "_corrupt_record"


class CsvHeaders:
    """Reads the first record of files by the parser, and the options, that Spark reads all by."""

    def __init__(self, spark: SparkSession, options: Mapping[str, Any], description: str) -> None:
        self._spark = spark
        jvm: Any = spark._jvm
        given = {key: _as_text(value) for key, value in options.items()}
        self._is_multiline = is_option_true(options, "multiLine")
        self._has_header = is_option_true(options, "header")
        try:
            java_options = jvm.PythonUtils.toScalaMap(given)
            csv = jvm.org.apache.spark.sql.catalyst.csv.CSVOptions(java_options, False, "UTC")
            self._charset = str(csv.charset())
            self._comment = chr(ord(csv.comment())) if csv.isCommentSet() else None
            self._parser = jvm.com.univocity.parsers.csv.CsvParser(csv.asParserSettings())
        except Exception as error:
            text = f"source {description} cannot be read: options: {first_line(error)}"
            raise DataError(text) from error

    def columns(self, uri: str) -> list[str]:
        """Give the names of a file's columns; none of an empty file.

        Without a header they are _c0, _c1 and so on. Raises what the filesystem raises.
        """
        cells = self._first_record(uri)
        if not self._has_header:
            return [f"_c{place}" for place in range(len(cells))]
        return safe_names(cells)

    def _first_record(self, uri: str) -> list[str | None]:
        with HadoopFile(self._spark, uri, is_uri=True).reader(self._charset) as reader:
            if self._is_multiline:
                self._parser.beginParsing(reader)
                record = self._parser.parseNext()
                self._parser.stopParsing()
            else:
                line = self._first_line(reader)
                record = None if line is None else self._parser.parseLine(line)
        return [] if record is None else _without_mark(list(record))

    def _first_line(self, reader: Any) -> str | None:
        while (line := reader.readLine()) is not None:
            is_comment = self._comment is not None and line.startswith(self._comment)
            if line.lstrip("\ufeff").strip() and not is_comment:
                return str(line.lstrip("\ufeff"))
        return None


def safe_names(cells: Sequence[str | None]) -> list[str]:
    """Name columns as Spark does: _c0 where a cell is empty, name2 where it is repeated."""
    lowered = [cell.lower() for cell in cells if cell]
    repeated = {name for name in lowered if lowered.count(name) > 1}
    return [
        f"_c{place}" if not cell else f"{cell}{place}" if cell.lower() in repeated else cell
        for place, cell in enumerate(cells)
    ]


def reason_of_misfit(options: Mapping[str, Any], n_columns: int) -> Column:
    """Give the reason of a line of another number of fields, with the option that may mend it.

    Reads _corrupt_record. Fields can be counted by their separators where nothing is quoted.
    """
    line = F.col(CORRUPT_RECORD)
    separator = str(_option(options, "sep", "delimiter") or ",").replace("\\t", "\t")
    quote = str(_option(options, "quote") or '"')
    n_quotes = F.length(line) - F.length(F.replace(line, F.lit(quote), F.lit("")))
    n_separators = F.length(line) - F.length(F.replace(line, F.lit(separator), F.lit("")))
    n_fields = (n_separators / len(separator) + 1).cast("int").cast("string")
    start = "the row does not fit the file's header"
    fields = F.when(n_fields == "1", F.lit(" field")).otherwise(F.lit(" fields"))
    columns = counted(n_columns, "column")
    many = F.concat(F.lit(f"{start}: {columns}, but "), n_fields, fields)
    reasons = F.when(n_quotes == 0, many)
    if not is_option_true(options, "multiLine"):
        hint = "a quote is not closed in its line: give options: {multiLine: true}"
        reasons = reasons.when(n_quotes % 2 == 1, F.lit(f"{start}: {hint}"))
    if str(_option(options, "escape") or "") != quote:
        hint = f"quotes within a field are doubled: give options: {{escape: '{quote}'}}"
        reasons = reasons.when(F.contains(line, F.lit(quote * 2)), F.lit(f"{start}: {hint}"))
    return reasons.otherwise(F.lit(f"{start} or format: {columns}"))


def _option(options: Mapping[str, Any], *names: str) -> Any:
    """Give an option by any of its names; Spark does not look at the case of letters."""
    lowered = {key.lower(): value for key, value in options.items()}
    return next((lowered[name] for name in names if name in lowered), None)


def _without_mark(cells: list[str | None]) -> list[str | None]:
    return [cells[0].lstrip("\ufeff") if cells[0] else cells[0], *cells[1:]] if cells else []


def is_option_true(options: Mapping[str, Any], name: str) -> bool:
    """Whether an option is on, however it is spelled."""
    return _as_text(_option(options, name.lower()) or "false").lower() == "true"


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
