"""The score table of churn."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import AS_OF_DATE, CUSTOMER_ID, IS_BACKFILLED, SCORED_BY

REASON = T.StructType(
    [
        T.StructField("feature", T.StringType()),
        T.StructField("value", T.DoubleType()),
        T.StructField("effect", T.DoubleType()),
        T.StructField("theme", T.StringType()),
        T.StructField("text", T.StringType()),
    ]
)

CUSTOMER_CHURN = Table(
    name="scores.customer_churn",
    comment="How likely each active customer is to place no order in the horizon.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        Column(
            "churn_probability",
            T.DoubleType(),
            "Calibrated probability of no order in the horizon",
            minimum=0,
            maximum=1,
        ),
        Column(
            "churn_decile",
            T.IntegerType(),
            "1: the tenth most likely to leave; ties by customer_id",
            minimum=1,
            maximum=10,
        ),
        Column(
            "horizon_days", T.IntegerType(), "Days from the as-of date that the probability is for"
        ),
        Column(
            "reasons",
            T.ArrayType(REASON),
            "What raises the probability, strongest first: themes of features in a sentence, with "
            "the feature that adds most and its value; effect: what the probability loses without "
            "what the theme adds to the model's score (exact TreeSHAP). Of the tenths most at risk",
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)
