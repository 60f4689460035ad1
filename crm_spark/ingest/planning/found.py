"""What there is of a source: its files or its table, and how the rows of each file are read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import ConfigError, DataError
from crm_spark.ingest.mapping.rows import Origin, map_rows, origin_of
from crm_spark.ingest.planning.fit import expression_faults, fit_files
from crm_spark.ingest.planning.header_help import header_help
from crm_spark.ingest.planning.source_files import Item
from crm_spark.ingest.reading.broken import (
    BrokenFiles,
    comparable,
    is_broken,
    readable,
    reject_files,
)
from crm_spark.ingest.reading.by_layout import LayoutRows, read_by_layout
from crm_spark.ingest.reading.files import Listing, list_files, together
from crm_spark.ingest.reading.inputs import (
    QueryRows,
    list_inputs,
    read_query,
    require_all_files,
    with_columns_of,
)
from crm_spark.ingest.reading.layout import Layout, read_layouts, with_types_of_others
from crm_spark.ingest.reading.rows import read_files, read_whole
from crm_spark.ingest.reading.schema import SourceSchema, ddl_of
from crm_spark.ingest.reading.shapes import with_nulls
from crm_spark.ingest.settings import Source


@dataclass(frozen=True)
class Part:
    """Rows that have the same columns: those of files of one layout, or of a table.

    `schema` is of what the files hold; `rows` have besides, as nulls, the columns that the mapping
    reads and other files of the source hold. `misfit` is the reason of a line that does not fit;
    `origin` is where the rows are from, where that is not as of all rows of the source.
    """

    rows: DataFrame
    schema: SourceSchema
    uris: tuple[str, ...] = ()
    misfit: Column | None = None
    origin: Origin | None = None

    def mapped(
        self, source: Source, *, rates: DataFrame | None = None, keep_row: bool = False
    ) -> DataFrame:
        """Give the rows in the columns of core, as map_rows() does; with them as they came."""
        return map_rows(
            self.rows,
            source,
            self.origin or origin_of(source),
            rates=rates,
            misfit=self.misfit,
            row_columns=self.schema.fields.names if keep_row else None,
        )


@dataclass(frozen=True)
class Found:
    """A source as it is there. `broken` files, which may become more, are rejected whole.

    `items` tell its content, once they were asked for. `layouts` are known of the files, or of the
    table, that were looked into, and `schemas` of the layouts that were read; `absent` are the
    columns that files of a layout lack, though the mapping reads them, `reshaped` those that have
    more fields, or values, in others. `inputs` are the files of each input of a query, `queried`
    are its rows, once they were asked for; `changed` says how the columns differ from those loaded
    before. `frames_made` are rows of files that were asked for before: Spark takes a while to
    analyse them.
    """

    source: Source
    listing: Listing = field(default_factory=Listing)
    items: list[Item] = field(default_factory=list)
    layouts: dict[str, Layout] = field(default_factory=dict)
    schemas: dict[Layout, SourceSchema] = field(default_factory=dict)
    absent: dict[Layout, T.StructType] = field(default_factory=dict)
    reshaped: dict[Layout, T.StructType] = field(default_factory=dict)
    inputs: dict[str, Listing] = field(default_factory=dict)
    queried: list[QueryRows] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    frames_made: dict[Hashable, list[LayoutRows]] = field(default_factory=dict, compare=False)

    @property
    def broken(self) -> BrokenFiles:
        """The files that are rejected whole, with the reason."""
        return self.listing.broken

    def parts(self, spark: SparkSession, uris: Iterable[str]) -> list[Part]:
        """Give the rows of files that were looked into, but for those that are rejected."""
        usable = [uri for uri in uris if not is_broken(uri, self.broken)]
        key = tuple((uri, self.layouts[uri]) for uri in usable)
        if key not in self.frames_made:
            self.frames_made[key] = read_by_layout(spark, self.source, self.layouts, usable)
        return [self._part(read) for read in self.frames_made[key]]

    def whole(self, spark: SparkSession) -> list[Part]:
        """Give the rows of a table, or of a query and what its inputs' files could not give it."""
        source = self.source
        if not source.inputs:
            rows = read_whole(spark, source.section)
            return [Part(rows, SourceSchema.of(rows))]
        require_all_files(self.broken)
        if not self.queried:  # it opens every file of the inputs
            self.queried.append(read_query(spark, source, self.inputs, self.copies()))
        found = self.queried[0]
        schema = SourceSchema.of(found.rows)
        misfits = [
            Part(
                with_columns_of(one, found.rows.schema),
                schema,
                misfit=one.reason,
                origin=Origin(F.input_file_name(), F.lit(None)),
            )
            for one in found.misfits
        ]
        return [Part(found.rows, schema), *misfits]

    def copies(self) -> frozenset[str]:
        """Give the files of inputs that hold what an earlier file of the same input does."""
        content = {item.item: item.content for item in self.items}
        copies = set()
        for listing in self.inputs.values():
            seen: set[str] = set()
            for file in listing.files:
                known = content.get(file.uri)
                if known is not None and known in seen:
                    copies.add(comparable(file.uri))
                seen.add(known or "")
        return frozenset(copies)

    def _part(self, read: LayoutRows) -> Part:
        absent, reshaped = self.absent.get(read.layout), self.reshaped.get(read.layout)
        schema = self.schemas.setdefault(read.layout, SourceSchema.of(read.rows))
        return Part(with_nulls(read.rows, absent, reshaped), schema, read.uris, read.misfit)


def look_at(spark: SparkSession, source: Source) -> Found:
    """List the files of a source, where it is files."""
    if source.is_files:
        return Found(source, list_files(spark, source.section))
    inputs = list_inputs(spark, source)
    return Found(source, together(inputs.values()), inputs=inputs)


def _keep_numbers(spark: SparkSession, found: Found, uris: Iterable[str]) -> None:
    """Leave stamps in nanoseconds as the numbers they are where the mapping reckons with these."""
    stamps = {found.layouts[uri] for uri in uris if uri in found.layouts}
    for layout in (one for one in stamps if one.nanoseconds):
        as_numbers = replace(layout, nanoseconds=())
        of_layout = [uri for uri, one in found.layouts.items() if one == layout]
        n_faults = [
            len(expression_faults(found.source, read_files(spark, found.source, one, of_layout)))
            for one in (layout, as_numbers)
        ]
        if n_faults[1] < n_faults[0]:
            found.layouts.update(dict.fromkeys(of_layout, as_numbers))


def _look_into_table(spark: SparkSession, found: Found) -> list[str]:
    source = found.source
    if source.description in found.layouts:
        return []
    try:
        rows = found.whole(spark)[0].rows
    except ConfigError as error:
        return [str(error)]
    layout = Layout(ddl_of(rows.schema))
    found.layouts[source.description] = layout
    found.schemas[layout] = SourceSchema(layout.ddl)
    return expression_faults(source, rows)


def look_into(
    spark: SparkSession, found: Found, uris: Iterable[str], known: Iterable[SourceSchema] = ()
) -> list[str]:
    """Read which columns these files have, and give what of the mapping fits none of them.

    Files that it does not fit, where it fits others, are rejected whole; `known` are the columns of
    files that were loaded. Of a table its columns are looked at. Raises DataError where nothing can
    be read.
    """
    source = found.source
    if not source.is_files:
        return _look_into_table(spark, found)
    wanted = {uri for uri in uris if uri not in found.layouts and not is_broken(uri, found.broken)}
    new = [file for file in found.listing.files if file.uri in wanted]
    found.layouts.update(read_layouts(spark, source, new, found.broken))
    seen = [schema for schema in known if schema.ddl]
    others = [schema.fields for schema in seen]
    found.layouts.update(with_types_of_others(spark, source, found.layouts, others))
    if not seen:
        readable(source.description, [file.uri for file in found.listing.files], found.broken)
    _keep_numbers(spark, found, wanted)
    parts = found.parts(spark, wanted)
    if not parts:
        if wanted and not seen:
            raise DataError(f"source {source.description} is empty: it has no column")
        return []
    fit = fit_files(source, {part.uris: part.rows for part in parts}, seen)
    if fit.faults and source.section.format == "csv":
        part = parts[0]
        names = found.layouts[part.uris[0]].schema.names
        if help_of_header := header_help(spark, source, part.uris[0], names):
            return [help_of_header]
    reject_files(
        found.broken, {uri: _with_help(spark, found, uri, why) for uri, why in fit.rejected.items()}
    )
    found.absent.update({found.layouts[uri]: columns for uri, columns in fit.absent.items()})
    found.reshaped.update({found.layouts[uri]: columns for uri, columns in fit.reshaped.items()})
    return list(fit.faults)


def _with_help(spark: SparkSession, found: Found, uri: str, why: str) -> str:
    """Give why a file is rejected: by which options it could be read, where that can be seen."""
    if found.source.section.format != "csv":
        return why
    help_of_header = header_help(spark, found.source, uri, found.layouts[uri].schema.names)
    if help_of_header is None:
        return why
    _, _, what = help_of_header.partition(": ")
    return (
        f"it has none of the mapped columns: {what} to a source of its own, or export it as the "
        "others are"
    )
