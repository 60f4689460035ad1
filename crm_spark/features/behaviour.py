"""What customers did besides buying, as of dates: visits, feedback, campaign contacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.catalogue import (
    CONTACT_DAYS,
    FEEDBACK_DAYS,
    VISIT_DAYS,
)
from crm_spark.features.lines import midnight
from crm_spark.tables.core import CAMPAIGN_CONTACTS, EVENTS, FEEDBACK

_Aggregates = Callable[[Column, Column], Mapping[str, Column]]


def visit_features(events: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Give how often, how long and how lately each customer visited before each date.

    Grain: customer_id, as_of_date, customers with an event before it. Reads core.events.
    """

    def aggregates(cut: Column, age: Column) -> dict[str, Column]:
        sums: dict[str, Column] = {
            "days_since_last_visit": (F.min(age) - 1).cast(T.LongType()),
            "n_visits": F.count(age),
            "mean_visit_seconds": _mean(F.when(age.isNotNull(), F.col("duration_seconds"))),
        }
        for days in VISIT_DAYS:
            sums[f"n_visits_{days}d"] = F.count_if(age <= days)
        return sums

    return _of_dates(events, EVENTS.event_time, aggregates, "n_visits", dates=dates)


def feedback_features(feedback: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Give what each customer had said before each date, and how satisfied it was.

    Grain: customer_id, as_of_date, customers with feedback before it. Reads core.feedback.
    """

    def aggregates(cut: Column, age: Column) -> dict[str, Column]:
        is_recent = age <= FEEDBACK_DAYS
        is_known = age.isNotNull()
        newest = F.when(
            is_known & F.col("nps_score").isNotNull(),
            F.struct("given_at", "feedback_id", "nps_score"),
        )
        complaint_age = F.when(F.col("is_complaint"), age)
        return {
            "n_feedback": F.count(age),
            f"n_feedback_{FEEDBACK_DAYS}d": F.count_if(is_recent),
            f"n_complaints_{FEEDBACK_DAYS}d": F.count_if(is_recent & F.col("is_complaint")),
            "days_since_last_complaint": (F.min(complaint_age) - 1).cast(T.LongType()),
            "mean_rating": _mean(F.when(is_known, F.col("rating"))),
            "mean_csat_score": _mean(F.when(is_known, F.col("csat_score"))),
            "last_nps_score": F.max(newest)["nps_score"].cast(T.DoubleType()),
        }

    return _of_dates(feedback, FEEDBACK.event_time, aggregates, "n_feedback", dates=dates)


def contact_features(contacts: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Give how often each customer had been contacted before each date, and how it responded.

    Grain: customer_id, as_of_date, customers with a contact before it. Reads
    core.campaign_contacts; what was opened, clicked or converted on or after the date is not known.
    """

    def aggregates(cut: Column, age: Column) -> dict[str, Column]:
        is_recent = age <= CONTACT_DAYS
        n = F.nullif(F.count_if(is_recent), F.lit(0)).cast(T.DoubleType())

        def share(response: str) -> Column:
            return F.count_if(is_recent & (F.col(response) < cut)) / n

        return {
            "n_contacts": F.count(age),
            f"n_contacts_{CONTACT_DAYS}d": F.count_if(is_recent),
            "days_since_last_contact": (F.min(age) - 1).cast(T.LongType()),
            f"opened_contacts_share_{CONTACT_DAYS}d": share("opened_at"),
            f"clicked_contacts_share_{CONTACT_DAYS}d": share("clicked_at"),
            f"converted_contacts_share_{CONTACT_DAYS}d": share("converted_at"),
        }

    return _of_dates(contacts, CAMPAIGN_CONTACTS.event_time, aggregates, "n_contacts", dates=dates)


# Means are of whole multiples of this part, so that no order of summation shows.
_PARTS = 1000


def _mean(value: Column) -> Column:
    parts = F.round(value.cast(T.DoubleType()) * _PARTS).cast(T.LongType())
    return F.sum(parts) / (F.nullif(F.count(parts), F.lit(0)) * float(_PARTS))


def _of_dates(
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
