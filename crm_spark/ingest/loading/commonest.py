"""The commonest reasons of rejected rows, each with a value that it objects to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.loading.rejected import row_cells
from crm_spark.ingest.loading.swapped_days import swapped_days
from crm_spark.ingest.mapping.cleaning import PLACEHOLDERS
from crm_spark.ingest.mapping.expressions import analysed
from crm_spark.ingest.rejections import without_figures
from crm_spark.ingest.settings import Source
from crm_spark.lake.contract import Table

# So many reasons are told.
N_REASONS = 3
_LONGEST_EXAMPLE = 40


@dataclass(frozen=True)
class CommonReason:
    """A reason, the rows that have it, and what stands in one of them; None: not to be shown.

    Where rows differ in the figures that the reason quotes, `reason` is that of one of them.
    """

    reason: str
    n_rows: int
    example: str | None
    is_of_several: bool = False

    @property
    def text(self) -> str:
        """The reason in words, with its example."""
        shown = f", such as {self.example}" if self.example else ""
        return f"{self.reason}{' (and the like)' if self.is_of_several else ''}{shown}"


def explained_rows(
    source: Source, rejected: DataFrame, frames: list[DataFrame], *, n: int = N_REASONS
) -> tuple[list[CommonReason], list[str]]:
    """Give why most rows are rejected, and what may mend it.

    Reads the row and reasons of rejected rows; `frames` are rows as the source has them.
    """
    shown = shown_sources(source, frames)
    reasons = commonest_reasons(rejected, shown, n=n)
    is_unread = {
        column
        for column in shown
        if any(one.reason.startswith(f"{column} cannot be read") for one in reasons)
    }
    unread = {column: names for column, names in shown.items() if column in is_unread}
    return reasons, swapped_days(rejected, source, unread)


def shown_sources(source: Source, frames: Iterable[DataFrame]) -> dict[str, list[str]]:
    """Give, for each column of time, number or currency, the source's columns it is read from.

    Only such columns may be shown: nothing that an id or a text is read from, too.
    """
    shown: dict[str, set[str]] = {}
    hidden: set[str] = set()
    for rows in frames:
        with lenient_analysis(rows.sparkSession, source.time_zone):
            found = analysed(rows, source.section.mapping)
        for column, expression in found.items():
            if _is_shown(source.row_table, column):
                shown.setdefault(column, set()).update(expression.sources)
            else:
                hidden.update(expression.sources)
    return {column: sorted(names) for column, names in shown.items() if not names & hidden}


def _is_shown(table: Table, name: str) -> bool:
    kinds = (T.TimestampType, T.DateType, T.NumericType)
    return name == "currency" or any(
        isinstance(column.type, kinds) for column in table.columns if column.name == name
    )


def commonest_reasons(
    rejected: DataFrame, shown: Mapping[str, list[str]], *, n: int
) -> list[CommonReason]:
    """Give the `n` reasons that most rows have, of reasons that differ in figures one.

    Reads the row and reasons of rejected rows; `shown` are those of shown_sources().
    """
    one = rejected.select(F.explode("reasons").alias("reason"), row_cells().alias("_cells"))
    counted = (
        one.withColumn("_example", _example(F.col("_cells"), shown))
        .groupBy(without_figures(F.col("reason")).alias("kind"))
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.min("reason").alias("first"),
            F.max("reason").alias("last"),
            F.min("_example").alias("example"),
        )
        .orderBy(F.desc("n"), "kind")
        .limit(n)
    )
    return [
        CommonReason(row["first"], row["n"], row["example"], row["first"] != row["last"])
        for row in counted.collect()
    ]


def is_about(reason: Column, column: str) -> Column:
    """Whether a reason objects to what a column's sources hold."""
    start = f"{column} is "
    says_value = F.startswith(reason, F.lit(start)) & ~F.startswith(
        reason, F.lit(f"{start}missing")
    )
    return says_value | F.startswith(reason, F.lit(f"{column} cannot be read"))


def _example(values: Column, shown: Mapping[str, list[str]]) -> Column:
    """Give the values that the reason of a row objects to; null where one is not to be shown."""
    example = F.lit(None).cast("string")
    for column, names in shown.items():
        given = [F.element_at(values, F.lit(name)) for name in names]
        if not given:
            continue
        quoted = [F.concat(F.lit("'"), value, F.lit("'")) for value in given]
        is_fit = F.lit(True)
        for value in given:
            is_fit = is_fit & _looks_like_a_value(value)
        text = F.when(is_fit, F.concat_ws(" and ", *quoted))
        example = F.when(is_about(F.col("reason"), column), text).otherwise(example)
    return example


def _looks_like_a_value(value: Column) -> Column:
    """Whether a text may be a time, a number or a mark for none: a shifted line shows no name."""
    has_figure = value.rlike("[0-9]") & ~F.contains(value, F.lit("@"))
    is_mark = F.lower(value).isin(*[mark.lower() for mark in PLACEHOLDERS])
    return (F.length(value) <= _LONGEST_EXAMPLE) & (has_figure | is_mark)
