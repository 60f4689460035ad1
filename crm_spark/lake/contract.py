"""What a table is: its columns with types and comments, its grain, and the checks at its edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import CrmSparkError, listed

Mapped = Literal["required", "optional", "gathered"]


class ContractError(CrmSparkError):
    """A DataFrame is not what its table promises: a fault of ours, not of the user's data."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `mapping` says whether users map the column from their source; None means we compute it, and
    "gathered" that it holds attributes which users name and map one by one.
    `provenance` columns tell where a row came from and are left out of content checksums. A mapped
    value outside `minimum` to `maximum` is a reason for rejection; one that we compute can never be
    written: Delta refuses the commit.
    """

    name: str
    type: T.DataType
    comment: str
    nullable: bool = True
    provenance: bool = False
    mapping: Mapped | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def has_expression(self) -> bool:
        """Whether users give one expression for it."""
        return self.mapping in ("required", "optional")


@dataclass(frozen=True)
class Table:
    """A Delta table as a contract: `layer.name`, its grain, its columns, what it is partitioned by.

    `event_time` names the column that says when a row happened: such a table is bitemporal, its
    rows are versions, and nothing that was known is overwritten. `row_id` names a column that tells
    rows with the same other keys apart and only names them: it is left out of content checksums.

    Raise `version` with every change that is not an added nullable column: an older or newer table
    is refused, with the name of the migration.
    """

    name: str
    comment: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    version: int = 1
    event_time: str | None = None
    row_id: str | None = None

    @property
    def layer(self) -> str:
        """The stage that the table belongs to: core, features, scores or ops."""
        return self.name.split(".")[0]

    def column(self, name: str) -> Column:
        """Give the column of this name. Raises KeyError where there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def id_column(self) -> str:
        """The column by which a source tells its rows apart, where it says so."""
        return self.row_id or self.key[0]

    @property
    def schema(self) -> T.StructType:
        """The Spark schema, comments included."""
        return T.StructType(
            [
                T.StructField(
                    column.name, column.type, column.nullable, {"comment": column.comment}
                )
                for column in self.columns
            ]
        )

    @property
    def content_columns(self) -> tuple[str, ...]:
        """The columns that are the table's content: all but those of provenance and `row_id`."""
        return tuple(
            column.name
            for column in self.columns
            if not column.provenance and column.name != self.row_id
        )

    @property
    def statistics_columns(self) -> tuple[str, ...]:
        """The columns of which Delta's log keeps the lowest and highest value of each file.

        Times and runs, by which rows are looked for; nothing that a person said or is known by,
        since the log outlives deleted rows.
        """
        return tuple(
            column.name
            for column in self.columns
            if column.name not in self.partition_by
            and (
                isinstance(column.type, T.DateType | T.TimestampType)
                or column.name.endswith("run_id")
            )
        )

    @property
    def constraints(self) -> dict[str, str]:
        """The conditions that Delta checks with every write, by name: the ranges of columns."""
        found = {}
        for column in self.columns:
            limits = [
                f"{column.name} {sign} {limit:g}"
                for sign, limit in ((">=", column.minimum), ("<=", column.maximum))
                if limit is not None
            ]
            if limits:  # Delta takes an unknown condition for a broken one
                condition = " AND ".join(limits)
                found[f"{column.name}_range"] = f"{column.name} IS NULL OR ({condition})"
        return found

    def conform(self, df: DataFrame) -> DataFrame:
        """Give `df` with exactly this table's columns, in order, with their comments.

        Raises ContractError that lists every missing column and every wrong type at once.
        """
        found = {field.name: field.dataType for field in df.schema.fields}
        faults = [
            f"column {column.name} is missing"
            if column.name not in found
            else f"column {column.name} is {found[column.name].simpleString()}, "
            f"expected {column.type.simpleString()}"
            for column in self.columns
            if not _same_type(found.get(column.name), column.type)
        ]
        if faults:
            raise ContractError(listed(f"the rows for {self.name} break its contract", faults))
        return df.to(_nullable(self.schema))


def _same_type(found: T.DataType | None, expected: T.DataType) -> bool:
    return found is not None and found.simpleString() == expected.simpleString()


def _nullable(schema: T.StructType) -> T.StructType:
    """Give the schema with every column nullable: that a value is there is checked by the write."""
    fields = [T.StructField(one.name, one.dataType, True, one.metadata) for one in schema.fields]
    return T.StructType(fields)


def row_hash(columns: tuple[str, ...]) -> SparkColumn:
    """Hash a row so that null and neighbour columns cannot be confused (xxhash64 skips nulls)."""
    return F.expr(_row_hash_sql(columns))


def _row_hash_sql(columns: tuple[str, ...]) -> str:
    """Write the hash as one text: a call to the JVM for each column takes longer than the hash."""
    quoted = [f"`{name}`" for name in columns]
    return f"xxhash64({', '.join([*quoted, *(f'{name} IS NULL' for name in quoted)])})"


# A hash is summed in three parts, so that long sums are exact up to 2^41 rows.
_PART_BITS = 22
CHECKSUM_FIELDS = ("n_rows", "part_0", "part_1", "part_2", "hash_xor")


def checksum_aggregates(columns: tuple[str, ...]) -> list[SparkColumn]:
    """Aggregates named CHECKSUM_FIELDS: equal for the same rows in any order."""
    found = {"n_rows": "count(1)", **_hash_aggregates(_row_hash_sql(tuple(sorted(columns))))}
    return [F.expr(f"{aggregate} AS {name}") for name, aggregate in found.items()]


def _hash_aggregates(hashed: str) -> dict[str, str]:
    mask = 2**_PART_BITS - 1
    parts = {
        f"part_{part}": f"sum(shiftrightunsigned({hashed}, {part * _PART_BITS}) & {mask}L)"
        for part in range(3)
    }
    return {**parts, "hash_xor": f"bit_xor({hashed})"}


def dated_checksum_aggregates(columns: tuple[str, ...], dates: Sequence[date]) -> list[SparkColumn]:
    """Aggregates of checksum_aggregates() for each as-of date apart, the dates being numbered."""
    hashed = _row_hash_sql(tuple(sorted(columns)))
    aggregates = []
    for number, day in enumerate(dates):
        # The hash stands outside of any condition: Spark works it out once for all.
        is_of_day = f"as_of_date <=> DATE'{day.isoformat()}'"
        masked = f"({hashed} & if({is_of_day}, -1L, 0L))"
        found = {"n_rows": f"count_if({is_of_day})", **_hash_aggregates(masked)}
        aggregates += [F.expr(f"{text} AS {name}_of_{number}") for name, text in found.items()]
    return aggregates


def dated_checksums(aggregates: Mapping[str, Any], dates: Sequence[date]) -> dict[date, str]:
    """Give the checksum of each date from the values of dated_checksum_aggregates()."""
    return {
        day: format_checksum({name: aggregates[f"{name}_of_{number}"] for name in CHECKSUM_FIELDS})
        for number, day in enumerate(dates)
    }


def format_checksum(aggregates: Mapping[str, int | None]) -> str:
    """Write the aggregates as one short text."""
    total = sum((aggregates[f"part_{part}"] or 0) << (part * _PART_BITS) for part in range(3))
    mixed = (aggregates["hash_xor"] or 0) % 2**64
    return f"{aggregates['n_rows']:x}-{total % 2**64:016x}-{mixed:016x}"


NO_ROWS = format_checksum(dict.fromkeys(CHECKSUM_FIELDS, 0))


def added_aggregates(
    before: Mapping[str, int | None], after: Mapping[str, int | None]
) -> dict[str, int]:
    """Give the aggregates of the rows that were added from those of all rows before and after."""
    added = {name: (after[name] or 0) - (before[name] or 0) for name in CHECKSUM_FIELDS}
    return added | {"hash_xor": (before["hash_xor"] or 0) ^ (after["hash_xor"] or 0)}


def added_checksums(first: str, second: str) -> str:
    """Give the checksum of two sets of rows together from the checksums of each."""
    (n_1, sum_1, xor_1), (n_2, sum_2, xor_2) = (
        [int(part, 16) for part in checksum.split("-")] for checksum in (first, second)
    )
    return f"{n_1 + n_2:x}-{(sum_1 + sum_2) % 2**64:016x}-{xor_1 ^ xor_2:016x}"


def subtracted_checksum(whole: str, part: str) -> str:
    """Give the checksum of a set of rows without some of them from the checksums of both."""
    (n_1, sum_1, xor_1), (n_2, sum_2, xor_2) = (
        [int(figure, 16) for figure in checksum.split("-")] for checksum in (whole, part)
    )
    return f"{n_1 - n_2:x}-{(sum_1 - sum_2) % 2**64:016x}-{xor_1 ^ xor_2:016x}"


def checksum_rows(checksum: str) -> int:
    """Give the number of rows that a checksum is of."""
    return int(checksum.split("-", maxsplit=1)[0], 16)


def content_checksum(df: DataFrame, table: Table) -> str:
    """Give the checksum of a table's content, the same for the same rows in any order."""
    row = df.agg(*checksum_aggregates(table.content_columns)).collect()[0]
    return format_checksum(row.asDict())
