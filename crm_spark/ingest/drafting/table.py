"""What was seen of a table: how it is read, and its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.reading.place import Format


@dataclass(frozen=True)
class Reading:
    """How a table is read: keys of a source, or of an input of its query."""

    paths: tuple[str, ...] = ()
    table: str | None = None
    format: Format | None = None
    options: Mapping[str, str | bool] = field(default_factory=dict)
    skip_lines: int = 0


@dataclass(frozen=True)
class Query:
    """Where the columns of a query are from: its FROM, and the SQL of each column by its name.

    With `parts` a FROM is made of those alone that a used column needs, in order, each with the
    parts that it stands on.
    """

    start: str
    origins: Mapping[str, str]
    parts: Mapping[str, str] = field(default_factory=dict)
    part_of: Mapping[str, str] = field(default_factory=dict)
    stands_on: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A table of which rows were looked at; `questions` are on how it is read.

    `inputs` are what its `query` reads, where it is no table by itself.
    """

    name: str
    inputs: Mapping[str, Reading]
    columns: tuple[Column, ...]
    n_files: int = 1
    query: Query | None = None
    has_header: bool = True
    questions: tuple[str, ...] = ()

    @property
    def reading(self) -> Reading:
        """How it is read, where it is one table."""
        return next(iter(self.inputs.values()))

    @property
    def n_rows(self) -> int:
        """The number of rows looked at."""
        return max((column.n for column in self.columns), default=0)
