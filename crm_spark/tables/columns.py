"""Columns that tables of several subjects share."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table

CUSTOMER_ID = Column("customer_id", T.StringType(), "Customer", nullable=False)
AS_OF_DATE = Column(
    "as_of_date", T.DateType(), "Scored with what was known before this day", nullable=False
)
IS_BACKFILLED = Column(
    "is_backfilled", T.BooleanType(), "Scored by a model that was no champion on that date"
)
CHURN_PROBABILITY = "churn_probability"
CHURN_DECILE = Column(
    "churn_decile",
    T.IntegerType(),
    "1: the tenth most likely to leave; ties by customer_id",
    minimum=1,
    maximum=10,
)


def probability(name: str, comment: str) -> Column:
    """Give a column that holds a probability."""
    return Column(name, T.DoubleType(), comment, minimum=0, maximum=1)


# What the run that writes scores adds.
WRITTEN_BY = (
    Column("run_id", T.StringType(), "Run that scored", provenance=True),
    Column("scored_at", T.TimestampType(), "When (UTC)", provenance=True),
)
# What the runner of a model adds.
SCORED_BY = (
    Column("model_name", T.StringType(), "Registered model that scored", provenance=True),
    Column("model_version", T.StringType(), "Its version", provenance=True),
    *WRITTEN_BY,
)


def as_made(table: Table) -> Table:
    """Give a score table as a model makes its rows: without what the runner adds."""
    added = (AS_OF_DATE, IS_BACKFILLED, *SCORED_BY)
    return replace(
        table,
        key=tuple(name for name in table.key if name != AS_OF_DATE.name),
        partition_by=(),
        columns=tuple(column for column in table.columns if column not in added),
    )
