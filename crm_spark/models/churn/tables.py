"""The score table of churn."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import (
    AS_OF_DATE,
    CHURN_DECILE,
    CHURN_PROBABILITY,
    CUSTOMER_ID,
    IS_BACKFILLED,
    SCORED_BY,
    probability,
)

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
        probability(CHURN_PROBABILITY, "Calibrated probability of no order in the horizon"),
        CHURN_DECILE,
        Column(
            "horizon_days", T.IntegerType(), "Days from the as-of date that the probability is for"
        ),
        Column(
            "reasons",
            T.ArrayType(REASON),
            "What raises the probability, strongest first: themes of features in a sentence, with "
            "the feature that adds most and its value; effect: what the probability loses without "
            "what the theme adds to the model's score (TreeSHAP, or terms of a formula). Of those "
            "tenths that are explained",
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)

CUSTOMER_ALERTS = Table(
    name="scores.customer_alerts",
    comment="Early warning: who is about to fall silent for good, once in a silence.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        Column("last_order_date", T.DateType(), "Day of the order that the silence began with"),
        Column("days_silent", T.IntegerType(), "Days from it to the as-of date", minimum=1),
        Column(
            "lapse_date",
            T.DateType(),
            "When the silence becomes a lapse (churn.alerts.lapse_days), if no order comes",
        ),
        probability(
            "lapse_probability",
            "Probability that none comes until then: the churn probability to the power of the "
            "days left over those of its horizon",
        ),
        probability(CHURN_PROBABILITY, "Of scores.customer_churn: no order in the horizon"),
        probability(
            "least_probability",
            "The least of the customer's own churn probabilities in the lapse_days before; null: "
            "there is none",
        ),
        Column(
            "raised_by",
            T.StringType(),
            "silence: so many days without an order; level: churn_probability; rise: that less "
            "least_probability; lapse_probability",
        ),
        Column("threshold", T.DoubleType(), "What raised it was at least so much"),
        Column("reasons", T.ArrayType(REASON), "Of scores.customer_churn"),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)
