"""Sources: what the user's tables are, and how their columns become ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crm_spark.errors import nearest
from crm_spark.ingest.mapping.cleaning import CleaningSection
from crm_spark.ingest.mapping.expressions import as_sql
from crm_spark.ingest.reading.place import FILE_FORMATS, PlaceSection
from crm_spark.lake.contract import Table
from crm_spark.tables.core import CATEGORIES, NUMBERS, SOURCE_TABLES


def known_time_zone(value: str) -> str:
    """Give `value` back where it names a time zone; else say which one comes nearest."""
    if value in available_timezones():
        return value
    raise ValueError(f"{value!r} is no time zone{nearest(value, available_timezones())}")


class SourceSection(PlaceSection):
    """One source: where its rows are, and how their columns become ours.

    `query` makes its rows of several `inputs`, which it reads by their names. `watermark` is an
    expression over the columns of a table or query whose value never falls: what is new has a
    higher one than all that was read.
    """

    inputs: dict[str, PlaceSection] | None = None
    query: str | None = None
    time_zone: str | None = None
    where: str | None = None
    watermark: str | None = None
    columns: dict[str, str]
    cleaning: CleaningSection = Field(default_factory=CleaningSection)

    @field_validator("columns", mode="before")
    @classmethod
    def _expressions_are_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: text if text is None else str(text) for key, text in value.items()}
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone_is_known(cls, value: str | None) -> str | None:
        return known_time_zone(value) if value else value

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        if self.watermark is not None and self.format in FILE_FORMATS:
            raise ValueError("a watermark is for tables and queries; of files the new are read")
        if (self.inputs is None) != (self.query is None):
            raise ValueError("inputs and query go together: the query reads the inputs by name")
        if self.inputs is None:
            return self
        if self.watermark is not None or self.format is not None or self.options:
            raise ValueError(
                "with inputs, format and options are theirs, and there is no watermark"
            )
        strange = [name for name in self.inputs if not re.fullmatch(r"[A-Za-z_]\w*", name)]
        if strange:
            raise ValueError(f"inputs: {', '.join(strange)}: a name has letters, digits and _ only")
        return self

    @property
    def _places(self) -> tuple[str, ...]:
        return ("path", "table", "jdbc", "inputs")

    @property
    def attributes(self) -> Mapping[str, Mapping[str, str]]:
        """The expressions of attributes of any names, by the column that gathers them."""
        return {}

    @property
    def mapping(self) -> dict[str, str]:
        """The expressions of all that becomes of a row, columns and attributes, by name."""
        attributes = {
            attribute(kind, name): text
            for kind, named in self.attributes.items()
            for name, text in named.items()
        }
        return {**self.columns, **attributes}

    @property
    def expressions(self) -> dict[str, str]:
        """The expressions over the source's columns, by their keys."""
        expressions = {f"columns.{name}": text for name, text in self.mapping.items()}
        return expressions | ({"where": self.where} if self.where else {})

    @property
    def description(self) -> str:
        """What a message or a row calls this source; no URL, since it may hold a password."""
        return f"query over {', '.join(self.inputs)}" if self.inputs else super().description


_SINGULAR = {NUMBERS: "number", CATEGORIES: "category"}


def attribute(kind: str, name: str) -> str:
    """Name an attribute among the columns of a row, as reasons call it: "number tenure"."""
    return f"{_SINGULAR[kind]} {name}"


def as_configured(fault: str) -> str:
    """Give a fault with the key under which the user wrote the attribute that it is of."""
    for kind, noun in _SINGULAR.items():
        fault = fault.replace(f"columns.{noun} ", f"{kind}.", 1)
    return fault


class ContractsSection(SourceSection):
    """Contract customers: besides columns, attributes of any names that may tell who leaves.

    `numbers` and `categories` are lists of columns of the source, or names with expressions over
    these. What holds nothing but blanks is not known; a number that cannot be read is a reason for
    rejection.
    """

    numbers: dict[str, str] = Field(default_factory=dict)
    categories: dict[str, str] = Field(default_factory=dict)

    @field_validator(NUMBERS, CATEGORIES, mode="before")
    @classmethod
    def _lists_name_columns(cls, value: Any) -> Any:
        if isinstance(value, list):
            twice = sorted({str(name) for name in value if value.count(name) > 1})
            if twice:
                raise ValueError(f"{', '.join(twice)} is named twice")
            return {str(name): as_sql(str(name)) for name in value}
        return SourceSection._expressions_are_text(value)

    @field_validator(NUMBERS, CATEGORIES)
    @classmethod
    def _names_are_plain(cls, value: dict[str, str]) -> dict[str, str]:
        if strange := [name for name in value if not re.fullmatch(r"\w[\w -]*", name)]:
            raise ValueError(
                f"{', '.join(strange)}: a name has letters, digits, blanks, _ and - only: "
                "write name: expression"
            )
        return value

    @model_validator(mode="after")
    def _something_is_known(self) -> Self:
        if not self.numbers and not self.categories:
            raise ValueError("needs numbers or categories: what may tell who leaves")
        names = [name.lower() for name in (*self.numbers, *self.categories)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"{', '.join(twice)}: stands twice under numbers and categories; names differ by "
                "more than capital letters"
            )
        return self

    @property
    def attributes(self) -> Mapping[str, Mapping[str, str]]:
        """The expressions of the attributes, by the column that gathers them."""
        return {NUMBERS: self.numbers, CATEGORIES: self.categories}


def mapping_key_faults(sources: Any) -> list[str]:
    """Say which mapped columns of the raw `sources` section are unknown, missing or at odds."""
    faults: list[str] = []
    for name, table in SOURCE_TABLES.items():
        source = sources.get(name) if isinstance(sources, dict) else None
        columns = source.get("columns") if isinstance(source, dict) else None
        if not isinstance(columns, dict):
            continue
        known = {column.name: column for column in table.columns if column.has_expression}
        path = f"sources.{name}.columns"
        for key in columns:
            if key not in known:
                hint = nearest(str(key), known) or f", known: {', '.join(known)}"
                faults.append(f"{path}.{key}: unknown column{hint}")
        faults += [
            f"{path}.{key}: is missing ({column.comment})"
            for key, column in known.items()
            if column.mapping == "required" and key not in columns
        ]
        faults += [f"{path}.{fault}" for fault in _closing_faults(table, columns)]
        faults += [f"sources.{name}.{fault}" for fault in _missing_faults(source or {}, known)]
    return faults


def _missing_faults(source: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """Say which columns of cleaning.missing are none of the table's, or are not mapped."""
    rules = source.get("cleaning")
    given = rules.get("missing") if isinstance(rules, dict) else None
    faults = []
    for key in given if isinstance(given, dict) else ():
        if key not in known:
            hint = nearest(str(key), known) or f", known: {', '.join(known)}"
            faults.append(f"cleaning.missing.{key}: unknown column{hint}")
        elif key not in source["columns"]:
            faults.append(f"cleaning.missing.{key}: is not mapped: map it to the constant instead")
    return faults


def _closing_faults(table: Table, columns: Mapping[str, str]) -> list[str]:
    """Say what corrections and deletions need that is not mapped."""
    own_id = table.id_column
    faults = [
        f"{key}: needs arrived_at, mapped: a row closes what arrived before it"
        for key in ("is_deleted", "replaces_order")
        if key in columns and "arrived_at" not in columns
    ]
    if "replaces_order" in columns and own_id in columns:
        faults.append(
            f"replaces_order: is for orders without a mapped {own_id}; with one each row "
            "replaces its own line"
        )
    if "is_deleted" in columns and own_id not in columns and "order_id" not in columns:
        faults.append(f"is_deleted: needs {own_id}, mapped: it says what is void")
    return faults


class SourcesSection(BaseModel):
    """The sources by the name of the core table they fill.

    Transactions are needed, or contracts, where customers have a label of their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transactions: SourceSection | None = None
    products: SourceSection | None = None
    customers: SourceSection | None = None
    events: SourceSection | None = None
    feedback: SourceSection | None = None
    campaign_contacts: SourceSection | None = None
    exchange_rates: SourceSection | None = None
    contracts: ContractsSection | None = None

    @model_validator(mode="after")
    def _there_is_something_to_learn_from(self) -> Self:
        if self.transactions is None and self.contracts is None:
            raise ValueError(
                "transactions is missing; where customers have contracts instead of orders, and a "
                "table says who has left, give contracts"
            )
        return self

    def given(self) -> dict[str, SourceSection]:
        """The sources that are mapped, transactions first."""
        return {name: getattr(self, name) for name in SOURCE_TABLES if getattr(self, name)}
