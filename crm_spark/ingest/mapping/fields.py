"""Fields: columns of core with the expressions that give them, and what these make of each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.blanks import without_blanks
from crm_spark.ingest.mapping.expressions import Expression
from crm_spark.ingest.mapping.made_once import made_once
from crm_spark.ingest.reading.schema import quoted
from crm_spark.lake.contract import Column as TableColumn

WRITTEN = "written"


@dataclass(frozen=True)
class SourceColumn:
    """A column of the source that a field reads; `place` is where written_out() leaves it."""

    name: str
    kind: T.DataType
    place: str

    @property
    def value(self) -> Column:
        """What the row holds, text without blanks around it."""
        return F.col(self.place)

    @property
    def is_text(self) -> bool:
        """Whether it is text, or the bytes of one."""
        return isinstance(self.kind, T.StringType | T.BinaryType)

    @property
    def is_written(self) -> Column:
        """Whether the row holds something besides blanks; never null."""
        if self.is_text:
            return F.coalesce(self.value != "", F.lit(False))
        return self.value.isNotNull()


@dataclass(frozen=True)
class Field:
    """A column of core, and the expression over the source's columns that gives it."""

    column: TableColumn
    expression: Expression
    sources: tuple[SourceColumn, ...]

    @property
    def name(self) -> str:
        """The name of the column of core."""
        return self.column.name

    @property
    def is_text(self) -> bool:
        """Whether the expression makes text, or the bytes of one."""
        return isinstance(self.expression.kind, T.StringType | T.BinaryType)

    @property
    def only(self) -> SourceColumn | None:
        """The source column, where the expression reads a single one."""
        return self.sources[0] if len(self.sources) == 1 else None

    @property
    def written(self) -> Column:
        """What the expression makes, text without blanks around it."""
        return self.sources[0].value if self.expression.is_column else F.col(self.note(WRITTEN))

    @property
    def has_sources(self) -> Column:
        """Whether every column that the expression reads holds something; never null."""
        return reduce(and_, [source.is_written for source in self.sources], F.lit(True))

    def note(self, what: str) -> str:
        """Name the column where a step of the mapping leaves something for the next ones."""
        return f"_{what}_{self.name}"


def fields_of(
    df: DataFrame, columns: Iterable[TableColumn], expressions: Mapping[str, Expression]
) -> list[Field]:
    """Give the fields of the columns of core that have an expression."""
    sources = {
        one.name: SourceColumn(one.name, one.dataType, f"_source_{number}")
        for number, one in enumerate(df.schema.fields)
    }
    return [
        Field(column, found, tuple(sources[name] for name in found.sources))
        for column in columns
        if (found := expressions.get(column.name))
    ]


def written_out(df: DataFrame, fields: Iterable[Field], others: Mapping[str, Column]) -> DataFrame:
    """Give what the fields' expressions make of the source's rows, and what they read.

    Nothing of the source's own names is left. Later steps refer to these columns and not to the
    expressions: what is written out several times is planned, and worked out, several times.
    """
    columns = {place: column for field in fields for place, column in _of_field(field).items()}
    return df.select(*[column.alias(name) for name, column in {**columns, **others}.items()])


@made_once
def _of_field(field: Field) -> dict[str, Column]:
    found = {source.place: _of_source(source) for source in field.sources}
    if not field.expression.is_column:
        value = F.expr(field.expression.text)
        place = field.note(WRITTEN)
        found[place] = without_blanks(value.cast("string")) if field.is_text else value
    return found


def _of_source(source: SourceColumn) -> Column:
    value = F.col(quoted(source.name))
    return without_blanks(value.cast("string")) if source.is_text else value
