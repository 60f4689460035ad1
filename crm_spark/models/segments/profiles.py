"""Profiles of segments: how the customers of each differ from the whole base."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

# One feature a theme: of windows and sums that say the same only one.
PROFILE_FEATURES = (
    "days_since_last_order",
    "n_orders",
    "spend_amount",
    "spend_per_order",
    "items_per_order",
    "tenure_days",
    "median_gap_days",
    "n_orders_trend_84d",
    "n_products",
    "n_departments",
    "discount_share",
    "evening_orders_share",
)
N_APART = 5
DECIMALS = 6
_MEANS = ("days_since_last_order", "n_orders", "spend_amount", "spend_per_order")


def segment_profiles(assigned: DataFrame, snapshot: DataFrame) -> DataFrame:
    """Give what sets each segment apart from the base.

    Grain: segment_id. Reads `assigned` (customer_id, segment_id, segment_name) and the rows of
    features.customer_snapshot of one date; gives the columns of scores.segment_profiles but for
    as_of_date and provenance. Shares of spend are null where any segment's would be below zero, or
    where nothing was bought. Means leave nulls out; deviations are in the base's sample standard
    deviations, and a feature without spread is in no list. Means and deviations are rounded to
    six decimals, so that a rerun gives the same rows.
    """
    joined = assigned.join(snapshot, "customer_id")
    means = [F.avg(name).alias(f"_mean_{name}") for name in PROFILE_FEATURES]
    segments = joined.groupBy("segment_id", "segment_name").agg(
        F.count(F.lit(1)).alias("n_customers"), F.sum("spend_amount").alias("_spend"), *means
    )
    base = joined.agg(
        F.count(F.lit(1)).alias("_base_customers"),
        F.sum("spend_amount").alias("_base_spend"),
        *[F.avg(name).alias(f"_base_{name}") for name in PROFILE_FEATURES],
        *[F.stddev_samp(name).alias(f"_std_{name}") for name in PROFILE_FEATURES],
    )
    beside = segments.crossJoin(F.broadcast(base))  # one row beside a handful
    of_all = Window.partitionBy("_base_customers")  # the same for all segments
    is_parted = (F.col("_base_spend") > 0) & (F.min("_spend").over(of_all) >= 0)
    return beside.select(
        "segment_id",
        "segment_name",
        "n_customers",
        (F.col("n_customers") / F.col("_base_customers")).alias("customer_share"),
        _settled(F.when(is_parted, F.col("_spend") / F.col("_base_spend"))).alias("spend_share"),
        *[_settled(F.col(f"_mean_{name}")).alias(f"mean_{name}") for name in _MEANS],
        _most_apart().alias("apart"),
    )


def _settled(value: Column) -> Column:
    """Round away the last digits, which depend on the order in which sums arrive."""
    return F.round(value.cast(T.DoubleType()), DECIMALS)


def _most_apart() -> Column:
    deviations = F.array(
        *[
            F.struct(
                F.lit(name).alias("feature"),
                _settled(F.col(f"_mean_{name}")).alias("mean"),
                _settled(F.col(f"_base_{name}")).alias("base_mean"),
                _settled(
                    F.try_divide(
                        F.col(f"_mean_{name}") - F.col(f"_base_{name}"), F.col(f"_std_{name}")
                    )
                ).alias("deviation"),
            )
            for name in PROFILE_FEATURES
        ]
    )
    known = F.filter(deviations, lambda one: one["deviation"].isNotNull())
    ordered = F.array_sort(
        known,
        lambda left, right: (
            F.when(F.abs(left["deviation"]) > F.abs(right["deviation"]), -1)
            .when(F.abs(left["deviation"]) < F.abs(right["deviation"]), 1)
            .when(left["feature"] < right["feature"], -1)
            .otherwise(1)
        ),
    )
    return F.slice(ordered, 1, N_APART)
