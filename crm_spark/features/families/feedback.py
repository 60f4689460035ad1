"""What a customer says: complaints, ratings, satisfaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.by_date import mean_of_parts, rows_by_date, table_of
from crm_spark.features.families.family import Family, Feature, count_feature
from crm_spark.tables.core import FEEDBACK as FEEDBACK_TABLE

FEEDBACK_DAYS = 365

_WINDOW = f"of ages 1 to {FEEDBACK_DAYS}"
_NEVER = "null without core.feedback; 0 when the customer has none"

FEATURES = (
    count_feature(
        f"n_feedback_{FEEDBACK_DAYS}d", f"feedback {_WINDOW}", "feedback", _NEVER, of_none=0
    ),
    count_feature(
        f"n_complaints_{FEEDBACK_DAYS}d", f"complaints {_WINDOW}", "complaints", _NEVER, of_none=0
    ),
    count_feature(
        "days_since_last_complaint",
        "age of the newest complaint - 1",
        "days",
        "null without a complaint",
    ),
    Feature("mean_rating", "mean of ratings before D", "score", "null without a rating"),
    Feature("mean_csat_score", "mean of CSAT answers before D", "score", "null without an answer"),
    Feature(
        "last_nps_score",
        "newest answer to the NPS question (Reichheld 2003) before D",
        "score",
        "null without an answer",
    ),
)


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
            "mean_rating": mean_of_parts(F.when(is_known, F.col("rating"))),
            "mean_csat_score": mean_of_parts(F.when(is_known, F.col("csat_score"))),
            "last_nps_score": F.max(newest)["nps_score"].cast(T.DoubleType()),
        }

    return rows_by_date(feedback, FEEDBACK_TABLE.event_time, aggregates, "n_feedback", dates=dates)


FEEDBACK = Family(FEATURES, table=table_of(lambda inputs: inputs.feedback, feedback_features))
