"""Drafts of texts, as draft_config makes them of files, without any Spark."""

from __future__ import annotations

from typing import Any

import yaml

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.dialect import parse
from crm_spark.ingest.drafting.draft import Draft, draft_of
from crm_spark.ingest.drafting.encoding import encoding_of
from crm_spark.ingest.drafting.find import Seen
from crm_spark.ingest.drafting.groups import grouped
from crm_spark.ingest.drafting.table import Sample
from crm_spark.ingest.drafting.tables import text_sample
from crm_spark.ingest.drafting.texts import TextFile
from crm_spark.ingest.reading.files import SourceFile


def text_file(name: str, text: str, *, encoding: str = "utf-8") -> TextFile:
    """Give a file of a text, as it is read of a disk."""
    data = text.encode(encoding)
    found = encoding_of(data)
    read = found.decode(data)
    file = SourceFile(f"file:/d/{name}", len(data), 0, "file:/d")
    return TextFile(file, found, parse(read.lstrip("\ufeff")), read)


def samples(files: dict[str, str], *, encoding: str = "utf-8") -> tuple[Sample, ...]:
    """Give the tables of texts, by the names of their files."""
    read = [text_file(name, text, encoding=encoding) for name, text in files.items()]
    groups = grouped(read, lambda file: file.names)
    return tuple(
        text_sample(group, [f"d/{file.file.uri.rpartition('/')[2]}" for file in group])
        for group in groups
    )


def draft(text: str, *, encoding: str = "utf-8") -> Draft:
    """Draft the configuration of one file."""
    return draft_of(Seen(samples({"orders.csv": text}, encoding=encoding)), "d/orders.csv")


def source(drafted: Draft) -> dict[str, Any]:
    """Give the source of a draft, as YAML has it."""
    section: dict[str, Any] = yaml.safe_load(drafted.text)["sources"]["transactions"]
    return section


def questions(drafted: Draft) -> list[str]:
    """Give the questions of a draft, each on one line."""
    found: list[str] = []
    is_open = False
    for line in map(str.strip, drafted.text.splitlines()):
        if line.startswith("# ? "):
            found.append(line.removeprefix("# ? "))
        elif is_open and line.startswith("#   "):
            found[-1] += " " + line.removeprefix("#   ")
        is_open = line.startswith("# ? ") or (is_open and line.startswith("#   "))
    return found


def column(name: str, *values: str | None, **known: Any) -> Column:
    """Give a column of values."""
    return Column(name, name, values, **known)
