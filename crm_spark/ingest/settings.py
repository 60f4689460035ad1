"""Settings of the ingest: the sources, the business days' time zone, and the currencies."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from typing import cast

from pyspark.sql import types as T

from crm_spark.ingest.mapping.currency import CurrenciesSection
from crm_spark.ingest.reading.place import FILE_FORMATS, PlaceSection
from crm_spark.ingest.sources import SourceSection, SourcesSection, attribute
from crm_spark.ingest.versions.resolve import Identity
from crm_spark.lake.contract import Column, Table
from crm_spark.tables.core import EXCHANGE_RATES, SOURCE_TABLES, TRANSACTIONS, rejected
from crm_spark.tables.history import VALID_FROM


@dataclass(frozen=True)
class Input:
    """One of the files or tables that the query of a source reads."""

    name: str
    section: PlaceSection
    time_zone: str

    @property
    def is_files(self) -> bool:
        """Whether it is files."""
        return self.section.format in FILE_FORMATS

    @property
    def description(self) -> str:
        """What a message calls it."""
        return f"{self.name}: {self.section.description}"


@dataclass(frozen=True)
class Source:
    """One source: its section, the time zone of its stamps, and the currency of its amounts.

    `currencies` is None where the amounts stay as they are.
    """

    name: str
    section: SourceSection
    time_zone: str
    currencies: CurrenciesSection | None = None

    @property
    def table(self) -> Table:
        """The core table that the source fills."""
        return SOURCE_TABLES[self.name]

    @property
    def row_table(self) -> Table:
        """The core table with each attribute as a column of its own, as rows are mapped to it."""
        named = self.section.attributes
        if not named:
            return self.table
        columns: list[Column] = []
        for column in self.table.columns:
            if column.mapping != "gathered":
                columns.append(column)
                continue
            entry = cast(T.StructType, cast(T.ArrayType, column.type).elementType)
            kind = entry["value"].dataType
            columns += [
                Column(attribute(column.name, name), kind, column.comment, mapping="optional")
                for name in named[column.name]
            ]
        return replace(self.table, columns=tuple(columns))

    @property
    def rejected(self) -> Table:
        """The table of its rows that cannot be used."""
        return rejected(self.table)

    @property
    def is_files(self) -> bool:
        """Whether the source is files, of which each is read once."""
        return self.section.format in FILE_FORMATS

    @property
    def description(self) -> str:
        """What a message or a row calls the source."""
        return self.section.description

    @property
    def inputs(self) -> list[Input]:
        """What its query reads; nothing where it has none."""
        given = self.section.inputs or {}
        return [Input(name, section, self.time_zone) for name, section in given.items()]

    @property
    def identity(self) -> Identity:
        """How its rows are told apart, from what its mapping gives."""
        table, columns = self.table, self.section.columns
        has_id = has_own_id(table, columns)
        closing = {"is_deleted", "replaces_order"} & set(columns)
        can_close = table.event_time is not None and (has_id or bool(closing))
        keeps_identical = self.section.cleaning.duplicates == "keep"
        return Identity(
            table,
            has_id=has_id,
            can_close=can_close,
            keeps_identical=keeps_identical,
            is_dated=VALID_FROM in columns,
        )


def has_own_id(table: Table, columns: Container[str]) -> bool:
    """Whether rows mapped to these columns say by themselves which of them are one."""
    return table.event_time is None or table.id_column in columns


@dataclass(frozen=True)
class IngestSettings:
    """The sections of the configuration that the ingest depends on."""

    sources: SourcesSection
    time_zone: str
    currencies: CurrenciesSection | None = None

    def given(self) -> list[Source]:
        """Give the sources that are mapped, transactions first."""
        return [self._source(name, section) for name, section in self.sources.given().items()]

    def waves(self) -> list[list[Source]]:
        """Give the sources in the order of loading; what a later one reads is loaded by then."""
        sources = self.given()
        if self.currencies is None:
            return [sources]
        rates = [source for source in sources if source.table is EXCHANGE_RATES]
        return [rates, [source for source in sources if source.table is not EXCHANGE_RATES]]

    def _source(self, name: str, section: SourceSection) -> Source:
        zone = section.time_zone or self.time_zone
        is_converted = SOURCE_TABLES[name] is TRANSACTIONS
        return Source(name, section, zone, self.currencies if is_converted else None)
