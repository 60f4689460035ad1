"""What an ingest has to say of a source beyond counts: rows of ops.checks, and last lines."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from crm_spark.ingest.planning.found import Found
from crm_spark.ingest.reading.broken import is_broken
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import TableCounts
from crm_spark.tables.checks import Verdict

REJECTED_FILE, HIDDEN_FILE, ABSENT_COLUMN = "rejected_file", "hidden_file", "absent_column"


def file_verdicts(found: Found) -> list[Verdict]:
    """Judge the files of a source: those lost, those left out, and those that lack a column."""
    return [*_rejected(found), *_hidden(found), *_absent(found)]


def name_files(counts: TableCounts, found: Found) -> None:
    """Put the files that are not loaded into the summary."""
    counts.files_rejected = [_name(file) for file in sorted(found.broken)]
    counts.files_skipped = [_name(file) for file in found.listing.hidden]


def log_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Say errors and warnings, as the last words of a run."""
    for verdict in verdicts:
        if verdict.level == "error":
            log.error(verdict.message)
        elif verdict.level == "warning":
            log.warning(verdict.message)


def _rejected(found: Found) -> list[Verdict]:
    name = found.source.name
    return [
        Verdict(
            REJECTED_FILE,
            f"{name}: {_name(file)}",
            why,
            "a file that can be read and has the columns that are mapped",
            "error",
            f"{name}: the file {_name(file)} is not loaded, all its rows are missing: {why}. Mend "
            "the file or the mapping, and ingest again",
        )
        for file, why in sorted(found.broken.items())
    ]


def _hidden(found: Found) -> list[Verdict]:
    name = found.source.name
    return [
        Verdict(
            HIDDEN_FILE,
            f"{name}: {_name(file)}",
            "a name that begins with _ or .",
            "another name, if it holds data",
            "warning",
            f"{name}: the file {_name(file)} is left out, as names that begin with _ or . are of "
            "no data: rename it to load it",
        )
        for file in found.listing.hidden
    ]


def _absent(found: Found) -> list[Verdict]:
    name = found.source.name
    files: dict[str, list[str]] = {}
    for uri, layout in found.layouts.items():
        absent = found.absent.get(layout)
        if absent is not None and not is_broken(uri, found.broken):
            for column in absent.names:
                files.setdefault(column, []).append(uri)
    return [
        Verdict(
            ABSENT_COLUMN,
            f"{name}: {column}",
            f"{len(uris):,} files without it",
            "a column that the mapping reads in every file",
            "warning",
            f"{name}: {_listed(uris)} no column {column}, which the mapping reads: taken as null",
        )
        for column, uris in sorted(files.items())
    ]


def _listed(uris: list[str]) -> str:
    if len(uris) == 1:
        return f"the file {_name(uris[0])} has"
    return f"{len(uris):,} files, {_name(sorted(uris)[0])} first, have"


def _name(file: str) -> str:
    return unquote(file).rpartition("/")[2]
