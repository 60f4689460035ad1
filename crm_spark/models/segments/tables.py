"""The score tables of segments: who is in which, and who is in each."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import AS_OF_DATE, CUSTOMER_ID, IS_BACKFILLED, SCORED_BY

CUSTOMER_SEGMENTS = Table(
    name="scores.customer_segments",
    comment="The segment of alike customers that each customer belongs to.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        Column("segment_id", T.IntegerType(), "1: the segment with the highest mean spend"),
        Column("segment_name", T.StringType(), "What sets the segment apart, in words"),
        Column(
            "distance_to_center",
            T.DoubleType(),
            "Distance to the segment's centre, in standard deviations of the model's inputs",
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)

APART = T.StructType(
    [
        T.StructField("feature", T.StringType()),
        T.StructField("mean", T.DoubleType()),
        T.StructField("base_mean", T.DoubleType()),
        T.StructField("deviation", T.DoubleType()),
    ]
)

SEGMENT_PROFILES = Table(
    name="scores.segment_profiles",
    comment="Who the customers of each segment are, beside the whole base.",
    key=("segment_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        Column("segment_id", T.IntegerType(), "Segment", nullable=False),
        AS_OF_DATE,
        Column("segment_name", T.StringType(), "What sets the segment apart, in words"),
        Column("n_customers", T.LongType(), "Customers in it"),
        Column(
            "customer_share", T.DoubleType(), "Its share of all customers", minimum=0, maximum=1
        ),
        Column(
            "spend_share",
            T.DoubleType(),
            "Its share of all that was ever bought; null where the amounts of a segment add up to "
            "less than zero, or all of them to zero",
            minimum=0,
            maximum=1,
        ),
        Column("mean_days_since_last_order", T.DoubleType(), "Mean days since the last order"),
        Column("mean_n_orders", T.DoubleType(), "Mean number of orders"),
        Column("mean_spend_amount", T.DoubleType(), "Mean amount bought"),
        Column("mean_spend_per_order", T.DoubleType(), "Mean amount of an order"),
        Column(
            "apart",
            T.ArrayType(APART),
            "The features that differ most from the base: mean in the segment, mean of the base, "
            "and their difference in standard deviations of the base; the largest first",
        ),
        *SCORED_BY,
    ),
)
