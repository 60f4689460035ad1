"""Lines of CSV files that options.comment keeps from being read, though they look like rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crm_spark.ingest.loading.delivery import Delivery
from crm_spark.ingest.reading.broken import is_broken
from crm_spark.ingest.reading.csv_options import (
    encoding_of,
    is_read_as_a_whole,
    option_of,
    separator_of,
)
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.tables.checks import Verdict
from crm_spark.words import counted

COMMENT_LINES = "comment_lines"

# Spark leaves such lines out unseen, so that they are looked for apart, at the begin of few files.
_N_LINES, _N_FILES = 10_000, 10


@dataclass(frozen=True)
class Looked:
    """The lines below the header that were looked at, and those that are comments like rows."""

    n_lines: int
    n_like_rows: int
    is_whole: bool


def comment_verdict(delivery: Delivery) -> list[Verdict]:
    """Say how many lines of new files begin with the comment sign and have a row's separators.

    Notes above the header, and others of no row's form, are what the option is for. In files that
    are read as a whole a line may be of a field: they are not looked at.
    """
    section, name = delivery.source.section, delivery.source.name
    sign = str(option_of(section.options, "comment") or "")[:1]
    if section.format != "csv" or not sign or is_read_as_a_whole(section.options):
        return []
    uris = [uri for uri in delivery.plan.read if not is_broken(uri, delivery.broken)]
    looked = [_look(delivery, uri, sign) for uri in uris[:_N_FILES]]
    n = sum(one.n_like_rows for one in looked)
    if not n:
        return []
    is_all = len(uris) <= _N_FILES and all(one.is_whole for one in looked)
    n_lines = sum(one.n_lines for one in looked)
    of_lines = f"of {'' if is_all else 'the first '}{counted(n_lines, 'line')}"
    found = f"{n:,} {of_lines}"
    message = (
        f"{name}: {of_lines}, {n:,} below the header begin with {sign} and look like rows: they "
        "are not read (options.comment), and are in no count. If they are rows, leave the option "
        "out, and name the number of notes above the header in skip_lines"
    )
    needed = f"rows that do not begin with {sign}"
    return [Verdict(COMMENT_LINES, name, found, needed, "warning", message)]


def _look(delivery: Delivery, uri: str, sign: str) -> Looked:
    section, spark = delivery.source.section, delivery.run.spark
    separator = separator_of(section.options)
    with HadoopFile(spark, uri, is_uri=True).reader(encoding_of(section.options)) as reader:
        jvm = spark._jvm
        assert jvm is not None
        joined = jvm.java.util.stream.Collectors.joining("\n")
        # One answer of the JVM, not one a line.
        text = str(reader.lines().limit(_N_LINES + 1).collect(joined))
    lines = text.split("\n")
    rows = like_rows(lines[section.skip_lines : _N_LINES], sign, separator)
    return Looked(len(lines[:_N_LINES]), rows, is_whole=len(lines) <= _N_LINES)


def like_rows(lines: Sequence[str], sign: str, separator: str) -> int:
    """Count the comments below the first line that is none which have as many separators as it.

    >>> like_rows(["# of today", "nr,sku", "#1,TEE", "# the end", "2,CAP"], "#", ",")
    1
    """
    is_comment = [line.startswith(sign) for line in lines]
    header = next(
        (place for place, line in enumerate(lines) if line.strip() and not is_comment[place]), None
    )
    if header is None:
        return 0
    n_separators = lines[header].count(separator)
    return sum(
        is_comment[place] and lines[place].count(separator) == n_separators
        for place in range(header + 1, len(lines))
    )
