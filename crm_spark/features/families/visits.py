"""How often, how long and how lately a customer visits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.by_date import mean_of_parts, rows_by_date, table_of
from crm_spark.features.families.family import Family, Feature, count_feature
from crm_spark.tables.core import EVENTS

VISIT_DAYS = (28, 84)

_NEVER = "null without core.events; 0 when the customer has none"

FEATURES = (
    *[
        count_feature(
            f"n_visits_{days}d", f"events of ages 1 to {days}", "visits", _NEVER, of_none=0
        )
        for days in VISIT_DAYS
    ],
    count_feature(
        "days_since_last_visit",
        "age of the newest event - 1",
        "days",
        "null when no visit before D is known",
    ),
    Feature(
        "mean_visit_seconds",
        "mean of known duration_seconds of events",
        "seconds",
        "null when no duration is known",
    ),
)


def visit_features(events: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Give how often, how long and how lately each customer visited before each date.

    Grain: customer_id, as_of_date, customers with an event before it. Reads core.events.
    """

    def aggregates(cut: Column, age: Column) -> dict[str, Column]:
        sums: dict[str, Column] = {
            "days_since_last_visit": (F.min(age) - 1).cast(T.LongType()),
            "n_visits": F.count(age),
            "mean_visit_seconds": mean_of_parts(F.when(age.isNotNull(), F.col("duration_seconds"))),
        }
        for days in VISIT_DAYS:
            sums[f"n_visits_{days}d"] = F.count_if(age <= days)
        return sums

    return rows_by_date(events, EVENTS.event_time, aggregates, "n_visits", dates=dates)


VISITS = Family(FEATURES, table=table_of(lambda inputs: inputs.events, visit_features))
