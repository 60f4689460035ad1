"""A place that rows are read from: files, a table, or what a database gives."""

from __future__ import annotations

from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crm_spark.ingest.reading.options import misspelt_options

Format = Literal["csv", "json", "parquet", "orc", "delta", "jdbc", "table"]
FILE_FORMATS = ("csv", "json", "parquet", "orc")


class PlaceSection(BaseModel):
    """Where rows are, and how they are read: files, a table, or what a database gives.

    `skip_lines` lines of each CSV file stand above its header.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | list[str] | None = None
    table: str | None = None
    jdbc: dict[str, str | int] | None = None
    format: Format | None = None
    options: dict[str, str | int | float | bool] = {}
    skip_lines: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        places = self._places
        given = [key for key in places if getattr(self, key)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            named = f"{', '.join(places[:-1])} and {places[-1]}"
            raise ValueError(f"expected one of {named}, found {found}")
        if given == ["path"] and self.format in (None, "jdbc", "table"):
            raise ValueError("a path needs format: csv, json, parquet, orc or delta")
        if self.jdbc is not None and not {"url"} <= set(self.jdbc):
            raise ValueError("jdbc needs at least url and dbtable (or query)")
        if self.skip_lines and self.format != "csv":
            raise ValueError("skip_lines is for format: csv")
        if self.skip_lines and str(self.options.get("inferSchema", "")).lower() == "true":
            raise ValueError("skip_lines needs columns of text: leave inferSchema out")
        if self.format in FILE_FORMATS and (faults := misspelt_options(self.options)):
            raise ValueError("; ".join(faults))
        return self

    @property
    def _places(self) -> tuple[str, ...]:
        return ("path", "table", "jdbc")

    @property
    def paths(self) -> list[str]:
        """The paths, one or many."""
        if self.path is None:
            return []
        return [self.path] if isinstance(self.path, str) else list(self.path)

    @property
    def description(self) -> str:
        """What a message or a row calls this place; no URL, since it may hold a password."""
        if self.path is not None:
            return ", ".join(self.paths)
        if self.table is not None:
            return f"table {self.table}"
        assert self.jdbc is not None
        return f"jdbc {self.jdbc.get('dbtable', 'query')}"


class Place(Protocol):
    """What reading asks of a source, or of one of its inputs."""

    @property
    def section(self) -> PlaceSection:
        """Where it is, and how it is read."""

    @property
    def time_zone(self) -> str:
        """The time zone of stamps without one."""

    @property
    def is_files(self) -> bool:
        """Whether it is files."""

    @property
    def description(self) -> str:
        """What a message calls it."""
