"""The user's expressions over a source's columns: whether they fit, and what they read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.mapping.patterns import pattern_faults
from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.schema import quoted
from crm_spark.lake.contract import Table


def mapping_faults(
    df: DataFrame,
    mapping: Mapping[str, str],
    *,
    where: str | None,
    time_zone: str,
    table: Table | None = None,
) -> list[str]:
    """Say everything that is wrong with the expressions over `df`, without running anything.

    With `table` the expressions must also fit the types of its columns.
    """
    types = {column.name: column.type for column in table.columns} if table else {}
    expressions = {f"columns.{name}": text for name, text in mapping.items()}
    if where:
        expressions["where"] = where
    faults = []
    with lenient_analysis(df.sparkSession, time_zone):
        for key, text in expressions.items():
            try:
                found = _faults_of(df, key, text, types.get(key.removeprefix("columns.")))
                found = found or pattern_faults(text, time_zone)
            except (AnalysisException, ParseException) as error:
                found = [f"{first_line(error).rstrip('.')}{_remedy(df, text)}"]
            faults += [f"{key}: {text!r}: {fault}" for fault in found]
    return faults


def _faults_of(df: DataFrame, key: str, text: str, wanted: T.DataType | None) -> list[str]:
    """Give what is wrong with an expression that can be analysed; Spark raises for others."""
    if key == "where":
        df.where(text)
    selected = df.select(F.expr(text))
    if not _is_one_value_a_row(df, selected):
        return [f"is not one value for each row{_remedy(df, text)}"]
    is_needed = key.removeprefix("columns.") in _NEED_A_COLUMN
    if (is_needed or _is_quoted_name(df, text)) and _is_constant(selected):
        return [_no_column(df, text)]
    if wanted is not None:
        kind = selected.schema[0].dataType
        if isinstance(kind, T.BinaryType) and not isinstance(wanted, T.StringType):
            return [f"is binary: write cast({text} as string)"]
        df.select(F.expr(text).cast(wanted))
    return []


# A constant in their place makes one of all customers, orders or days, or keeps all rows or none.
_NEED_A_COLUMN = ("customer_id", "order_id", "ordered_at", "where")

_TEXT = re.compile(r"""'[^']*'|"[^"]*\"""")


def _is_constant(selected: DataFrame) -> bool:
    """Whether the only column of a select is the same whatever the row."""
    plan: Any = selected._jdf.queryExecution().analyzed()
    column = plan.projectList().head()
    return bool(column.children().nonEmpty() and column.children().head().foldable())


def _is_quoted_name(df: DataFrame, text: str) -> bool:
    """Whether an expression is no more than a column's name, in the quotes of other databases."""
    return text.strip().lower() in {f'"{name.lower()}"' for name in df.columns}


def _no_column(df: DataFrame, text: str) -> str:
    """Say that an expression is a constant, and how the column is written that it may mean."""
    found = "reads no column of the source, and is the same for all rows"
    meant = [
        name
        for name in df.columns
        if {f'"{name.lower()}"', f"'{name.lower()}'"} & set(re.findall(_TEXT, text.lower()))
    ]
    if meant:
        written = ", ".join(as_sql(name) for name in meant)
        return f"{found}: in quotes it is a text: write {written}"
    return f"{found}: a name with blanks or signs goes in backticks, as in `Order ID`"


_MORE_THAN_A_PROJECTION = re.compile(r"^\W*(?:Aggregate|Generate|Window)\b", re.MULTILINE)
_SEVERAL_ROWS = re.compile(r"\b(?:explode|posexplode|inline|stack)(?:_outer)?\s*\(", re.IGNORECASE)
_OTHER_ROWS = re.compile(r"\bover\s*\(", re.IGNORECASE)


def _is_one_value_a_row(df: DataFrame, selected: DataFrame) -> bool:
    """Whether a select only projects: aggregates, generators and windows add a node."""
    plan, source = (frame._jdf.queryExecution().analyzed() for frame in (selected, df))
    if plan.nodeName() == "Project" and plan.child().equals(source):
        return True  # to write out plans of many columns takes a while
    found, before = (len(_MORE_THAN_A_PROJECTION.findall(one.toString())) for one in (plan, source))
    return found == before


def _remedy(df: DataFrame, text: str) -> str:
    """Tell what to do about several rows of one, a look at others, or a column that is binary."""
    for one in df.schema.fields:
        is_read = re.search(rf"\b{re.escape(one.name)}\b", text, re.IGNORECASE)
        if isinstance(one.dataType, T.BinaryType) and is_read:
            name = as_sql(one.name)
            return f"; {name} is binary: write cast({name} as string)"
    if _SEVERAL_ROWS.search(text):
        return (
            "; a row of the source is one line: make a table of a row for each item first, and map "
            "that"
        )
    if _OTHER_ROWS.search(text):
        return "; a mapping sees one row: let a table or query make the column first, and map that"
    return ""


@dataclass(frozen=True)
class Expression:
    """An expression over a source's columns, as Spark reads it.

    `kind` is the type of what it makes, `sources` are the columns that it reads; `is_column` says
    that it is a column and no more; `plan` is how Spark writes it, with the casts that it adds, and
    names each column of these rows by a number of their own.
    """

    text: str
    kind: T.DataType
    sources: tuple[str, ...]
    is_column: bool
    plan: str = field(compare=False)


def analysed(df: DataFrame, texts: Mapping[str, str]) -> dict[str, Expression]:
    """Let Spark read expressions over `df`, all at once, and give each by its name.

    Raises AnalysisException for one that does not fit.
    """
    if not texts:
        return {}
    selected = df.select(*[F.expr(text).alias(f"_{i}") for i, text in enumerate(texts.values())])
    plan: Any = selected._jdf.queryExecution().analyzed()
    parts = [plan.projectList().apply(i) for i in range(len(texts))]
    return {
        name: Expression(
            text, one.dataType, _columns_of(df, part), _is_name(part.child()), part.toString()
        )
        for (name, text), one, part in zip(texts.items(), selected.schema, parts, strict=True)
    }


def referenced_columns(df: DataFrame, text: str) -> list[str]:
    """Give the source columns that an expression reads."""
    return list(analysed(df, {"_": text})["_"].sources)


def _columns_of(df: DataFrame, part: Any) -> tuple[str, ...]:
    read = part.references().iterator()
    names = set()
    while read.hasNext():
        names.add(read.next().name())
    # Spark resolves without regard to case, but keeps the spelling of the expression.
    spelled = {name.lower() for name in names}
    return tuple(sorted(name for name in df.columns if name.lower() in spelled))


def _is_name(expression: Any) -> bool:
    return str(expression.getClass().getSimpleName()) == "AttributeReference"


def as_sql(name: str) -> str:
    """Give a column's name as a user would write it."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else quoted(name)
