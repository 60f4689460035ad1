"""The user's expressions over a source's columns: whether they fit, and what they read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.analysis import lenient_analysis
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
    faults = []
    expressions = {f"columns.{name}": text for name, text in mapping.items()}
    if where:
        expressions["where"] = where
    with lenient_analysis(df.sparkSession, time_zone):
        for key, text in expressions.items():
            try:
                if key == "where":
                    df.where(text)
                    continue
                value = F.expr(text)
                wanted = types.get(key.removeprefix("columns."))
                if not _is_one_value_a_row(df, df.select(value)):
                    faults.append(f"{key}: {text!r}: is not one value for each row{_remedy(text)}")
                elif wanted is not None:
                    df.select(value.cast(wanted))
            except (AnalysisException, ParseException) as error:
                faults.append(f"{key}: {text!r}: {first_line(error).rstrip('.')}{_remedy(text)}")
    return faults


_MORE_THAN_A_PROJECTION = re.compile(r"^\W*(?:Aggregate|Generate|Window)\b", re.MULTILINE)
_SEVERAL_ROWS = re.compile(r"\b(?:explode|posexplode|inline|stack)(?:_outer)?\s*\(", re.IGNORECASE)
_OTHER_ROWS = re.compile(r"\bover\s*\(", re.IGNORECASE)


def _is_one_value_a_row(df: DataFrame, selected: DataFrame) -> bool:
    """Whether a select only projects: aggregates, generators and windows add a node."""
    plan, source = (frame._jdf.queryExecution().analyzed().toString() for frame in (selected, df))
    found, before = (len(_MORE_THAN_A_PROJECTION.findall(text)) for text in (plan, source))
    return found == before


def _remedy(text: str) -> str:
    """Tell what to do where an expression makes several rows of one, or looks at others."""
    if _SEVERAL_ROWS.search(text):
        return (
            "; a row of the source is one line: make a table of a row for each item first, and map "
            "that"
        )
    if _OTHER_ROWS.search(text):
        return "; a mapping sees one row: let a table or query make the column first, and map that"
    return ""


def kind_of(df: DataFrame, text: str) -> T.DataType:
    """Give the type of what an expression makes."""
    return df.select(F.expr(text)).schema[0].dataType


def referenced_columns(df: DataFrame, text: str) -> list[str]:
    """Give the source columns that an expression reads."""
    analyzed = df.select(F.expr(text))._jdf.queryExecution().analyzed()
    read = analyzed.references().iterator()
    names = set()
    while read.hasNext():
        names.add(read.next().name())
    # Spark resolves without regard to case, but keeps the spelling of the expression.
    spelled = {name.lower() for name in names}
    return sorted(name for name in df.columns if name.lower() in spelled)


def as_sql(name: str) -> str:
    """Give a column's name as a user would write it."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else quoted(name)
