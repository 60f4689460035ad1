"""Rows of any kind by customer, aggregated for each of several dates in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Inputs, TableOf
from crm_spark.features.lines import midnight

_Aggregates = Callable[[Column, Column], Mapping[str, Column]]
# Means are of whole multiples of this part, so that no order of summation shows.
_PARTS = 1000


def table_of(
    rows_of: Callable[[Inputs], DataFrame | None], features: Callable[..., DataFrame]
) -> TableOf:
    """Give what makes a family's table of one kind of rows: none where they are not mapped."""

    def table(inputs: Inputs) -> DataFrame | None:
        rows = rows_of(inputs)
        return None if rows is None else features(rows, dates=inputs.dates)

    return table


def mean_of_parts(value: Column) -> Column:
    """Give the mean of a value over rows, to three decimals of each."""
    parts = F.round(value.cast(T.DoubleType()) * _PARTS).cast(T.LongType())
    return F.sum(parts) / (F.nullif(F.count(parts), F.lit(0)) * float(_PARTS))


def rows_by_date(
    rows: DataFrame,
    event_time: str | None,
    aggregates: _Aggregates,
    n_rows: str,
    *,
    dates: Sequence[date],
) -> DataFrame:
    """Aggregate per customer with a column a date, and only then give each date its row.

    `aggregates` gets the midnight of a date and the age of a row in days, null where the row was
    not known or not valid then; of its columns `n_rows` says whether the customer has any.
    """
    assert event_time is not None
    days = dict(enumerate(sorted(set(dates))))
    columns: list[Column] = []
    structs: list[Column] = []
    for index, day in days.items():
        cut = midnight(F.lit(day))
        is_known = F.greatest(event_time, "arrived_at") < cut
        is_valid = F.col("superseded_at").isNull() | (F.col("superseded_at") >= cut)
        age = F.when(is_known & is_valid, F.datediff(F.lit(day), F.to_date(event_time)))
        made = aggregates(cut, age)
        columns += [aggregate.alias(f"_{index}_{name}") for name, aggregate in made.items()]
        structs.append(
            F.struct(
                F.lit(day).alias("as_of_date"),
                *[F.col(f"_{index}_{name}").alias(name) for name in made],
            )
        )
    by_customer = rows.groupBy("customer_id").agg(*columns)
    of_dates = by_customer.select("customer_id", F.inline(F.array(*structs)))
    return of_dates.where(F.col(n_rows) > 0)
