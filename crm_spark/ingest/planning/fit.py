"""Whether the mapping fits a source: all of it, or files that lack a column of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.mapping.expressions import analysed, as_sql, mapping_faults
from crm_spark.ingest.mapping.ids import is_id
from crm_spark.ingest.mapping.reasons import allows_null, is_required
from crm_spark.ingest.reading.broken import BrokenFiles
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD, is_option_true
from crm_spark.ingest.reading.schema import SourceSchema
from crm_spark.ingest.reading.shapes import all_columns, lacking, reshaped, with_nulls
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import as_configured, attribute

# Files that are read alike, and their rows.
RowsOfFiles = Mapping[tuple[str, ...], DataFrame]


@dataclass(frozen=True)
class Fit:
    """What does not fit: faults of the mapping, and files that are rejected for theirs.

    `absent` are, by file, the columns that it lacks and that stand as null; `reshaped` those that
    have fields, or values, in other files, and none in it.
    """

    faults: tuple[str, ...] = ()
    rejected: BrokenFiles = field(default_factory=dict)
    absent: Mapping[str, T.StructType] = field(default_factory=dict)
    reshaped: Mapping[str, T.StructType] = field(default_factory=dict)


def expression_faults(source: Source, rows: DataFrame) -> list[str]:
    """Give what of a source's expressions does not fit these rows of it."""
    section, zone = source.section, source.time_zone
    faults = mapping_faults(
        rows, section.mapping, where=section.where, time_zone=zone, table=source.row_table
    )
    if section.watermark is not None:
        of_mark = mapping_faults(rows, {"_": section.watermark}, where=None, time_zone=zone)
        faults += [fault.replace("columns._", "watermark", 1) for fault in of_mark]
    if not faults and section.format == "csv" and is_option_true(section.options, "inferSchema"):
        faults += _guessed_ids(source, rows)
    if not faults and section.attributes:
        faults += _outcomes_as_attributes(source, rows)
    return [as_configured(fault) for fault in faults]


def _outcomes_as_attributes(source: Source, rows: DataFrame) -> list[str]:
    """Name the attributes that are read from what says who has left."""
    with lenient_analysis(rows.sparkSession, source.time_zone):
        found = analysed(rows, source.section.mapping)
    outcome = set(found["has_left"].sources) if "has_left" in found else set()
    return [
        f"{kind}.{name}: reads {', '.join(sorted(read))}, as has_left does: what tells who has "
        "left cannot tell who will: leave it out"
        for kind, named in source.section.attributes.items()
        for name in named
        if (read := outcome & set(found[attribute(kind, name)].sources))
    ]


def _guessed_ids(source: Source, rows: DataFrame) -> list[str]:
    """Name the ids that are numbers because Spark guessed the types of a text file."""
    faults = []
    with lenient_analysis(rows.sparkSession, source.time_zone):
        found = analysed(rows, source.section.mapping)
    for key, expression in found.items():
        if not is_id(source.row_table.column(key)):
            continue
        faults += [
            f"options.inferSchema: makes {name} a number, but columns.{key} reads it, and an id "
            "loses its leading zeros so: leave inferSchema out, all columns are text then"
            for name in expression.sources
            if isinstance(rows.schema[name].dataType, T.NumericType)
        ]
    return faults


def fit_files(source: Source, files: RowsOfFiles, known: Sequence[SourceSchema]) -> Fit:
    """Judge files by all columns that any file of the source has; `known` are those of others.

    What fits no file is a fault of the mapping. What fits some, and not others, rejects these: a
    column that is needed and not there, or one that looks renamed. The outcome depends on the set
    of files alone, not on which come together.
    """
    schemas = [rows.schema for rows in files.values()] + [schema.fields for schema in known]
    columns = all_columns(schemas)
    shapes = {uris: reshaped(rows.schema, columns) for uris, rows in files.items()}
    faults = {
        uris: expression_faults(
            source, with_nulls(rows, lacking(rows.schema, columns), shapes[uris])
        )
        for uris, rows in files.items()
    }
    if not known and all(faults.values()):
        return Fit(tuple(dict.fromkeys(fault for found in faults.values() for fault in found)))
    rejected: BrokenFiles = {}
    absent: dict[str, T.StructType] = {}
    for uris, rows in files.items():
        found = faults[uris] or _lacking_fields(source, rows, columns)
        without = T.StructType()
        if not found:
            found, without = _absence(source, rows, columns, schemas)
        for uri in uris:
            if found:
                rejected[uri] = "; ".join(found)
            elif without.fields:
                absent[uri] = without
    if not known and len(rejected) == sum(map(len, files)) > 0:
        return Fit(tuple(_fits_no_file(rejected)))
    changed = {uri: shapes[uris] for uris in files for uri in uris if shapes[uris].fields}
    return Fit(rejected=rejected, absent=absent, reshaped=changed)


def _fits_no_file(rejected: BrokenFiles) -> list[str]:
    """Tell what each file lacks, where none has all: most often they are to be joined first."""
    lacks = "; ".join(f"{file}: {why}" for file, why in rejected.items())
    return [
        "path: no file has all columns that are mapped. Files of a source are parts of one table "
        f"and are not joined: join them first. {lacks}"
    ]


def _lacking_fields(
    source: Source, rows: DataFrame, columns: Mapping[str, T.StructField]
) -> list[str]:
    """Give what is needed of fields that other files have within a column, and these lack."""
    own = rows.schema
    typed = reshaped(own, columns, with_fields=False)
    if typed == reshaped(own, columns):
        return []
    faults = expression_faults(source, with_nulls(rows, lacking(own, columns), typed))
    expressions = source.section.expressions
    needed = [
        key for key in expressions if _is_needed(source, key) and not allows_null(expressions[key])
    ]
    return [fault for fault in faults if fault.partition(":")[0] in needed]


def _absence(
    source: Source,
    rows: DataFrame,
    columns: Mapping[str, T.StructField],
    schemas: Sequence[T.StructType],
) -> tuple[list[str], T.StructType]:
    """Give why files that lack columns cannot be used, else the columns that stand as null."""
    without = lacking(rows.schema, columns)
    if not without.fields:
        return [], without
    whole = with_nulls(rows, without, reshaped(rows.schema, columns))
    names = {column.name.lower() for column in without.fields}
    with lenient_analysis(rows.sparkSession, source.time_zone):
        found = analysed(whole, source.section.expressions)
    reads = {key: expression.sources for key, expression in found.items()}
    used = {name.lower() for found in reads.values() for name in found}
    needed: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for key, text in source.section.expressions.items():
        if allows_null(text):
            continue
        for name in (name for name in reads[key] if name.lower() in names):
            reason = f"it has no column {name}, which {key} reads"
            if _is_needed(source, key):
                needed.setdefault(name, reason)
            elif source.section.format != "json":
                # A field of JSON that is null in all rows of a file is not written at all.
                new = _new_columns(name, rows, schemas, used)
                if new:
                    renamed.setdefault(name, reason + _renamed(name, new))
    kept = [column for column in without.fields if column.name.lower() in used]
    return list((needed or renamed).values()), T.StructType(kept)


def _is_needed(source: Source, key: str) -> bool:
    """Whether a row without the value of an expression is lost."""
    name = key.removeprefix("columns.")
    return key == "where" or is_required(source.row_table.column(name), source.table)


def _new_columns(
    name: str, rows: DataFrame, schemas: Sequence[T.StructType], used: set[str]
) -> list[str]:
    """Give the columns that no file with a column has, and the mapping does not read."""
    with_name = [schema for schema in schemas if name.lower() in _names(schema)]
    others = set.union(used, *(_names(schema) for schema in with_name))
    return [c for c in rows.columns if c.lower() not in others and c != CORRUPT_RECORD]


def _renamed(name: str, new: Sequence[str]) -> str:
    old = as_sql(name)
    return (
        f", but {', '.join(new)}, which files with {name} have not: if it was renamed, write "
        f"coalesce({old}, {as_sql(new[0])}), if it may be missing, coalesce({old})"
    )


def _names(schema: T.StructType) -> set[str]:
    return {field.name.lower() for field in schema.fields}
